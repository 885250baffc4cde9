import { resolve } from "node:path";
import { MendError } from "../../errors/errors.ts";
import type { ClusterFlags } from "../../operations/cluster-access/open-cluster.ts";
import type { EtcdFlags } from "../../operations/etcd/etcd-flags.ts";
import type { SourceChoice } from "../../operations/recover/recovery-source.ts";
import type { Host } from "../host.ts";
import { CLUSTER_FLAGS, clusterFlags } from "../options/cluster-flags.ts";
import { defineCommand } from "../options/define-command.ts";
import { ETCD_FLAGS, etcdFlags } from "../options/etcd-flags.ts";
import { path, toggle, type ValuesOf, words } from "../options/flag.ts";
import { given } from "../options/given.ts";
import { DRY_RUN_FLAG, resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { AT_REVISION_FLAG, ENCRYPTION_FLAG, ETCD_PREFIX_FLAG, IDENTITY_FLAG } from "../options/snapshot-flags.ts";
import { findingsText } from "../reports/findings-text.ts";
import { recoveryJson, recoveryText } from "../reports/recovery-report.ts";
import { lineOf } from "../terminal/escape.ts";

const FLAGS = {
  ...resultFlags(["text", "json"]),
  recoveryDir: path("--recovery-dir <dir>", "where to write: empty, or not there yet", { required: true }),
  kubeconfig: words(
    "--kubeconfig <file>",
    "what the recovered control plane is reached with, and the API server to read from unless etcd or a " +
      "backup is given (default: $KUBECONFIG)",
  ),
  context: CLUSTER_FLAGS.context,
  requestTimeout: CLUSTER_FLAGS.requestTimeout,
  etcdServers: words("--etcd-servers <urls>", "read from etcd that runs: client URLs of its members"),
  etcdCaPath: path("--etcd-ca-path <file>", "the CA of etcd's certificates (default: $ETCDCTL_CACERT)"),
  etcdCertificatePath: path(
    "--etcd-certificate-path <file>",
    "the client certificate for etcd (default: $ETCDCTL_CERT)",
  ),
  etcdPrivateKeyPath: path("--etcd-private-key-path <file>", "its key (default: $ETCDCTL_KEY)"),
  etcdBackupFile: words(
    "--etcd-backup-file <file>",
    "read from a snapshot of etcd, a raw database, an archive of one (.gz, .zst, .zip), or a moment of a backup repository",
  ),
  etcdPrefix: ETCD_PREFIX_FLAG,
  encryptionConfig: ENCRYPTION_FLAG,
  podManifestPath: words("--pod-manifest-path <dir>", "where the kubelet looks for static pods", {
    default: "/etc/kubernetes/manifests",
  }),
  namespace: words(
    "-n, --namespace <namespace>",
    "where the components run (default: kube-system, or where they are found)",
  ),
  atRevision: AT_REVISION_FLAG,
  allowMissing: toggle(
    "--allow-missing",
    "recover what is possible, even if the control plane needs more or the snapshot is damaged",
  ),
  identity: IDENTITY_FLAG,
  skipHashCheck: toggle("--skip-hash-check", "read a snapshot that does not match its SHA-256"),
  force: toggle("--force", "replace the output of an earlier run"),
  dryRun: DRY_RUN_FLAG,
  ...ETCD_FLAGS,
};

type Values = ValuesOf<typeof FLAGS>;

export const recoverCommand = defineCommand({
  name: "recover",
  text: "read the control plane from an API server, a live etcd or a backup of it, and write what brings it back",
  flags: FLAGS,
  examples: [
    `an API server still runs:
kubemend recover --recovery-dir=recovered --kubeconfig=/etc/kubernetes/kubeconfig
`,
    `an external etcd still runs:
kubemend recover --recovery-dir=recovered --etcd-servers=http://127.0.0.1:2379 --kubeconfig=/etc/kubernetes/kubeconfig
kubemend recover --recovery-dir=recovered --etcd-servers=https://10.0.0.1:2379,https://10.0.0.2:2379 \\
  --etcd-ca-path=ca.crt --etcd-certificate-path=client.crt --etcd-private-key-path=client.key \\
  --kubeconfig=/etc/kubernetes/kubeconfig
`,
    `there is a backup of etcd:
kubemend recover --recovery-dir=recovered --etcd-backup-file=backup.db --kubeconfig=/etc/kubernetes/kubeconfig
kubemend recover --recovery-dir=recovered --etcd-backup-file=backup.db.gz --encryption-config=encryption.yaml
kubemend recover --recovery-dir=recovered --etcd-backup-file=backup.db --dry-run -o json`,
  ],
  page: "docs/recover-a-control-plane.md",
  async run(_, flags, { host }) {
    checkTogether(flags);
    const { recoverControlPlane } = await import("../../operations/recover/recover.ts");
    const { line, ...common } = snapshotOptions(host, flags);
    const { recoveryDir, encryptionConfig, etcdPrefix, namespace, atRevision, allowMissing } = flags;
    const recovery = await recoverControlPlane({
      ...common,
      source: chosenSource(host, flags),
      recoveryDir,
      now: host.now,
      kubeconfig: isClusterNamed(host, flags) ? namedCluster(host, flags) : undefined,
      encryptionConfig: encryptionConfig === undefined ? undefined : resolve(host.cwd, encryptionConfig),
      etcdPrefix,
      namespace,
      atRevision,
      allowMissing,
      skipHashCheck: flags.skipHashCheck,
      force: flags.force,
      dryRun: flags.dryRun,
      startedAt: host.startedAt,
    });
    await line.end();
    const report = { now: host.now(), recoveryDir, podManifestPath: flags.podManifestPath };
    if (flags.output === "json") {
      await host.stdout.write(`${JSON.stringify(recoveryJson(recovery, report))}\n`);
      return;
    }
    await host.stdout.write(recoveryText(recovery, report));
    const missing = recovery.plane.missing.map((each) => lineOf`warning: ${each.text}`).join("");
    await host.stderr.write(findingsText(recovery.findings) + missing);
  },
});

/** The one source that the flags name. Throws `usage` for none, for two, and for what it cannot do. */
function chosenSource(host: Host, flags: Values): SourceChoice {
  const { etcdBackupFile, atRevision } = flags;
  const access = namedEtcd(host, flags);
  if (access !== undefined && etcdBackupFile !== undefined) {
    throw new MendError("usage", "--etcd-servers and --etcd-backup-file are two sources, and only one can be read", {
      hint: "pass one of them: etcd while it runs, the backup when it is lost",
    });
  }
  if (etcdBackupFile !== undefined) {
    return { kind: "backup", path: isUrl(etcdBackupFile) ? etcdBackupFile : resolve(host.cwd, etcdBackupFile) };
  }
  if (access !== undefined) return { kind: "etcd", access };
  if (!isClusterNamed(host, flags)) {
    throw new MendError("usage", "recover needs a source: an API server, etcd, or a backup of it", {
      hint: "pass --kubeconfig, --etcd-servers or --etcd-backup-file",
    });
  }
  if (atRevision !== undefined) {
    throw new MendError("usage", "an API server shows no earlier revision", {
      hint: "pass --at-revision with --etcd-servers or --etcd-backup-file",
    });
  }
  return { kind: "api-server", cluster: namedCluster(host, flags) };
}

/** The address of a backup repository, which is no path. */
function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(text);
}

function isClusterNamed(host: Host, { kubeconfig }: Values): boolean {
  return Boolean(kubeconfig || host.env.KUBECONFIG);
}

/** What was named, and nothing else: it becomes part of the assets, which must not depend on what the home directory holds. */
function namedCluster(host: Host, flags: Values): ClusterFlags {
  const { HOME: _, ...variables } = host.env;
  return { ...clusterFlags(host, flags), variables };
}

/** bootkube's names of the flags, and etcdctl's; undefined where none of them names etcd. */
function namedEtcd(host: Host, flags: Values): EtcdFlags | undefined {
  const endpoints = flags.etcdServers ?? flags.endpoints;
  if (endpoints === undefined && flags.discoverySrv === undefined) return undefined;
  const path = (value: string | undefined) => value && resolve(host.cwd, value);
  const named = etcdFlags(host, {
    ...flags,
    endpoints,
    cacert: flags.etcdCaPath ?? flags.cacert,
    cert: flags.etcdCertificatePath ?? flags.cert,
    key: flags.etcdPrivateKeyPath ?? flags.key,
  });
  const files = { cacert: path(named.cacert), cert: path(named.cert), key: path(named.key) };
  return { ...named, ...given(files) };
}

function checkTogether({ etcdCertificatePath, etcdPrivateKeyPath }: Values): void {
  if ((etcdCertificatePath === undefined) === (etcdPrivateKeyPath === undefined)) return;
  throw new MendError("usage", "--etcd-certificate-path and --etcd-private-key-path belong together", {
    hint: "pass both of them, or none",
  });
}
