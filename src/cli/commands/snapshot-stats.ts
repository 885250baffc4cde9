import type { SnapshotStats } from "../../operations/snapshot/stats.ts";
import { EXIT } from "../command.ts";
import { defineCommand } from "../options/define-command.ts";
import { wholeNumber } from "../options/flag.ts";
import { given } from "../options/given.ts";
import { CACHE_FLAG, lookUpOptions, resultFlags } from "../options/output-flags.ts";
import { ETCD_PREFIX_FLAG, IDENTITY_FLAG, SNAPSHOT_ARGUMENT } from "../options/snapshot-flags.ts";
import { findingsText, hasErrors } from "../reports/findings-text.ts";
import { byteText } from "../terminal/byte-text.ts";
import { tableText } from "../terminal/table.ts";

export const snapshotStats = defineCommand({
  name: "stats",
  text: "what fills the database: objects, revisions and bytes by kind, the largest keys, keys by namespace",
  args: { file: SNAPSHOT_ARGUMENT },
  flags: {
    ...resultFlags(["text", "json"]),
    identity: IDENTITY_FLAG,
    cache: CACHE_FLAG,
    top: wholeNumber("--top <n>", "how many keys and namespaces to list", { default: 10, most: 999_999 }),
    etcdPrefix: ETCD_PREFIX_FLAG,
  },
  examples: [
    "kubemend snapshot stats backup.db",
    "kubemend snapshot stats backup.db --top 20",
    "kubemend snapshot stats backup.db -o json | jq '.resources[0]'",
  ],
  page: "docs/read-a-snapshot.md",
  async run({ file }, flags, { host }) {
    const { readSnapshotStats } = await import("../../operations/snapshot/stats.ts");
    const { line, ...common } = lookUpOptions(host, flags);
    const { top, etcdPrefix, output } = flags;
    const stats = await readSnapshotStats(file, { ...common, top, ...given({ etcdPrefix }) });
    await line.end();
    await host.stdout.write(output === "json" ? `${JSON.stringify(stats)}\n` : statsText(stats, host.stdout.columns));
    if (output === "text") await host.stderr.write(findingsText(stats.findings, flags.quiet));
    return hasErrors(stats.findings) ? EXIT.failed : EXIT.done;
  },
});

function statsText(stats: SnapshotStats, width: number | undefined): string {
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
    { right: [1, 2, 3, 4], width },
  );
  const largest = tableText(
    [
      ["BYTES", "REVISIONS", "LARGEST KEYS"],
      ...stats.largest.map((row) => [byteText(row.bytes), String(row.revisions), row.key]),
    ],
    { right: [0, 1], width },
  );
  const namespaces = tableText(
    [
      ["KEYS", "LIVE", "NAMESPACE"],
      ...stats.namespaces.map((row) => [String(row.keys), byteText(row.liveBytes), row.namespace]),
    ],
    { right: [0, 1], width },
  );
  const tables = [resources, largest, ...(stats.namespaces.length > 0 ? [namespaces] : [])];
  return tables.join("\n");
}
