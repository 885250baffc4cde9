import { Command } from "commander";
import type { CommandContext } from "../command.ts";
import { REPOSITORY_ARGUMENT } from "../options/backup-options.ts";
import { type OutputOptions, outputOptions, snapshotOptions } from "../options/shared-options.ts";
import { backupListText } from "../reports/backup-list-text.ts";

const EXAMPLES = `
Needs no identity: revisions and times are not encrypted.

Examples:
  kubemend backup list /mnt/backup/prod
  kubemend backup list /mnt/backup/prod -o json | jq -r '.spans[-1].toTime'`;

export function backupListCommand({ host }: CommandContext): Command {
  return outputOptions(new Command("list"), ["text", "json"])
    .description("what can be restored: spans, gaps, fulls, sizes")
    .argument("<repository>", REPOSITORY_ARGUMENT)
    .addHelpText("after", EXAMPLES)
    .action(async (repository: string, options: OutputOptions) => {
      const { listBackups } = await import("../../operations/backup/list.ts");
      const { moments } = snapshotOptions(host, options);
      const result = await listBackups(repository, moments!);
      const text = (): string => backupListText(result, host.now());
      await host.stdout.write(options.output === "json" ? `${JSON.stringify(result)}\n` : text());
    });
}
