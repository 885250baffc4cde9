/** `kubemend certificate issue`: replaces what is lost. */

import { InvalidArgumentError } from "commander";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { type IssueResult, type MissingFact, MissingFacts } from "../../operations/certificate/issue-options.ts";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { PLACE_FLAGS } from "../options/certificate-flags.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { parsed, path, repeated, type ValuesOf, wholeNumber, words } from "../options/flag.ts";
import { DRY_RUN_FLAG, outputFlag } from "../options/output-flags.ts";
import { tableText } from "../terminal/table.ts";

/** What cannot be found on the node, by flags. */
const FACT_FLAGS = {
  node: words("--node-name <name>", "the node's name"),
  address: words("--apiserver-advertise-address <address>", "where its API server and etcd are reached"),
  serviceAddress: words("--service-cidr <network>", "the services' network, such as 10.96.0.0/12"),
  domain: words("--service-dns-domain <domain>", "the cluster's domain"),
  otherNames: repeated("--apiserver-san <name>", "one more name or address of the API server"),
  minor: parsed("--kubernetes-version <version>", "such as 1.36", parseMinor),
  endpoint: words("--control-plane-endpoint <url>", "the API server's address in administrators' kubeconfigs"),
} satisfies Readonly<Record<MissingFact, unknown>>;

const FLAGS = {
  ...PLACE_FLAGS,
  ...FACT_FLAGS,
  to: path("--to <dir>", "make kubelet.conf of another node, by --node-name, into this directory"),
  days: wholeNumber("--days <n>", "how long they are to be valid", { default: 365, least: 1, most: 36_500 }),
  dryRun: DRY_RUN_FLAG,
  output: outputFlag(["text", "json"]),
};

type Flags = ValuesOf<typeof FLAGS>;

export const certificateIssue = defineCommand({
  name: "issue",
  text: "replace what is lost of this node's certificates, keys and kubeconfigs",
  args: {
    names: argument("[names...]", "as certificate list has them (default: all that are missing or unusable)"),
  },
  flags: FLAGS,
  examples: [
    "sudo kubemend certificate issue --dry-run",
    "sudo kubemend certificate issue",
    "sudo kubemend certificate issue apiserver --apiserver-san=api.example.com",
    "sudo kubemend certificate issue admin.conf --control-plane-endpoint=https://10.0.0.9:6443",
    "sudo kubemend certificate issue kubelet.conf --node-name=worker-1 --to=/root/worker-1",
  ],
  notes: `Makes what is missing, unreadable or without its key: certificates, keys, kubeconfigs, the kubelet's own, by those of
kubeadm's three authorities whose keys are on this node. Names come from what is left of the node: manifests, other
certificates, kubeconfigs, the kubelet's configuration. Nothing is overwritten: what was there is kept as FILE.until-TIME.
Exit code 1 where an authority's key is lost, with what that means.`,
  page: "docs/certificates.md",
  async run({ names }, flags, { host }) {
    const { issueCertificates } = await import("../../operations/certificate/issue-certificates.ts");
    const { firstAddress } = await import("../../certificates/kubeadm.ts");
    const { to, serviceAddress, otherNames } = flags;
    if (to !== undefined && (names.length !== 1 || names[0] !== "kubelet.conf")) {
      throw new MendError("usage", "--to is for another node's kubelet.conf alone", {
        hint: "name kubelet.conf, with --node-name, or leave --to out",
      });
    }
    let result: IssueResult;
    try {
      result = await issueCertificates({
        kubernetesDir: flags.kubernetesDir,
        kubeletDir: flags.kubeletDir,
        names,
        given: {
          node: flags.node,
          address: flags.address,
          serviceAddress: serviceAddress === undefined ? undefined : firstAddress(serviceAddress),
          domain: flags.domain,
          otherNames: otherNames.length === 0 ? undefined : otherNames,
          minor: flags.minor,
          endpoint: flags.endpoint,
        },
        to,
        days: flags.days,
        dryRun: flags.dryRun,
        now: host.now(),
      });
    } catch (error) {
      if (!(error instanceof MissingFacts)) throw error;
      const missing = error.missing.map((fact) => nameOf(FACT_FLAGS[fact])).join(", ");
      throw new MendError(error.code, error.message, { hint: `pass ${missing}` });
    }
    await host.stdout.write(
      flags.output === "json" ? jsonLine("certificate issue", result) : issuedText(result, flags),
    );
    for (const { name, why } of result.lost) await host.stderr.write(`not made: ${name}: ${why}\n`);
    return result.lost.length > 0 ? EXIT.failed : EXIT.done;
  },
});

/** `--node-name` of `--node-name <name>`. */
function nameOf({ flags }: { readonly flags: string }): string {
  return defined(flags.split(" ")[0]);
}

function issuedText({ issued, lost }: IssueResult, { dryRun, to, node }: Flags): string {
  if (issued.length === 0)
    return lost.length === 0 ? "nothing is lost: nothing was made\n" : "nothing of what is lost can be made here\n";
  const rows = issued.map(({ file, subject, notAfter, kept }) => [file, subject, notAfter ?? "-", kept ?? "-"]);
  const head = dryRun ? "WOULD MAKE" : "MADE";
  const next = dryRun
    ? ""
    : to !== undefined
      ? workerSteps(defined(issued[0]).file, node ?? "")
      : "restart what uses them: the control plane's static pods (move their manifests out, wait 20 " +
        "s, move them back), and the kubelet\n";
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

function parseMinor(text: string): number {
  const minor = /^v?1\.(\d+)(?:\..*)?$/.exec(text)?.[1];
  if (minor === undefined) throw new InvalidArgumentError("expected a version such as 1.36");
  return Number(minor);
}
