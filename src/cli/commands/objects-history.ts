import { existsSync } from "node:fs";
import { defined } from "../../errors/defined.ts";
import type { JsonValue } from "../../kube/object.ts";
import type { HistoryEntry, ObjectHistory } from "../../operations/objects/history.ts";
import { printJson } from "../../storage/json-text.ts";
import { readObjectRequests } from "../../storage/resource-argument.ts";
import { EXIT } from "../command.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { words } from "../options/flag.ts";
import { decodingOf, SHOWING_FLAGS } from "../options/object-options.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { AT_REVISION_FLAG, SNAPSHOT_ARGUMENT } from "../options/snapshot-flags.ts";
import { fieldRows, fieldsJson } from "../reports/difference-text.ts";
import { findingsText } from "../reports/findings-text.ts";
import { hideFields, isSecret } from "../reports/hidden-secrets.ts";
import { writersText } from "../reports/writers-text.ts";
import { oneLine } from "../terminal/escape.ts";
import { tableText } from "../terminal/table.ts";

export const objectsHistory = defineCommand({
  name: "history",
  text: "every revision of an object that a backup holds: what changed, when, and by whom",
  args: { first: SNAPSHOT_ARGUMENT, second: argument("<object>", "TYPE/NAME") },
  flags: {
    ...resultFlags(["text", "json"]),
    namespace: words("-n, --namespace <namespace>", "its namespace", { default: "default" }),
    atRevision: AT_REVISION_FLAG,
    ...SHOWING_FLAGS,
  },
  examples: [
    "kubemend objects history backup.db deployment/web -n shop",
    "kubemend objects history backup.db clusterrolebinding/admins -o json",
  ],
  notes:
    "A snapshot holds what was written since etcd compacted last (Kubernetes has it do so every 5 " +
    "minutes), and of older objects the newest revision.",
  page: "docs/give-back-objects.md",
  async run({ first, second }, flags, { host }) {
    const { readObjectHistory } = await import("../../operations/objects/history.ts");
    // In either order: what is a file is the snapshot.
    const [file, object] = !existsSync(first) && existsSync(second) ? [second, first] : [first, second];
    const [request] = readObjectRequests([object]);
    const { atRevision } = flags;
    const { line, ...common } = snapshotOptions(host, flags);
    const history = await readObjectHistory(file, {
      ...common,
      ...decodingOf(flags),
      request: defined(request),
      namespace: flags.namespace,
      all: flags.all,
      ...(atRevision === undefined ? {} : { atRevision }),
    });
    await line.end();
    const shown = flags.showSecrets ? history : withoutSecrets(history);
    await host.stdout.write(flags.output === "json" ? json(shown) : historyText(shown));
    await host.stderr.write(findingsText(history.findings));
    if (flags.output === "text" && !flags.quiet) await host.stderr.write(noteText(history));
    const isBroken = history.entries.some(({ change }) => change === "unreadable");
    return isBroken || history.findings.some(({ level }) => level === "error") ? EXIT.failed : undefined;
  },
});

function withoutSecrets(history: ObjectHistory): ObjectHistory {
  const hide = (entry: HistoryEntry): HistoryEntry => {
    const secret = entry.object !== undefined && isSecret(entry.object);
    return secret ? { ...entry, fields: hideFields(entry.fields) } : entry;
  };
  return { ...history, entries: history.entries.map(hide) };
}

function json({ entries, ...rest }: ObjectHistory): string {
  const shown = entries.map(({ object: _, fields, ...entry }) => ({ ...entry, fields: fieldsJson(fields) }));
  return `${printJson({ ...rest, entries: shown } as unknown as JsonValue)}\n`;
}

function historyText({ entries }: ObjectHistory): string {
  const rows: (readonly string[])[] = [["REVISION", "TIME", "CHANGE", "BY", "FIELD", "BEFORE", "AFTER"]];
  for (const { revision, writers, change, fields, text } of entries) {
    const { time, by } = writersText(writers);
    const name = change === "first" ? "older" : change;
    const head = [`${revision}`, time, name, by];
    const list = fieldRows(fields);
    if (list.length === 0) rows.push([...head, oneLine(text ?? "")]);
    for (const [i, row] of list.entries()) rows.push([...(i === 0 ? head : ["", "", "", ""]), ...row]);
  }
  return tableText(rows);
}

function noteText({ leftOut, compactRevision, entries }: ObjectHistory): string {
  const lines: string[] = [];
  if (leftOut > 0) {
    const what = leftOut === 1 ? "1 revision is" : `${leftOut} revisions are`;
    lines.push(`${what} left out, in which only status and the like changed (--all shows them)`);
  }
  if (entries[0]?.change === "first") {
    lines.push(`what was before is not in the snapshot: etcd had compacted up to revision ${compactRevision}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}
