import { Command, Option } from "commander";
import { MendError } from "../../errors/errors.ts";
import type { JsonValue } from "../../kube/object.ts";
import type { ObjectDifference } from "../../operations/objects/diff.ts";
import type { Moment } from "../../operations/objects/moment.ts";
import { printJson } from "../../storage/json-text.ts";
import { type CommandContext, EXIT } from "../command.ts";
import {
  type DecodingOptions,
  decodingFlags,
  decodingOptions,
  type SelectionOptions,
  selectionOf,
  selectionOptions,
} from "../options/object-options.ts";
import {
  type ClusterOptions,
  clusterFlags,
  clusterOptions,
  type OutputOptions,
  outputOptions,
  parseRevision,
  snapshotOptions,
} from "../options/shared-options.ts";
import { DifferenceTable, differenceJson, patchValue, summaryText, unifiedText } from "../reports/difference-text.ts";

const EXAMPLES = `
Examples:
  kubemend objects diff monday.db tuesday.db
  kubemend objects diff backup.db@48120 backup.db deployments -n shop -o yaml
  kubemend objects diff backup.db live --kubeconfig admin.conf -n shop
  kubemend objects diff live backup.db configmap/settings -n shop -o json-patch

A and B are each a snapshot, FILE@REVISION for an earlier revision of one, or "live" for the cluster of --kubeconfig.
Exit code 1 where they differ, or where an object cannot be compared.`;

interface Options extends OutputOptions, SelectionOptions, DecodingOptions, ClusterOptions {
  readonly atRevision?: number;
}

export function objectsDiffCommand({ host, exit }: CommandContext): Command {
  const command = outputOptions(new Command("diff"), ["text", "yaml", "json", "json-patch"])
    .description("what differs between two backups, or a backup and a cluster, by meaning")
    .argument("<a>", 'a snapshot, FILE@REVISION, or "live"')
    .argument("<b>", 'a snapshot, FILE@REVISION, or "live"')
    .argument("[selection...]", "TYPE, TYPE NAME..., or TYPE/NAME...; all objects unless given")
    .addOption(new Option("--at-revision <revision>", "of the first snapshot that is named").argParser(parseRevision));
  return clusterOptions(decodingOptions(selectionOptions(command)))
    .addHelpText("after", EXAMPLES)
    .action(async (a: string, b: string, words: readonly string[], options: Options) => {
      const { diffObjects } = await import("../../operations/objects/diff.ts");
      const { readMoment } = await import("../../operations/objects/moment.ts");
      if (a === "live" && b === "live") throw new MendError("usage", "a cluster does not differ from itself");
      let { atRevision } = options;
      const sideOf = (text: string): Moment | "live" => {
        if (text === "live") return text;
        const moment = readMoment(text, atRevision);
        atRevision = undefined;
        return moment;
      };
      const { line, ...common } = snapshotOptions(host, options);
      const showSecrets = options.showSecrets === true;
      const shown = { showSecrets, all: options.all === true };
      const { output } = options;
      const table = new DifferenceTable(showSecrets);
      let count = 0;
      const item = async (value: JsonValue) => {
        await host.stdout.write(`${count++ === 0 ? "" : ","}\n  ${printJson(value)}`);
      };
      const report = async (difference: ObjectDifference) => {
        if (output === "text") table.add(difference);
        else if (output === "json") await item(differenceJson(difference, showSecrets));
        else if (output === "json-patch") await item(patchValue(difference, shown));
        else await host.stdout.write(unifiedText(difference, shown));
      };
      const request = {
        ...common,
        ...decodingFlags(options),
        sides: [sideOf(a), sideOf(b)] as const,
        cluster: clusterFlags(host, options),
        selection: selectionOf(words, options),
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
      if (output === "text") await host.stdout.write(table.text());
      else if (output === "json-patch") await host.stdout.write(count === 0 ? "]\n" : "\n]\n");
      else if (output === "json") {
        const rest = printJson(JSON.parse(JSON.stringify(summary)) as JsonValue).slice(1);
        await host.stdout.write(`${count === 0 ? "" : "\n"}],${rest}\n`);
      }
      if (options.quiet !== true && output !== "json") await host.stderr.write(summaryText(summary));
      const differs = summary.added + summary.removed + summary.changed > 0;
      const isUnknown = summary.unjudged.length > 0;
      if (differs) exit(EXIT.failed);
      else if (isUnknown) exit(summary.equal > 0 ? EXIT.failed : EXIT.unknown);
    });
}
