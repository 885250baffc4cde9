import { Command, InvalidArgumentError, Option } from "commander";
import type { SnapshotStats } from "../../operations/snapshot/stats.ts";
import { type CommandContext, EXIT } from "../command.ts";
import { type OutputOptions, outputOptions, snapshotOptions } from "../options/shared-options.ts";
import { findingsText } from "../reports/findings-text.ts";
import { byteText } from "../terminal/byte-text.ts";
import { tableText } from "../terminal/table.ts";

const EXAMPLES = `
Examples:
  kubemend snapshot stats backup.db
  kubemend snapshot stats backup.db --top 20
  kubemend snapshot stats backup.db -o json | jq '.resources[0]'`;

interface Options extends OutputOptions {
  readonly top: number;
  readonly etcdPrefix?: string;
}

export function snapshotStatsCommand({ host, exit }: CommandContext): Command {
  return outputOptions(new Command("stats"), ["text", "json"])
    .description("what fills the database: objects, revisions and bytes by kind, the largest keys, keys by namespace")
    .argument("<file>", "snapshot, raw database, or an archive of one")
    .addOption(new Option("--top <n>", "how many keys and namespaces to list").argParser(parseCount).default(10))
    .option("--etcd-prefix <prefix>", "where the cluster lives in etcd (default: found)")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: Options) => {
      const { readSnapshotStats } = await import("../../operations/snapshot/stats.ts");
      const { line, ...common } = snapshotOptions(host, options);
      const { top, etcdPrefix } = options;
      const stats = await readSnapshotStats(file, {
        ...common,
        top,
        ...(etcdPrefix === undefined ? {} : { etcdPrefix }),
      });
      await line.end();
      await host.stdout.write(options.output === "json" ? `${JSON.stringify(stats)}\n` : statsText(stats));
      if (options.output === "text") await host.stderr.write(findingsText(stats.findings));
      if (stats.findings.some((finding) => finding.level === "error")) exit(EXIT.failed);
    });
}

function parseCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError("expected a whole number");
  return Number(text);
}

function statsText(stats: SnapshotStats): string {
  const resources = tableText(
    [
      ["RESOURCE", "OBJECTS", "REVISIONS", "LIVE", "HISTORY"],
      ...stats.resources.map((row) => [
        row.resource,
        String(row.objects),
        String(row.revisions),
        byteText(row.liveBytes),
        byteText(row.historyBytes),
      ]),
      [
        "total",
        String(stats.objects),
        String(stats.resources.reduce((all, row) => all + row.revisions, 0)),
        byteText(stats.liveBytes),
        byteText(stats.historyBytes),
      ],
    ],
    { right: [1, 2, 3, 4] },
  );
  const largest = tableText(
    [
      ["BYTES", "REVISIONS", "LARGEST KEYS"],
      ...stats.largest.map((row) => [byteText(row.bytes), String(row.revisions), row.key]),
    ],
    { right: [0, 1] },
  );
  const namespaces = tableText(
    [
      ["KEYS", "LIVE", "NAMESPACE"],
      ...stats.namespaces.map((row) => [String(row.keys), byteText(row.liveBytes), row.namespace]),
    ],
    { right: [0, 1] },
  );
  return `${resources}\n${largest}\n${namespaces}`;
}
