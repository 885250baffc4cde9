import { Command } from "commander";
import type { SnapshotVerdict } from "../../operations/snapshot/verify.ts";
import { type CommandContext, EXIT } from "../command.ts";
import { type OutputOptions, outputOptions, snapshotOptions } from "../options/shared-options.ts";
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
  return outputOptions(new Command("verify"), ["text", "json"])
    .description("check the hash, every page, every revision and every object; print every finding")
    .argument("<file>", "snapshot, raw database, or an archive of one")
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
