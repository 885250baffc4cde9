import { resolve } from "node:path";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { CLUSTER_FLAGS, clusterFlags } from "../options/cluster-flags.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { duration, toggle } from "../options/flag.ts";
import { DRY_RUN_FLAG, resultFlags, snapshotOptions, YES_FLAG } from "../options/output-flags.ts";
import { undoJson, undoneText, undoPlanText } from "../reports/restore-text.ts";
import { confirm } from "../terminal/confirm.ts";
import { lineOf } from "../terminal/escape.ts";

export const objectsUndo = defineCommand({
  name: "undo",
  text: "take a restore of objects back",
  args: { file: argument("<undo-file>", "what objects restore wrote") },
  flags: {
    ...resultFlags(["text", "json"]),
    force: toggle("--force", "take back also what was changed since, and what others have put into it"),
    dryRun: DRY_RUN_FLAG,
    wait: duration("--wait <duration>", "for what is being deleted", { default: "3m" }),
    yes: YES_FLAG,
    ...CLUSTER_FLAGS,
  },
  examples: [
    "kubemend objects undo kubemend-undo-20261129T104217Z.jsonl",
    "kubemend objects undo kubemend-undo-20261129T104217Z.jsonl --dry-run",
  ],
  notes:
    "What was created is deleted, what was changed becomes what it was. What somebody has changed since is " +
    "left alone, and so are namespaces and\ndefinitions that hold what others have made, unless you pass " +
    "--force. Exit code 1 where something was left, or did not go.",
  page: "docs/give-back-objects.md",
  async run({ file }, flags, { host }) {
    const { isUndone, undoRestore } = await import("../../operations/objects/undo.ts");
    const { line, ...common } = snapshotOptions(host, flags);
    const isText = flags.output === "text";
    const outcome = await undoRestore({
      ...common,
      file: resolve(host.cwd, file),
      cluster: clusterFlags(host, flags),
      force: flags.force,
      isDryRun: flags.dryRun,
      waitMs: flags.wait,
      now: host.now,
      note: (text) => void host.stderr.write(lineOf`note: ${text}`),
      confirm: async (plan) => {
        await line.end();
        await (isText ? host.stdout : host.stderr).write(undoPlanText(plan));
        const count = plan.filter(({ action }) => action === "delete" || action === "revert").length;
        if (count === 0 || flags.dryRun) return true;
        return confirm(host, flags.yes, `Take ${count} ${count === 1 ? "object" : "objects"} back?`);
      },
    });
    await line.end();
    if (!isText) await host.stdout.write(jsonLine("objects undo", undoJson(outcome)));
    else if (outcome.results !== undefined) await host.stdout.write(undoneText(outcome));
    else if (!flags.dryRun) await host.stderr.write("nothing was changed\n");
    return isUndone(outcome) || flags.dryRun ? undefined : EXIT.failed;
  },
});
