import { jsonLine } from "../json-outputs.ts";
import { REPOSITORY_ARGUMENT } from "../options/backup-flags.ts";
import { defineCommand } from "../options/define-command.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { backupListText } from "../reports/backup-list-text.ts";

export const backupList = defineCommand({
  name: "list",
  text: "what can be restored: spans, gaps, fulls, sizes",
  args: { repository: REPOSITORY_ARGUMENT },
  flags: resultFlags(["text", "json"]),
  examples: [
    "kubemend backup list /mnt/backup/prod",
    "kubemend backup list /mnt/backup/prod -o json | jq -r '.spans[-1].toTime'",
  ],
  notes: "It needs no identity: revisions and times are not encrypted.",
  page: "docs/back-up-continuously.md",
  async run({ repository }, flags, { host }) {
    const { listBackups } = await import("../../operations/backup/list.ts");
    const result = await listBackups(repository, snapshotOptions(host, flags).moments);
    const text = (): string => backupListText(result, host.now());
    await host.stdout.write(flags.output === "json" ? jsonLine("backup list", result) : text());
  },
});
