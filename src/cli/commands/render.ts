import type { KeyAlgorithm } from "../../certificates/issue.ts";
import { MendError } from "../../errors/errors.ts";
import { defineCommand } from "../options/define-command.ts";
import { commaList, oneOf, path, repeated, toggle, wholeNumber, words } from "../options/flag.ts";
import { DRY_RUN_FLAG, resultFlags } from "../options/output-flags.ts";
import { byteText } from "../terminal/byte-text.ts";

const ALGORITHMS: Readonly<Record<"ecdsa" | "rsa", KeyAlgorithm>> = { ecdsa: "ecdsa-p256", rsa: "rsa-2048" };

export const renderCommand = defineCommand({
  name: "render",
  text: "write the assets of a new self-hosted cluster: certificates, manifests, bootstrap control plane",
  flags: {
    ...resultFlags(["text", "json"]),
    assetDir: path("--asset-dir <dir>", "where to write: empty, or not there yet", { required: true }),
    apiServers: commaList("--api-servers <urls>", "the first is what all clients use", {
      default: ["https://127.0.0.1:6443"],
    }),
    apiServerAltNames: words(
      "--api-server-alt-names <names>",
      "IP=... and DNS=... (default: the hosts of --api-servers)",
    ),
    etcdServers: commaList("--etcd-servers <urls>", "client URLs of etcd", { default: ["https://127.0.0.1:2379"] }),
    etcdCaPath: path("--etcd-ca-path <file>", "who signed etcd's certificates (default: the cluster's own authority)"),
    etcdCertificatePath: path("--etcd-certificate-path <file>", "the API server's certificate for etcd"),
    etcdPrivateKeyPath: path("--etcd-private-key-path <file>", "its key"),
    caCertificatePath: path("--ca-certificate-path <file>", "an authority that exists already"),
    caPrivateKeyPath: path("--ca-private-key-path <file>", "its key"),
    podCidr: commaList("--pod-cidr <networks>", "addresses of pods; one network, or one of each family", {
      default: ["10.2.0.0/16"],
    }),
    serviceCidr: commaList("--service-cidr <networks>", "addresses of services, likewise", {
      default: ["10.3.0.0/24"],
    }),
    networkProvider: words("--network-provider <name>", "flannel, or none where you bring another", {
      default: "flannel",
    }),
    cloudProvider: words("--cloud-provider <name>", "of the machines (default: none)", { default: "" }),
    clusterName: words("--cluster-name <name>", "in kubeconfigs", { default: "local" }),
    kubernetesVersion: words("--kubernetes-version <version>", "v1.20.0 or later", { default: "v1.34.2" }),
    image: repeated("--image <name=reference>", "another image; `kubernetes` for one with all four programs"),
    checkpointer: toggle(
      "--no-checkpointer",
      "leave out the pod checkpointer: a reboot of all control-plane nodes is then a disaster",
    ),
    extraManifests: path("--extra-manifests <dir>", "manifests to create with the others"),
    keyAlgorithm: oneOf("--key-algorithm <name>", ["ecdsa", "rsa"], "of keys", { default: "ecdsa" }),
    certificateDays: wholeNumber(
      "--certificate-days <days>",
      "how long certificates are valid; the authority's is valid for 3650",
      { default: 365, least: 1 },
    ),
    force: toggle("--force", "replace the output of an earlier run"),
    dryRun: DRY_RUN_FLAG,
  },
  examples: [
    "kubemend render --asset-dir=cluster --api-servers=https://10.0.0.10:6443 --etcd-servers=https://10.0.0.5:2379",
    `kubemend render --asset-dir=cluster --api-servers=https://api.example.com:6443 \\
  --api-server-alt-names=DNS=api.example.com,IP=10.0.0.10`,
    `kubemend render --asset-dir=cluster --kubernetes-version=v1.20.2 \\
  --image kubernetes=example.com/hyperkube:v1.20.2`,
    `kubemend render --asset-dir=cluster --ca-certificate-path=ca.crt --ca-private-key-path=ca.key \\
  --network-provider=none`,
  ],
  page: "docs/start-a-cluster.md",
  async run(_, flags, { host }) {
    const { caCertificatePath, caPrivateKeyPath, etcdCaPath, etcdCertificatePath, etcdPrivateKeyPath } = flags;
    checkTogether("--ca-certificate-path and --ca-private-key-path", [caCertificatePath, caPrivateKeyPath]);
    checkTogether("--etcd-ca-path, --etcd-certificate-path and --etcd-private-key-path", [
      etcdCaPath,
      etcdCertificatePath,
      etcdPrivateKeyPath,
    ]);
    const { renderAssets } = await import("../../operations/render/render.ts");
    const { assets, written, dnsAddresses } = await renderAssets({
      cluster: {
        clusterName: flags.clusterName,
        apiServers: flags.apiServers,
        altNames: flags.apiServerAltNames === undefined ? undefined : list(flags.apiServerAltNames),
        etcdServers: flags.etcdServers,
        podCidrs: flags.podCidr,
        serviceCidrs: flags.serviceCidr,
        networkProvider: flags.networkProvider,
        cloudProvider: flags.cloudProvider,
        kubernetesVersion: flags.kubernetesVersion,
        images: imagesOf(flags.image),
        checkpointer: flags.checkpointer,
        keyAlgorithm: ALGORITHMS[flags.keyAlgorithm],
        certificateDays: flags.certificateDays,
        now: new Date(host.now()),
      },
      assetDir: flags.assetDir,
      caCertificatePath,
      caPrivateKeyPath,
      etcdCaPath,
      etcdCertificatePath,
      etcdPrivateKeyPath,
      extraManifests: flags.extraManifests,
      force: flags.force,
      dryRun: flags.dryRun,
      startedAt: host.startedAt,
      signal: host.signal,
    });
    const directory = written?.directory ?? flags.assetDir;
    const files = assets.map((asset) => ({
      path: asset.path,
      size: asset.content instanceof Uint8Array ? asset.content.length : asset.content.size,
    }));
    if (flags.output === "json") {
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
      `  on the first control-plane node: kubemend start --asset-dir=${flags.assetDir}`,
    ];
    await host.stdout.write(`${lines.join("\n")}\n`);
  },
});

function list(text: string): string[] {
  return text.split(",").map((part) => part.trim());
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
