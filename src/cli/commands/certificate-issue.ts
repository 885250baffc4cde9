/** `kubemend certificate issue`: what is lost is made anew. */
import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { MendError } from "../../errors/errors.ts";
import type { IssueResult, MissingFact } from "../../operations/certificate/issue-certificates.ts";
import { type CommandContext, EXIT } from "../command.ts";
import { tableText } from "../terminal/table.ts";
import { type PlaceOptions, placeOptions, placesOf } from "./certificate-places.ts";

const EXAMPLES = `
Examples:
  sudo kubemend certificate issue --dry-run
  sudo kubemend certificate issue
  sudo kubemend certificate issue apiserver --apiserver-san=api.example.com
  sudo kubemend certificate issue admin.conf --control-plane-endpoint=https://10.0.0.9:6443
  sudo kubemend certificate issue kubelet.conf --node-name=worker-1 --to=/root/worker-1

Makes what is missing, unreadable or without its key: certificates, keys, kubeconfigs, the kubelet's own, by the three authorities of kubeadm whose keys are on this node. Names come from what is left of
the node: manifests, other certificates, kubeconfigs, the kubelet's configuration. Nothing that is there is overwritten: it is kept as FILE.until-TIME. Exit code 1 where an authority's key is lost, with what that means.`;

interface Options extends PlaceOptions {
  readonly nodeName?: string;
  readonly apiserverAdvertiseAddress?: string;
  readonly serviceCidr?: string;
  readonly serviceDnsDomain?: string;
  readonly apiserverSan?: readonly string[];
  readonly kubernetesVersion?: number;
  readonly controlPlaneEndpoint?: string;
  readonly to?: string;
  readonly days: number;
  readonly dryRun?: true;
  readonly output: "text" | "json";
}

const FLAGS: Readonly<Record<MissingFact, string>> = {
  node: "--node-name",
  address: "--apiserver-advertise-address",
  serviceAddress: "--service-cidr",
  domain: "--service-dns-domain",
  otherNames: "--apiserver-san",
  minor: "--kubernetes-version",
  endpoint: "--control-plane-endpoint",
};

export function issueCommand({ host, exit }: CommandContext): Command {
  return placeOptions(new Command("issue"))
    .description("make anew what is lost of this node's certificates, keys and kubeconfigs")
    .argument("[names...]", "as certificate list has them (default: all that are missing or of no use)")
    .option("--node-name <name>", "the node's name")
    .option("--apiserver-advertise-address <address>", "where its API server and etcd are reached")
    .option("--service-cidr <network>", "the services' network, such as 10.96.0.0/12")
    .option("--service-dns-domain <domain>", "the cluster's domain")
    .option("--apiserver-san <name>", "one more name or address of the API server; may be repeated", collect)
    .addOption(new Option("--kubernetes-version <version>", "such as 1.36").argParser(parseMinor))
    .option("--control-plane-endpoint <url>", "what administrators' kubeconfigs call")
    .option("--to <dir>", "make kubelet.conf of another node, by --node-name, into this directory")
    .addOption(new Option("--days <n>", "how long they are to be valid").argParser(parseDays).default(365))
    .option("--dry-run", "say what would be made, and write nothing")
    .addOption(new Option("-o, --output <format>", "output format").choices(["text", "json"]).default("text", "text"))
    .addHelpText("after", EXAMPLES)
    .action(async (names: string[], options: Options) => {
      const { issueCertificates, MissingFacts } = await import("../../operations/certificate/issue-certificates.ts");
      const { firstAddress } = await import("../../certificates/kubeadm.ts");
      if (options.to !== undefined && (names.length !== 1 || names[0] !== "kubelet.conf")) {
        throw new MendError("usage", "--to is for another node's kubelet.conf alone", {
          hint: "name kubelet.conf, with --node-name, or leave --to out",
        });
      }
      let result: IssueResult;
      try {
        result = await issueCertificates({
          ...placesOf(host, options),
          names,
          given: {
            node: options.nodeName,
            address: options.apiserverAdvertiseAddress,
            serviceAddress: options.serviceCidr === undefined ? undefined : firstAddress(options.serviceCidr),
            domain: options.serviceDnsDomain,
            otherNames: options.apiserverSan,
            minor: options.kubernetesVersion,
            endpoint: options.controlPlaneEndpoint,
          },
          to: options.to === undefined ? undefined : resolve(host.cwd, options.to),
          days: options.days,
          dryRun: options.dryRun === true,
          now: host.now(),
        });
      } catch (error) {
        if (!(error instanceof MissingFacts)) throw error;
        const flags = error.missing.map((fact) => FLAGS[fact]).join(", ");
        throw new MendError(error.code, error.message, { hint: `pass ${flags}` });
      }
      await host.stdout.write(options.output === "json" ? `${JSON.stringify(result)}\n` : issuedText(result, options));
      for (const { name, why } of result.lost) await host.stderr.write(`not made: ${name}: ${why}\n`);
      if (result.lost.length > 0) exit(EXIT.failed);
    });
}

function issuedText({ issued }: IssueResult, { dryRun, to, nodeName }: Options): string {
  if (issued.length === 0) return "nothing is lost: nothing was made\n";
  const rows = issued.map(({ file, subject, notAfter, kept }) => [file, subject, notAfter ?? "-", kept ?? "-"]);
  const head = dryRun === true ? "WOULD MAKE" : "MADE";
  const next =
    dryRun === true
      ? ""
      : to !== undefined
        ? workerSteps(issued[0]!.file, nodeName ?? "")
        : "start anew what uses them: the control plane's static pods (move their manifests out, wait 20 s, move them back), and the kubelet\n";
  return `${tableText([[head, "FOR", "VALID UNTIL", "OLD ONE KEPT AS"], ...rows])}${next}`;
}

/** The whole way of a node whose kubelet can no longer renew its certificate by itself. */
function workerSteps(file: string, node: string): string {
  return `next:
  scp ${file} ${node}:/tmp/kubelet.conf
  on ${node}:
    sudo systemctl stop kubelet
    sudo install -m 600 -o root -g root /tmp/kubelet.conf /etc/kubernetes/kubelet.conf && rm /tmp/kubelet.conf
    sudo mkdir -p /root/kubelet-pki && sudo mv /var/lib/kubelet/pki/kubelet-client-* /root/kubelet-pki/
    sudo systemctl start kubelet
  see that it is Ready: kubectl get node ${node}
`;
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

function parseMinor(text: string): number {
  const minor = /^v?1\.(\d+)(?:\..*)?$/.exec(text)?.[1];
  if (minor === undefined) throw new InvalidArgumentError("expected a version such as 1.36");
  return Number(minor);
}

function parseDays(text: string): number {
  const days = Number(text);
  if (!/^\d+$/.test(text) || days < 1 || days > 36_500) throw new InvalidArgumentError("expected a number of days");
  return days;
}
