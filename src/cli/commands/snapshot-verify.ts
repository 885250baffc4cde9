import type { SnapshotVerdict } from "../../operations/snapshot/verify.ts";
<<<<<<< HEAD
import { EXIT } from "../command.ts";
import { defineCommand } from "../options/define-command.ts";
import { given } from "../options/given.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { ENCRYPTION_FLAG, ETCD_PREFIX_FLAG, SNAPSHOT_ARGUMENT } from "../options/snapshot-flags.ts";
import { findingsSummary, findingText } from "../reports/findings-text.ts";

export const snapshotVerify = defineCommand({
  name: "verify",
  text: "check the hash, every page, every revision and every object; print every finding",
  args: { file: SNAPSHOT_ARGUMENT },
  flags: { ...resultFlags(["text", "json"]), encryptionConfig: ENCRYPTION_FLAG, etcdPrefix: ETCD_PREFIX_FLAG },
  examples: [
    "kubemend snapshot verify backup.db",
    "kubemend snapshot verify backup.db --encryption-config /etc/kubernetes/encryption.yaml",
    "kubemend snapshot verify backup.db -o json | jq .findings",
  ],
  notes: "Exit code 1 means that at least one finding is an error.",
  page: "docs/read-a-snapshot.md",
  async run({ file }, flags, { host }) {
    const { verifySnapshot } = await import("../../operations/snapshot/verify.ts");
    const { loadEncryptionConfig } = await import("../../snapshot/load-encryption-config.ts");
    const encryption = loadEncryptionConfig(flags.encryptionConfig);
    const { line, ...common } = snapshotOptions(host, flags);
    const verdict = await verifySnapshot(file, { ...common, ...given({ encryption, etcdPrefix: flags.etcdPrefix }) });
    await line.end();
    await host.stdout.write(flags.output === "json" ? `${JSON.stringify(verdict)}\n` : verdictText(file, verdict));
    return verdict.ok ? EXIT.done : EXIT.failed;
  },
});
=======
import { type CommandContext, EXIT } from "../command.ts";
import {
  identityOption,
  type OutputOptions,
  outputOptions,
  SNAPSHOT_ARGUMENT,
  snapshotOptions,
} from "../options/shared-options.ts";
import { findingsSummary, findingText } from "../reports/findings-text.ts";

const EXAMPLES = `
Examples:
  kubemend snapshot verify backup.db
  kubemend snapshot verify backup.db --encryption-config /etc/kubernetes/encryption.yaml
  kubemend snapshot verify backup.db -o json | jq .findings

Exit code 1 means that at least one finding is an error.`;

interface Options extends OutputOptions {
  readonly encryptionConfig?: string;
  readonly etcdPrefix?: string;
}

export function snapshotVerifyCommand({ host, exit }: CommandContext): Command {
  return identityOption(outputOptions(new Command("verify"), ["text", "json"]))
    .description("check the hash, every page, every revision and every object; print every finding")
    .argument("<file>", SNAPSHOT_ARGUMENT)
    .option("--encryption-config <file>", "the API server's EncryptionConfiguration, to check encrypted objects too")
    .option("--etcd-prefix <prefix>", "where the cluster lives in etcd (default: found)")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: Options) => {
      const { verifySnapshot } = await import("../../operations/snapshot/verify.ts");
      const { loadEncryptionConfig } = await import("../../snapshot/load-encryption-config.ts");
      const { encryptionConfig, etcdPrefix } = options;
      const encryption = loadEncryptionConfig(encryptionConfig);
      const { line, ...common } = snapshotOptions(host, options);
      const verdict = await verifySnapshot(file, {
        ...common,
        ...(encryption === undefined ? {} : { encryption }),
        ...(etcdPrefix === undefined ? {} : { etcdPrefix }),
      });
      await line.end();
      if (options.output === "json") await host.stdout.write(`${JSON.stringify(verdict)}\n`);
      else await host.stdout.write(verdictText(file, verdict));
      if (!verdict.ok) exit(EXIT.failed);
    });
}
>>>>>>> f181ba8 (Moments of backup repositories everywhere a snapshot is taken; the format and why it is so)

function verdictText(file: string, verdict: SnapshotVerdict): string {
  const { findings, objects, encrypted, opaque, unreadable, tombstones } = verdict;
  const values = [
    `${objects} objects decoded`,
    `${tombstones} deletions`,
    ...(encrypted > 0 ? [`${encrypted} encrypted and not checked`] : []),
    ...(opaque > 0 ? [`${opaque} not Kubernetes objects`] : []),
    ...(unreadable > 0 ? [`${unreadable} unreadable`] : []),
  ];
  const lines = [
    ...findings.map((finding) => findingText(finding).trimEnd()),
    `sha256:   ${verdict.sha256}`,
    `pages:    ${verdict.pages} checked`,
    `history:  up to revision ${verdict.revision}`,
    `values:   ${values.join(", ")}`,
    `verdict:  ${verdict.ok ? "good" : "DAMAGED"}, ${findingsSummary(findings)}${verdict.ok ? "" : ` in ${file}`}`,
  ];
  return `${lines.join("\n")}\n`;
}
