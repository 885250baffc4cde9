import { resolve } from "node:path";
import { jsonLine } from "../json-outputs.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { commaList, path, repeated, toggle, words } from "../options/flag.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";

export const clusterBundle = defineCommand({
  name: "bundle",
  text: "write a restore of all control-plane nodes as one file a node, for those who may not use ssh",
  args: { backup: argument("<backup>", "a snapshot, or a moment of a backup repository") },
  flags: {
    out: path("--out <dir>", "where the files are written", { default: "." }),
    recipient: repeated("--recipient <recipient>", "encrypt the files for this recipient of age, age1…"),
    without: commaList("--without <names>", "control-plane nodes that no longer are"),
    certificateKey: words(
      "--certificate-key <key>",
      "kubeadm's, to read the authorities' keys from secret kubeadm-certs of the backup",
    ),
    newAuthority: toggle(
      "--new-authority",
      "the nodes have another cluster authority than the backup: warn, and do not refuse",
    ),
    encryptionConfig: path("--encryption-config <file>", "the API server's, for objects that are encrypted at rest"),
    etcdPrefix: words(
      "--etcd-prefix <prefix>",
      "where the API server keeps its objects (default: found in the backup)",
    ),
    identity: path("--identity <file>", "the age identity of the repository"),
    ...resultFlags(["text", "json"]),
  },
  examples: [
    "kubemend cluster bundle backup.db --out bundles",
    "kubemend cluster bundle /backup/prod@latest --out bundles --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
  ],
  notes: `Each file holds the backup and the node's keys, so every secret of the cluster: only its owner may read it,
unless it is encrypted with --recipient. Bring each to its node and run kubemend cluster apply FILE
there, on all nodes: each waits for the others.`,
  page: "docs/restore-a-cluster.md",
  async run({ backup }, flags, { host }) {
    const { bundleCluster } = await import("../../operations/cluster/bundle-cluster.ts");
    const { line, ...common } = snapshotOptions(host, flags);
    const made = await bundleCluster(backup, {
      ...common,
      ...(flags.encryptionConfig === undefined ? {} : { encryptionConfig: flags.encryptionConfig }),
      ...(flags.etcdPrefix === undefined ? {} : { etcdPrefix: flags.etcdPrefix }),
      ...(flags.certificateKey === undefined ? {} : { certificateKey: flags.certificateKey }),
      without: flags.without,
      acceptNewAuthority: flags.newAuthority,
      directory: resolve(host.cwd, flags.out),
      recipients: flags.recipient,
      now: host.now,
    });
    await line.end();
    const { plan, bundles, encrypted } = made;
    if (flags.output === "json") {
      await host.stdout.write(jsonLine("cluster bundle", made));
      return undefined;
    }
    const identity = encrypted ? " --identity FILE" : "";
    const lines = [
      `operation ${plan.id}: revision ${plan.backup.revision}, ${plan.backup.keys} keys`,
      ...bundles.map(({ node, path: file }) => `  ${node}  ${file}`),
      `on each node, as root: kubemend cluster apply FILE${identity}`,
    ];
    await host.stdout.write(`${lines.join("\n")}\n`);
    return undefined;
  },
});
