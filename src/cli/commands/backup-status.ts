import type { RepositoryStatus } from "../../operations/backup/status.ts";
import { agoText } from "../../repository/moment.ts";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { REPOSITORY_TEXT } from "../options/backup-flags.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { duration } from "../options/flag.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { byteText } from "../terminal/byte-text.ts";
import { tableText } from "../terminal/table.ts";

export const backupStatus = defineCommand({
  name: "status",
  text: "all repositories below an address: how far behind, what span, when last verified and drilled",
  args: { address: argument("<address>", `a repository, or what many are below: ${REPOSITORY_TEXT}`) },
  flags: {
    ...resultFlags(["text", "json"]),
    maxLag: duration("--max-lag <duration>", "a repository whose newest moment is older is late", { default: "5m" }),
  },
  examples: ["kubemend backup status /mnt/backup", "kubemend backup status /mnt/backup --max-lag 1m -o json"],
  notes: "Exit code 1 means that one is late, has a gap or is empty; 3 that none could be judged.",
  page: "docs/back-up-continuously.md",
  async run({ address }, flags, { host }) {
    const { backupStatus: status } = await import("../../operations/backup/status.ts");
    const { moments } = snapshotOptions(host, flags);
    const results = await status(address, { ...moments, maxLagMs: flags.maxLag });
    const text = (): string => statusText(results, host.now());
    await host.stdout.write(flags.output === "json" ? jsonLine("backup status", results) : text());
    if (results.every(({ error }) => error !== undefined)) return EXIT.unknown;
    return results.every(({ state }) => state === "good") ? EXIT.done : EXIT.failed;
  },
});

function statusText(results: readonly RepositoryStatus[], now: number): string {
  const ago = (iso: string | null | undefined): string => (iso ? agoText(now - Date.parse(iso)) : "never");
  const header = ["REPOSITORY", "STATE", "NEWEST", "FROM", "REVISION", "FULLS", "GAPS", "SIZE", "VERIFIED", "DRILL"];
  const rows = results.map((each) =>
    each.error === undefined
      ? [
          each.repository,
          each.state ?? "",
          each.restorableTo ? ago(each.restorableTo) : "-",
          each.restorableFrom ? ago(each.restorableFrom) : "-",
          String(each.newestRevision ?? "-"),
          String(each.fulls),
          String(each.gaps),
          byteText(each.storedBytes ?? 0),
          ago(each.lastVerified),
          ago(each.lastDrill),
        ]
      : [each.repository, `unknown: ${each.error.message}`],
  );
  return tableText([header, ...rows]);
}
