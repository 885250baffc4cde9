import { MendError } from "../../errors/errors.ts";
import type { JsonValue } from "../../kube/object.ts";
import type { ObjectDifference } from "../../operations/objects/diff.ts";
import type { Moment } from "../../operations/objects/moment.ts";
import { printJson } from "../../storage/json-text.ts";
import { EXIT } from "../command.ts";
import { CLUSTER_FLAGS, clusterFlags } from "../options/cluster-flags.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import {
  decodingOf,
  SELECTION_ARGUMENT,
  SELECTION_FLAGS,
  SHOWING_FLAGS,
  selectionOf,
} from "../options/object-options.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { AT_REVISION_FLAG } from "../options/snapshot-flags.ts";
import { DifferenceTable, differenceJson, patchValue, summaryText, unifiedText } from "../reports/difference-text.ts";

export const objectsDiff = defineCommand({
  name: "diff",
  text: "what differs between two backups, or a backup and a cluster, by meaning",
  args: {
    a: argument("<a>", 'a snapshot, FILE@REVISION, a moment of a repository, or "live"'),
    b: argument("[b]", 'the same; "live", which is the default, is the cluster of --kubeconfig'),
    selection: SELECTION_ARGUMENT,
  },
  flags: {
    ...resultFlags(["text", "yaml", "json", "json-patch"]),
    ...SELECTION_FLAGS,
    atRevision: AT_REVISION_FLAG,
    ...SHOWING_FLAGS,
    ...CLUSTER_FLAGS,
  },
  examples: [
    "kubemend objects diff monday.db tuesday.db",
    "kubemend objects diff backup.db@48120 backup.db deployments -n shop -o yaml",
    "kubemend objects diff backup.db live --kubeconfig admin.conf -n shop",
    "kubemend objects diff live backup.db configmap/settings -n shop -o json-patch",
  ],
  notes:
    "--at-revision is of the first snapshot that is named. Exit code 1 where the two differ, or where an " +
    "object cannot be compared; 3 where none can.",
  page: "docs/give-back-objects.md",
  async run({ a, b = "live", selection }, flags, { host }) {
    const { diffObjects } = await import("../../operations/objects/diff.ts");
    const { readMoment } = await import("../../operations/objects/moment.ts");
    if (a === "live" && b === "live") throw new MendError("usage", "a cluster does not differ from itself");
    let { atRevision } = flags;
    const sideOf = (text: string): Moment | "live" => {
      if (text === "live") return text;
      const moment = readMoment(text, atRevision);
      atRevision = undefined;
      return moment;
    };
    const { line, ...common } = snapshotOptions(host, flags);
    const showSecrets = flags.showSecrets;
    const shown = { showSecrets, all: flags.all };
    const { output } = flags;
    const table = new DifferenceTable(showSecrets);
    let count = 0;
    const item = async (value: JsonValue) => {
      await host.stdout.write(`${count++ === 0 ? "" : ","}\n  ${printJson(value)}`);
    };
    const report = async (difference: ObjectDifference) => {
      if (output === "text") {
        table.add(difference);
        if (table.isFull) await host.stdout.write(table.take());
      } else if (output === "json") await item(differenceJson(difference, showSecrets));
      else if (output === "json-patch") await item(patchValue(difference, shown));
      else await host.stdout.write(unifiedText(difference, shown));
    };
    const request = {
      ...common,
      ...decodingOf(flags),
      sides: [sideOf(a), sideOf(b)] as const,
      cluster: clusterFlags(host, flags),
      selection: selectionOf(selection, flags),
      all: shown.all,
      now: host.now,
    };
    const start = { text: "", yaml: "", json: '{"differences":[', "json-patch": "[" }[output] ?? "";
    let isOpen = false;
    const summary = await diffObjects(request, async (difference) => {
      if (!isOpen) await host.stdout.write(start);
      isOpen = true;
      await report(difference);
    });
    await line.end();
    if (!isOpen) await host.stdout.write(start);
    if (output === "text") await host.stdout.write(table.take());
    else if (output === "json-patch") await host.stdout.write(count === 0 ? "]\n" : "\n]\n");
    else if (output === "json") {
      const rest = printJson(JSON.parse(JSON.stringify(summary)) as JsonValue).slice(1);
      await host.stdout.write(`${count === 0 ? "" : "\n"}],${rest}\n`);
    }
    if (!flags.quiet && output !== "json") await host.stderr.write(summaryText(summary));
    const differs = summary.added + summary.removed + summary.changed > 0;
    const isUnknown = summary.unjudged.length > 0;
    if (differs) return EXIT.failed;
    if (isUnknown) return summary.equal > 0 ? EXIT.failed : EXIT.unknown;
    return undefined;
  },
});
