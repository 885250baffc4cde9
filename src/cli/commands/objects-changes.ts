import { Command, Option } from "commander";
import { MendError } from "../../errors/errors.ts";
import type { JsonValue } from "../../kube/object.ts";
import type { ChangesResult, ObjectChange } from "../../operations/objects/changes.ts";
import { printJson } from "../../storage/json-text.ts";
import { type CommandContext, EXIT } from "../command.ts";
import { parseDuration } from "../options/duration.ts";
import {
  type DecodingOptions,
  decodingFlags,
  decodingOptions,
  type SelectionOptions,
  selectionOf,
  selectionOptions,
} from "../options/object-options.ts";
import { type OutputOptions, outputOptions, parseRevision, snapshotOptions } from "../options/shared-options.ts";
import { fieldRows, fieldsJson, objectName } from "../reports/difference-text.ts";
import { findingsText } from "../reports/findings-text.ts";
import { hideFields, isSecret } from "../reports/hidden-secrets.ts";
import { writersText } from "../reports/writers-text.ts";
import { oneLine } from "../terminal/escape.ts";
import { tableText } from "../terminal/table.ts";

const EXAMPLES = `
Examples:
  kubemend objects changes backup.db
  kubemend objects changes backup.db --since 2026-11-29T10:40:00Z -n shop
  kubemend objects changes backup.db --since 10m deployments,configmaps
  kubemend objects changes backup.db --since-revision 48120 -o json

The newest first. A snapshot holds what was written since etcd compacted last, which Kubernetes has it do every 5 minutes.`;

interface Options extends OutputOptions, SelectionOptions, DecodingOptions {
  readonly atRevision?: number;
  readonly since?: string;
  readonly sinceRevision?: number;
}

export function objectsChangesCommand({ host, exit }: CommandContext): Command {
  const command = outputOptions(new Command("changes"), ["text", "json"])
    .description("what happened before a backup was taken, the newest first")
    .argument("<snapshot>", "snapshot, raw database, or an archive of one")
    .argument("[selection...]", "TYPE, TYPE NAME..., or TYPE/NAME...; all objects unless given")
    .option(
      "--since <time>",
      "from this time on: 2026-11-29T10:40:00Z, local time without the Z, or 10m for that long ago",
    )
    .addOption(
      new Option("--since-revision <revision>", "after this revision").argParser(parseRevision).conflicts("since"),
    )
    .addOption(new Option("--at-revision <revision>", "not beyond this revision").argParser(parseRevision));
  return decodingOptions(selectionOptions(command))
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, words: readonly string[], options: Options) => {
      const { listChanges } = await import("../../operations/objects/changes.ts");
      const { line, ...common } = snapshotOptions(host, options);
      const { since, sinceRevision, atRevision } = options;
      const rows: (readonly string[])[] = [
        ["REVISION", "TIME", "CHANGE", "BY", "NAMESPACE", "OBJECT", "FIELD", "BEFORE", "AFTER"],
      ];
      const isJson = options.output === "json";
      let [count, broken] = [0, 0];
      const result = await listChanges(
        file,
        {
          ...common,
          ...decodingFlags(options),
          selection: selectionOf(words, options),
          all: options.all === true,
          ...(atRevision === undefined ? {} : { atRevision }),
          ...(since !== undefined && { since: { time: timeOf(since, host.now()) } }),
          ...(sinceRevision !== undefined && { since: { revision: sinceRevision } }),
        },
        async (change) => {
          if (change.change === "unreadable") broken++;
          const isHidden = isSecret(change) && options.showSecrets !== true;
          const shown = isHidden ? { ...change, fields: hideFields(change.fields) } : change;
          if (isJson) await host.stdout.write(`${count === 0 ? '{"changes":[' : ","}\n  ${changeJson(shown)}`);
          else rows.push(...changeRows(shown));
          count++;
        },
      );
      await line.end();
      if (isJson) {
        const rest = JSON.stringify(result).slice(1);
        await host.stdout.write(`${count === 0 ? '{"changes":[' : "\n"}],${rest}\n`);
      } else if (count > 0) await host.stdout.write(tableText(rows));
      await host.stderr.write(findingsText(result.findings));
      if (!isJson && options.quiet !== true) await host.stderr.write(noteText(result, count));
      if (broken > 0 || result.findings.some(({ level }) => level === "error")) exit(EXIT.failed);
    });
}

/** Milliseconds since the epoch. Throws `usage` for what is no time. */
function timeOf(text: string, now: number): number {
  const ago = /^((?:\d+[hms])+)(?:\s+ago)?$/.exec(text.trim())?.[1];
  if (ago !== undefined) return now - parseDuration(ago);
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text.replace(" ", "T")) : Number.NaN;
  if (Number.isNaN(time)) {
    throw new MendError("usage", `"${text}" is no time`, {
      hint: "write it as 2026-11-29T10:40:00Z, or as 10m for that long ago",
    });
  }
  return time;
}

function changeJson({ after: _, path: _path, fields, namespace, ...rest }: ObjectChange): string {
  return printJson({ ...rest, namespace: namespace ?? null, fields: fieldsJson(fields) } as unknown as JsonValue);
}

function changeRows(change: ObjectChange): (readonly string[])[] {
  const { revision, time, about, writers, namespace, fields, text } = change;
  const { by } = writersText(writers);
  const shownTime = time === null ? "unknown" : `${about ? "~" : ""}${time}`;
  const head = [`${revision}`, shownTime, change.change, by, oneLine(namespace ?? ""), objectName(change)];
  const list = fieldRows(fields);
  if (list.length === 0) return [[...head, oneLine(text ?? "")]];
  return list.map((row, i) => [...(i === 0 ? head : ["", "", "", "", "", ""]), ...row]);
}

function noteText(
  { afterRevision, newestRevision, leftOut, cut, compactRevision }: ChangesResult,
  count: number,
): string {
  const lines = [
    `${count} ${count === 1 ? "change" : "changes"} after revision ${afterRevision}, up to ${newestRevision}; ${leftOut} of status, leases, events and the like are left out (--all shows them)`,
  ];
  if (cut)
    lines.push(`what happened before is not in the snapshot: etcd had compacted up to revision ${compactRevision}`);
  return lines.map((line) => `${line}\n`).join("");
}
