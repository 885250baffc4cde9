import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { MendError } from "../../errors.ts";
import { findingsText } from "../findings-text.ts";
import type { CommandContext } from "../program.ts";
import { recoveryJson, recoveryText } from "../recovery-report.ts";
import { type OutputOptions, outputOptions, parseRevision, snapshotOptions } from "../shared-options.ts";

const EXAMPLES = `
Examples:
  kubemend recover --recovery-dir=recovered --etcd-backup-file=backup.db --kubeconfig=/etc/kubernetes/kubeconfig
  kubemend recover --recovery-dir=recovered --etcd-backup-file=backup.db.gz --encryption-config=encryption.yaml
  kubemend recover --recovery-dir=recovered --etcd-backup-file=backup.db --dry-run -o json`;

interface Options extends OutputOptions {
  readonly recoveryDir: string;
  readonly kubeconfig?: string;
  readonly etcdBackupFile?: string;
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
  outputOptions(program.command("recover"), ["text", "json"])
    .description("read the control plane from a backup of etcd, offline, and write what brings it back")
    .requiredOption("--recovery-dir <dir>", "where to write: empty, or not there yet")
    .option("--etcd-backup-file <file>", "snapshot of etcd, raw database, or an archive of one (.gz, .zst, .zip)")
    .option("--kubeconfig <file>", "what the recovered control plane is reached with ($KUBECONFIG)")
    .option("--etcd-prefix <prefix>", "where in etcd the cluster is; found unless given")
    .option(
      "--encryption-config <file>",
      "the API server's EncryptionConfiguration, where objects are encrypted at rest",
    )
    .option("--pod-manifest-path <dir>", "where the kubelet looks for static pods", "/etc/kubernetes/manifests")
    .option("-n, --namespace <namespace>", "where the components run; kube-system unless they are elsewhere")
    .addOption(new Option("--at-revision <revision>", "as it was at an earlier revision").argParser(parseRevision))
    .option("--allow-missing", "recover what can be, though the control plane needs more or the snapshot is damaged")
    .option("--skip-hash-check", "read a snapshot that does not match its SHA-256")
    .option("--force", "replace the output of an earlier run")
    .option("--dry-run", "say what would be written, and write nothing")
    .option("--etcd-ca-path <file>", "accepted for runbooks: a backup file is read without etcd")
    .option("--etcd-certificate-path <file>", "likewise")
    .option("--etcd-private-key-path <file>", "likewise")
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options) => {
      checkUsage(options);
      const { recoverControlPlane } = await import("../../operations/recover.ts");
      const { line, ...common } = snapshotOptions(host, options);
      const path = (value: string | undefined) => (value === undefined ? undefined : resolve(host.cwd, value));
      const recovery = await recoverControlPlane({
        ...common,
        recoveryDir: path(options.recoveryDir)!,
        backupFile: path(options.etcdBackupFile)!,
        kubeconfig: path(options.kubeconfig ?? (host.env.KUBECONFIG || undefined)),
        encryptionConfig: path(options.encryptionConfig),
        etcdPrefix: options.etcdPrefix,
        namespace: options.namespace,
        atRevision: options.atRevision,
        allowMissing: options.allowMissing === true,
        skipHashCheck: options.skipHashCheck === true,
        force: options.force === true,
        dryRun: options.dryRun === true,
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
      const missing = recovery.plane.missing.map((each) => `warning: ${each.text}\n`).join("");
      await host.stderr.write(findingsText(recovery.findings) + missing);
    });
}

function checkUsage(options: Options): void {
  const { etcdCaPath, etcdCertificatePath, etcdPrivateKeyPath } = options;
  if (options.etcdBackupFile === undefined) {
    throw new MendError("usage", "recover needs a source: --etcd-backup-file is missing", {
      hint: "pass the file that `etcdctl snapshot save` wrote, or a copy of member/snap/db",
    });
  }
  const tls = [etcdCaPath, etcdCertificatePath, etcdPrivateKeyPath].filter((path) => path !== undefined);
  if (tls.length > 0 && tls.length < 3) {
    throw new MendError(
      "usage",
      "--etcd-ca-path, --etcd-certificate-path and --etcd-private-key-path belong together",
      {
        hint: "pass all three of them, or none",
      },
    );
  }
}
