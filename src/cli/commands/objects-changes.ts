import { MendError } from "../../errors/errors.ts";
import type { JsonValue } from "../../kube/object.ts";
import type { ChangesResult, ObjectChange } from "../../operations/objects/changes.ts";
import { printJson } from "../../storage/json-text.ts";
import { EXIT } from "../command.ts";
import { defineCommand } from "../options/define-command.ts";
import { parseDuration } from "../options/duration.ts";
import { wholeNumber, words } from "../options/flag.ts";
import {
  decodingOf,
  SELECTION_ARGUMENT,
  SELECTION_FLAGS,
  SHOWING_FLAGS,
  selectionOf,
} from "../options/object-options.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { AT_REVISION_FLAG, SNAPSHOT_ARGUMENT } from "../options/snapshot-flags.ts";
import { fieldRows, fieldsJson, objectName } from "../reports/difference-text.ts";
import { findingsText } from "../reports/findings-text.ts";
import { hideFields, isSecret } from "../reports/hidden-secrets.ts";
import { writersText } from "../reports/writers-text.ts";
import { oneLine } from "../terminal/escape.ts";
import { tableText } from "../terminal/table.ts";

export const objectsChanges = defineCommand({
  name: "changes",
  text: "what happened before a backup was taken, the newest first",
  args: { file: SNAPSHOT_ARGUMENT, selection: SELECTION_ARGUMENT },
  flags: {
    ...resultFlags(["text", "json"]),
    since: words(
      "--since <time>",
      "from this time on: 2026-11-29T10:40:00Z, local time without the Z, or 10m for that long ago",
    ),
    sinceRevision: wholeNumber("--since-revision <revision>", "after this revision"),
    ...SELECTION_FLAGS,
    atRevision: AT_REVISION_FLAG,
    ...SHOWING_FLAGS,
  },
  examples: [
    "kubemend objects changes backup.db",
    "kubemend objects changes backup.db --since 2026-11-29T10:40:00Z -n shop",
    "kubemend objects changes backup.db --since 10m deployments,configmaps",
    "kubemend objects changes backup.db --since-revision 48120 -o json",
  ],
  notes:
    "A snapshot holds what was written since etcd compacted last, which Kubernetes has it do every 5 " +
    "minutes. A time with ~ is that of the leases renewed around the change.",
  page: "docs/give-back-objects.md",
  async run({ file, selection }, flags, { host }) {
    const { listChanges } = await import("../../operations/objects/changes.ts");
    const { line, ...common } = snapshotOptions(host, flags);
    const { since, sinceRevision, atRevision } = flags;
    if (since !== undefined && sinceRevision !== undefined)
      throw new MendError("usage", "--since and --since-revision say the same: pass one of them");
    const rows: (readonly string[])[] = [
      ["REVISION", "TIME", "CHANGE", "BY", "NAMESPACE", "OBJECT", "FIELD", "BEFORE", "AFTER"],
    ];
    const isJson = flags.output === "json";
    let [count, broken] = [0, 0];
    const result = await listChanges(
      file,
      {
        ...common,
        ...decodingOf(flags),
        selection: selectionOf(selection, flags),
        all: flags.all,
        ...(atRevision === undefined ? {} : { atRevision }),
        ...(since !== undefined && { since: { time: timeOf(since, host.now()) } }),
        ...(sinceRevision !== undefined && { since: { revision: sinceRevision } }),
      },
      async (change) => {
        if (change.change === "unreadable") broken++;
        const isHidden = isSecret(change) && !flags.showSecrets;
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
    if (!isJson && !flags.quiet) await host.stderr.write(noteText(result, count));
    return broken > 0 || result.findings.some(({ level }) => level === "error") ? EXIT.failed : undefined;
  },
});

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
    `${count} ${count === 1 ? "change" : "changes"} after revision ${afterRevision}, up to ` +
      `${newestRevision}; ${leftOut} of status, leases, events and the like are left out (--all shows them)`,
  ];
  if (cut)
    lines.push(`what happened before is not in the snapshot: etcd had compacted up to revision ${compactRevision}`);
  return lines.map((line) => `${line}\n`).join("");
}
