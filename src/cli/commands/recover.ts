import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { MendError } from "../../errors/errors.ts";
import type { ClusterFlags } from "../../operations/cluster-access/open-cluster.ts";
import type { EtcdFlags } from "../../operations/etcd/etcd-flags.ts";
import type { CommandContext } from "../command.ts";
import type { Host } from "../host.ts";
import { type EtcdOptions, etcdFlags, etcdOptions } from "../options/etcd-options.ts";
import { given } from "../options/given.ts";
import { REQUEST_TIMEOUT_FLAG } from "../options/request-timeout.ts";
import {
  clusterFlags,
  type OutputOptions,
  outputOptions,
  parseRevision,
  snapshotOptions,
} from "../options/shared-options.ts";
import { findingsText } from "../reports/findings-text.ts";
import { recoveryJson, recoveryText } from "../reports/recovery-report.ts";
import { lineOf } from "../terminal/escape.ts";

const EXAMPLES = `
Examples:
  an API server still runs:
  kubemend recover --recovery-dir=recovered --kubeconfig=/etc/kubernetes/kubeconfig

  an external etcd still runs:
  kubemend recover --recovery-dir=recovered --etcd-servers=http://127.0.0.1:2379 --kubeconfig=/etc/kubernetes/kubeconfig
  kubemend recover --recovery-dir=recovered --etcd-servers=https://10.0.0.1:2379,https://10.0.0.2:2379 \\
    --etcd-ca-path=ca.crt --etcd-certificate-path=client.crt --etcd-private-key-path=client.key --kubeconfig=/etc/kubernetes/kubeconfig

  there is a backup of etcd:
  kubemend recover --recovery-dir=recovered --etcd-backup-file=backup.db --kubeconfig=/etc/kubernetes/kubeconfig
  kubemend recover --recovery-dir=recovered --etcd-backup-file=backup.db.gz --encryption-config=encryption.yaml
  kubemend recover --recovery-dir=recovered --etcd-backup-file=backup.db --dry-run -o json`;

interface Options extends OutputOptions, EtcdOptions {
  readonly recoveryDir: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly requestTimeout?: number;
  readonly etcdServers?: string;
  readonly etcdBackupFile?: string;
  readonly identity?: string;
  readonly etcdCaPath?: string;
  readonly etcdCertificatePath?: string;
  readonly etcdPrivateKeyPath?: string;
  readonly etcdPrefix?: string;
  readonly encryptionConfig?: string;
  readonly podManifestPath: string;
  readonly namespace?: string;
  readonly atRevision?: number;
  readonly allowMissing?: true;
  readonly skipHashCheck?: true;
  readonly force?: true;
  readonly dryRun?: true;
}

export function registerRecover(program: Command, context: CommandContext): void {
  const { host } = context;
  const command = outputOptions(program.command("recover"), ["text", "json"])
    .description(
      "read the control plane from an API server, a live etcd or a backup of it, and write what brings it back",
    )
    .requiredOption("--recovery-dir <dir>", "where to write: empty, or not there yet")
    .option(
      "--kubeconfig <file>",
      "what the recovered control plane is reached with, and the API server to read from unless etcd or a backup is given ($KUBECONFIG)",
    )
    .option("--context <name>", "of the kubeconfig, for reading from its API server")
    .addOption(REQUEST_TIMEOUT_FLAG.option())
    .option("--etcd-servers <urls>", "read from etcd that runs: client URLs of its members")
    .option("--etcd-ca-path <file>", "the CA of etcd's certificates ($ETCDCTL_CACERT)")
    .option("--etcd-certificate-path <file>", "the client certificate for etcd ($ETCDCTL_CERT)")
    .option("--etcd-private-key-path <file>", "its key ($ETCDCTL_KEY)")
    .option(
      "--etcd-backup-file <file>",
      "read from a snapshot of etcd, a raw database, or an archive of one (.gz, .zst, .zip)",
    )
    .option("--etcd-prefix <prefix>", "where in etcd the cluster is; found unless given")
    .option(
      "--encryption-config <file>",
      "the API server's EncryptionConfiguration, where objects are encrypted at rest",
    )
    .option("--pod-manifest-path <dir>", "where the kubelet looks for static pods", "/etc/kubernetes/manifests")
    .option("-n, --namespace <namespace>", "where the components run; kube-system unless they are elsewhere")
    .addOption(new Option("--at-revision <revision>", "as it was at an earlier revision").argParser(parseRevision))
    .option("--allow-missing", "recover what can be, though the control plane needs more or the snapshot is damaged")
    .option("--identity <file>", "opens an encrypted backup repository (default: $KUBEMEND_BACKUP_IDENTITY)")
    .option("--skip-hash-check", "read a snapshot that does not match its SHA-256")
    .option("--force", "replace the output of an earlier run")
    .option("--dry-run", "say what would be written, and write nothing")
    .addHelpText("after", EXAMPLES);
  etcdOptions(command).action(async (options: Options) => {
    checkUsage(options, host);
    const { recoverControlPlane } = await import("../../operations/recover/recover.ts");
    const { line, ...common } = snapshotOptions(host, options);
    const path = (value: string | undefined) => (value === undefined ? undefined : resolve(host.cwd, value));
    const recovery = await recoverControlPlane({
      ...common,
      moments: { env: host.env, cwd: host.cwd, now: host.now, ...given({ identityFile: options.identity }) },
      recoveryDir: path(options.recoveryDir)!,
      backupFile: isUrl(options.etcdBackupFile) ? options.etcdBackupFile : path(options.etcdBackupFile),
      etcd: namedEtcd(host, options),
      now: host.now,
      cluster: options.kubeconfig || host.env.KUBECONFIG ? namedCluster(host, options) : undefined,
      encryptionConfig: path(options.encryptionConfig),
      etcdPrefix: options.etcdPrefix,
      namespace: options.namespace,
      atRevision: options.atRevision,
      allowMissing: options.allowMissing === true,
      skipHashCheck: options.skipHashCheck === true,
      force: options.force === true,
      dryRun: options.dryRun === true,
      startedAt: host.startedAt,
    });
    await line.end();
    const report = {
      now: host.now(),
      recoveryDir: path(options.recoveryDir)!,
      podManifestPath: options.podManifestPath,
    };
    if (options.output === "json") {
      await host.stdout.write(`${JSON.stringify(recoveryJson(recovery, report))}\n`);
      return;
    }
    await host.stdout.write(recoveryText(recovery, report));
    const missing = recovery.plane.missing.map((each) => lineOf`warning: ${each.text}`).join("");
    await host.stderr.write(findingsText(recovery.findings) + missing);
  });
}

/** The address of a backup repository, which is no path. */
function isUrl(text: string | undefined): boolean {
  return text !== undefined && /^[a-z][a-z0-9+.-]+:\/\//i.test(text);
}

/** What was named, and nothing else: it goes into the assets, and is not to be whatever lies at home. */
function namedCluster(host: Host, options: Options): ClusterFlags {
  const { HOME: _, ...variables } = host.env;
  return { ...clusterFlags(host, options), variables };
}

/** bootkube's names of the flags, and etcdctl's; undefined where none of them names etcd. */
function namedEtcd(host: Host, options: Options): EtcdFlags | undefined {
  const { etcdServers, etcdCaPath, etcdCertificatePath, etcdPrivateKeyPath } = options;
  const endpoints = etcdServers ?? options.endpoints;
  if (endpoints === undefined && options.discoverySrv === undefined) return undefined;
  const path = (value: string | undefined) => value && resolve(host.cwd, value);
  const flags = etcdFlags(host, {
    ...options,
    endpoints,
    cacert: etcdCaPath ?? options.cacert,
    cert: etcdCertificatePath ?? options.cert,
    key: etcdPrivateKeyPath ?? options.key,
  });
  const files = { cacert: path(flags.cacert), cert: path(flags.cert), key: path(flags.key) };
  return { ...flags, ...given(files) };
}

function checkUsage(options: Options, host: Host): void {
  const { etcdBackupFile, etcdCertificatePath, etcdPrivateKeyPath } = options;
  const etcdServers = options.etcdServers ?? options.endpoints ?? options.discoverySrv;
  const isApiServer = etcdServers === undefined && etcdBackupFile === undefined;
  if (isApiServer && options.kubeconfig === undefined && !host.env.KUBECONFIG) {
    throw new MendError("usage", "recover needs a source: an API server, etcd, or a backup of it", {
      hint: "pass --kubeconfig, --etcd-servers or --etcd-backup-file",
    });
  }
  if (etcdServers !== undefined && etcdBackupFile !== undefined) {
    throw new MendError("usage", "--etcd-servers and --etcd-backup-file are two sources, and only one can be read", {
      hint: "pass one of them: etcd while it runs, the backup when it is lost",
    });
  }
  if (isApiServer && options.atRevision !== undefined) {
    throw new MendError("usage", "an API server shows no earlier revision", {
      hint: "pass --at-revision with --etcd-servers or --etcd-backup-file",
    });
  }
  if ((etcdCertificatePath === undefined) !== (etcdPrivateKeyPath === undefined)) {
    throw new MendError("usage", "--etcd-certificate-path and --etcd-private-key-path belong together", {
      hint: "pass both of them, or none",
    });
  }
}
