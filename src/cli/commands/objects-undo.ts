import { resolve } from "node:path";
import { Command, Option } from "commander";
import { printJson } from "../../storage/json-text.ts";
import { type CommandContext, EXIT } from "../command.ts";
import {
  type ClusterOptions,
  clusterFlags,
  clusterOptions,
  type OutputOptions,
  outputOptions,
  parseTime,
  snapshotOptions,
} from "../options/shared-options.ts";
import { undoJson, undoneText, undoPlanText } from "../reports/restore-text.ts";
import { confirm } from "../terminal/confirm.ts";
import { lineOf } from "../terminal/escape.ts";

const EXAMPLES = `
Examples:
  kubemend objects undo kubemend-undo-20261129T104217Z.jsonl
  kubemend objects undo kubemend-undo-20261129T104217Z.jsonl --dry-run

What was created is deleted, what was changed becomes what it was. What somebody has changed since is left alone, and so are namespaces and definitions that hold
what others have made, unless you pass --force. Exit code 1 where something was left, or did not go.`;

interface Options extends OutputOptions, ClusterOptions {
  readonly force?: true;
  readonly dryRun?: true;
  readonly wait: number;
  readonly yes?: true;
}

export function objectsUndoCommand({ host, exit }: CommandContext): Command {
  const command = outputOptions(new Command("undo"), ["text", "json"])
    .description("take a restore of objects back")
    .argument("<undo-file>", "what objects restore wrote")
    .option("--force", "take back also what was changed since, and what others have put into it")
    .option("--dry-run", "change nothing: show the plan")
    .addOption(new Option("--wait <time>", "for what is being deleted").argParser(parseTime).default(60_000, "60s"))
    .option("-y, --yes", "do not ask");
  return clusterOptions(command)
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: Options) => {
      const { isUndone, undoRestore } = await import("../../operations/objects/undo.ts");
      const { line, ...common } = snapshotOptions(host, options);
      const isText = options.output === "text";
      const outcome = await undoRestore({
        ...common,
        file: resolve(host.cwd, file),
        cluster: clusterFlags(host, options),
        force: options.force === true,
        isDryRun: options.dryRun === true,
        waitMs: options.wait,
        now: host.now,
        note: (text) => void host.stderr.write(lineOf`note: ${text}`),
        confirm: async (plan) => {
          await line.end();
          await (isText ? host.stdout : host.stderr).write(undoPlanText(plan));
          const count = plan.filter(({ action }) => action === "delete" || action === "revert").length;
          if (count === 0 || options.dryRun === true) return true;
          return confirm(host, options.yes === true, `Take ${count} ${count === 1 ? "object" : "objects"} back?`);
        },
      });
      await line.end();
      if (!isText) await host.stdout.write(`${printJson(undoJson(outcome))}\n`);
      else if (outcome.results !== undefined) await host.stdout.write(undoneText(outcome));
      else if (options.dryRun !== true) await host.stderr.write("nothing was changed\n");
      if (!isUndone(outcome) && options.dryRun !== true) exit(EXIT.failed);
    });
}
