import { resolve } from "node:path";
import { type Command, Option } from "commander";
import type { KeyAlgorithm } from "../../certificates/issue.ts";
import { MendError } from "../../errors/errors.ts";
import type { CommandContext } from "../command.ts";
import { type OutputOptions, outputOptions } from "../options/shared-options.ts";
import { byteText } from "../terminal/byte-text.ts";

const EXAMPLES = `
Examples:
  kubemend render --asset-dir=cluster --api-servers=https://10.0.0.10:6443 --etcd-servers=https://10.0.0.5:2379
  kubemend render --asset-dir=cluster --api-servers=https://api.example.com:6443 --api-server-alt-names=DNS=api.example.com,IP=10.0.0.10
  kubemend render --asset-dir=cluster --kubernetes-version=v1.20.2 --image kubernetes=example.com/hyperkube:v1.20.2
  kubemend render --asset-dir=cluster --ca-certificate-path=ca.crt --ca-private-key-path=ca.key --network-provider=none`;

interface Options extends OutputOptions {
  readonly assetDir: string;
  readonly apiServers: string;
  readonly apiServerAltNames?: string;
  readonly etcdServers: string;
  readonly etcdCaPath?: string;
  readonly etcdCertificatePath?: string;
  readonly etcdPrivateKeyPath?: string;
  readonly caCertificatePath?: string;
  readonly caPrivateKeyPath?: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly networkProvider: string;
  readonly cloudProvider: string;
  readonly clusterName: string;
  readonly kubernetesVersion: string;
  readonly image: readonly string[];
  readonly checkpointer: boolean;
  readonly extraManifests?: string;
  readonly keyAlgorithm: "ecdsa" | "rsa";
  readonly certificateDays: string;
  readonly force?: true;
  readonly dryRun?: true;
}

const ALGORITHMS: Readonly<Record<Options["keyAlgorithm"], KeyAlgorithm>> = { ecdsa: "ecdsa-p256", rsa: "rsa-2048" };

export function registerRender(program: Command, context: CommandContext): void {
  const { host } = context;
  outputOptions(program.command("render"), ["text", "json"])
    .description("write the assets of a new self-hosted cluster: certificates, manifests, bootstrap control plane")
    .requiredOption("--asset-dir <dir>", "where to write: empty, or not there yet")
    .option("--api-servers <urls>", "what everybody dials first, then others", "https://127.0.0.1:6443")
    .option("--api-server-alt-names <names>", "IP=... and DNS=...; the hosts of --api-servers unless given")
    .option("--etcd-servers <urls>", "where etcd answers", "https://127.0.0.1:2379")
    .option("--etcd-ca-path <file>", "who signed etcd's certificates; the cluster's own authority unless given")
    .option("--etcd-certificate-path <file>", "the API server's certificate for etcd")
    .option("--etcd-private-key-path <file>", "its key")
    .option("--ca-certificate-path <file>", "an authority that is there already")
    .option("--ca-private-key-path <file>", "its key")
    .option("--pod-cidr <networks>", "addresses of pods; one network, or one of each family", "10.2.0.0/16")
    .option("--service-cidr <networks>", "addresses of services, likewise", "10.3.0.0/24")
    .option("--network-provider <name>", "flannel, or none where you bring another", "flannel")
    .option("--cloud-provider <name>", "of the machines; none unless given", "")
    .option("--cluster-name <name>", "in kubeconfigs", "local")
    .option("--kubernetes-version <version>", "v1.20.0 or later", "v1.34.2")
    .option("--image <name=reference>", "another image; `kubernetes` for one with all four programs", collect, [])
    .option("--no-checkpointer", "leave out the pod checkpointer: a reboot of all masters is then a disaster")
    .option("--extra-manifests <dir>", "manifests to create with the others")
    .addOption(new Option("--key-algorithm <name>", "of keys").choices(["ecdsa", "rsa"]).default("ecdsa"))
    .option("--certificate-days <days>", "how long certificates hold; the authority's 3650", "365")
    .option("--force", "replace the output of an earlier run")
    .option("--dry-run", "say what would be written, and write nothing")
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options) => {
      checkTogether("--ca-certificate-path and --ca-private-key-path", [
        options.caCertificatePath,
        options.caPrivateKeyPath,
      ]);
      checkTogether("--etcd-ca-path, --etcd-certificate-path and --etcd-private-key-path", [
        options.etcdCaPath,
        options.etcdCertificatePath,
        options.etcdPrivateKeyPath,
      ]);
      const path = (value: string | undefined) => (value === undefined ? undefined : resolve(host.cwd, value));
      const { renderAssets } = await import("../../operations/render/render.ts");
      const { assets, written, dnsAddresses } = await renderAssets({
        cluster: {
          clusterName: options.clusterName,
          apiServers: list(options.apiServers),
          altNames: options.apiServerAltNames === undefined ? undefined : list(options.apiServerAltNames),
          etcdServers: list(options.etcdServers),
          podCidrs: list(options.podCidr),
          serviceCidrs: list(options.serviceCidr),
          networkProvider: options.networkProvider,
          cloudProvider: options.cloudProvider,
          kubernetesVersion: options.kubernetesVersion,
          images: imagesOf(options.image),
          checkpointer: options.checkpointer,
          keyAlgorithm: ALGORITHMS[options.keyAlgorithm],
          certificateDays: Number(options.certificateDays),
          now: new Date(host.now()),
        },
        assetDir: path(options.assetDir)!,
        caCertificatePath: path(options.caCertificatePath),
        caPrivateKeyPath: path(options.caPrivateKeyPath),
        etcdCaPath: path(options.etcdCaPath),
        etcdCertificatePath: path(options.etcdCertificatePath),
        etcdPrivateKeyPath: path(options.etcdPrivateKeyPath),
        extraManifests: path(options.extraManifests),
        force: options.force === true,
        dryRun: options.dryRun === true,
        startedAt: host.startedAt,
        signal: host.signal,
      });
      const directory = written?.directory ?? path(options.assetDir)!;
      const files = assets.map((asset) => ({
        path: asset.path,
        size: asset.content instanceof Uint8Array ? asset.content.length : asset.content.size,
      }));
      if (options.output === "json") {
        const result = { assetDir: directory, written: written !== undefined, dnsAddresses, assets: files };
        await host.stdout.write(`${JSON.stringify(result)}\n`);
        return;
      }
      const verb = written === undefined ? "Would write asset" : "Writing asset";
      const total = files.reduce((sum, { size }) => sum + size, 0);
      const lines = [
        ...files.map((file) => `${verb}: ${directory}/${file.path}`),
        `${written === undefined ? "Dry run: nothing written" : "Wrote"}: ${files.length} files, ${byteText(total)}`,
        "Next:",
        `  on every node: give the kubelet --cluster-dns=${dnsAddresses.join(",")}, and auth/kubeconfig-kubelet as --bootstrap-kubeconfig`,
        `  on the first master: kubemend start --asset-dir=${options.assetDir}`,
      ];
      await host.stdout.write(`${lines.join("\n")}\n`);
    });
}

function list(text: string): string[] {
  return text.split(",").map((part) => part.trim());
}

function collect(value: string, earlier: readonly string[]): string[] {
  return [...earlier, value];
}

function imagesOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name, reference] = /^([^=]+)=(\S+)$/.exec(pair) ?? [];
      if (name !== undefined && reference !== undefined) return [name, reference];
      throw new MendError("usage", `--image is "${pair}": expected NAME=REFERENCE`, {
        hint: "name a program, such as kube-proxy, or kubernetes for all of them",
      });
    }),
  );
}

function checkTogether(flags: string, values: readonly (string | undefined)[]): void {
  const given = values.filter((value) => value !== undefined).length;
  if (given === 0 || given === values.length) return;
  throw new MendError("usage", `${flags} belong together`, { hint: "pass all of them, or none" });
}
