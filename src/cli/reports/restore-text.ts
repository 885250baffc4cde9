/** What a restore of objects, or taking one back, is going to do, and what it has done, in words. */

import { pathText } from "../../compare/compare-values.ts";
import { defined } from "../../errors/defined.ts";
import type { ObjectId } from "../../objects/object-id.ts";
import { countActions, type PlanItem, type RestorePlan } from "../../objects/restore-plan.ts";
import type { UndoItem } from "../../objects/undo-plan.ts";
import type { RestoreOutcome } from "../../operations/objects/restore.ts";
import type { ItemResult } from "../../operations/objects/run-restore.ts";
import type { UndoOutcome, UndoResult } from "../../operations/objects/undo.ts";
import { resourceAtPath } from "../../storage/object-key.ts";
import type { JsonOutputs } from "../json-outputs.ts";
import { oneLine } from "../terminal/escape.ts";
import { tableText } from "../terminal/table.ts";

/** More objects of one kind in one namespace with nothing to say of them are one row. */
const MOST_ROWS = 20;

/** `deployments.apps/web`, by the place in etcd. */
function placeText({ path, name }: ObjectId): string {
  return `${kindText(path)}/${name}`;
}

function kindText(path: string): string {
  const type = resourceAtPath(path);
  if (type !== undefined) return type.groups[0] === "" ? type.plural : `${type.plural}.${type.groups[0]}`;
  const [group = "", plural = ""] = path.split("/");
  return plural === "" ? path : `${plural}.${group}`;
}

export function planText({ items }: RestorePlan, leftOut: Readonly<Record<string, number>>): string {
  const shown = items.filter(({ action }) => action !== "skip");
  const rows = grouped(shown, ({ action, id, notes, reason, fields }) => {
    const changes = fields.map(({ path }) => pathText(path)).join(", ");
    const what = action === "update" ? `changes ${changes}` : action === "leave" ? `differs in ${changes}` : reason;
    return { word: action, id, note: [what, ...notes].filter((text) => text !== "").join("; ") };
  });
  const skipped = skipRows(items.filter(({ action }) => action === "skip"));
  for (const [kind, count] of Object.entries(leftOut)) skipped.push(["skip", "", `${count} ${kind}`, ""]);
  const all = [...rows, ...skipped];
  return all.length === 0 ? "" : tableText([["ACTION", "NAMESPACE", "OBJECT", "NOTE"], ...all]);
}

interface Row {
  readonly word: string;
  readonly id: ObjectId;
  readonly note: string;
}

/** Rows in order; many alike of one kind become one. */
function grouped<T>(items: readonly T[], rowOf: (item: T) => Row): string[][] {
  const rows = items.map(rowOf);
  const keyOf = ({ word, id, note }: Row) => `${word} ${id.path} ${id.namespace ?? ""} ${note}`;
  const sizes = Map.groupBy(rows, keyOf);
  const seen = new Set<string>();
  return rows.flatMap((row) => {
    const key = keyOf(row);
    const { word, id, note } = row;
    const count = defined(sizes.get(key)).length;
    if (count <= MOST_ROWS) return [[word, id.namespace ?? "", placeText(id), note]];
    if (seen.has(key)) return [];
    seen.add(key);
    return [[word, id.namespace ?? "", `${count} ${kindText(id.path)}`, note]];
  });
}

/** By kind and reason, without the names in it. */
function skipRows(items: readonly PlanItem[]): string[][] {
  const groups = Map.groupBy(
    items,
    ({ id, reason }) => `${id.namespace ?? ""} ${id.path} ${reason.replace(/ "[^"]*"/g, "")}`,
  );
  return [...groups.values()].map((group) => {
    const [{ id, reason }] = group as [PlanItem];
    const isOne = group.length === 1;
    const what = isOne ? placeText(id) : `${group.length} ${kindText(id.path)}`;
    return ["skip", id.namespace ?? "", what, isOne ? reason : reason.replace(/ "[^"]*"/g, "")];
  });
}

export function countsText({ items }: RestorePlan): string {
  const { create, update, keep, leave, skip, blocked } = countActions(items);
  const parts = [
    `${create} to create`,
    `${update} to change`,
    `${keep} there already`,
    ...(leave > 0 ? [`${leave} there and different (--changed changes them)`] : []),
    ...(blocked > 0 ? [`${blocked} that cannot be given back`] : []),
    ...(skip > 0 ? [`${skip} not given back`] : []),
  ];
  return `${parts.join(", ")}\n`;
}

/** Per object that did not go as planned, and the sum. */
export function restoredText({ results = [], verified, undoFile }: RestoreOutcome, isDryRun: boolean): string {
  const rows: string[][] = [];
  const add = (word: string, id: ObjectId, note: string) => rows.push([word, id.namespace ?? "", placeText(id), note]);
  for (const { item, state, reason, notes } of results) {
    if (state === "refused" || state === "left" || state === "unchecked") add(state, item.id, reason);
    for (const note of notes) add(state, item.id, note);
  }
  for (const { result, state, fields } of verified) {
    const { id } = result.item;
    if (state === "gone") add("gone", id, "somebody has deleted it since");
    if (state === "changed") {
      add("changed", id, `differs from what was sent in ${fields.map(({ path }) => pathText(path)).join(", ")}`);
    }
  }
  const table = rows.length === 0 ? "" : tableText([["STATE", "NAMESPACE", "OBJECT", "NOTE"], ...rows]);
  const count = (wanted: ItemResult["state"]) => results.filter(({ state }) => state === wanted).length;
  const parts = [
    `${count("created")} ${isDryRun ? "would be " : ""}created`,
    `${count("updated")} ${isDryRun ? "would be " : ""}changed`,
  ];
  for (const state of ["kept", "left", "unchecked", "refused"] as const) {
    if (count(state) > 0) parts.push(`${count(state)} ${state}`);
  }
  if (verified.length > 0) {
    const asSent = verified.filter(({ state }) => state === "as sent").length;
    parts.push(`${asSent} of ${verified.length} read back as sent`);
  }
  const undo = undoFile === undefined ? "" : `to take it back: kubemend objects undo ${oneLine(undoFile)}\n`;
  return `${table}${parts.join(", ")}\n${undo}`;
}

/** The plan and what came of it, as one value. Objects themselves are left out: they may be secrets. */
export function restoreJson({
  plan,
  leftOut,
  results,
  verified,
  undoFile,
}: RestoreOutcome): JsonOutputs["objects restore"] {
  const byItem = new Map(results?.map((result) => [result.item, result]));
  const verdicts = new Map(verified.map((each) => [each.result.item, each]));
  const items = plan.items.map((item) => {
    const { action, id, kind, reason, notes, fields } = item;
    const result = byItem.get(item);
    const verdict = verdicts.get(item);
    return {
      action,
      kind,
      ...idJson(id),
      ...(reason !== "" && { reason }),
      notes: [...notes, ...(result?.notes ?? [])],
      fields: fields.map(({ path }) => pathText(path)),
      ...(result && { state: result.state, ...(result.reason !== "" && { refusal: result.reason }) }),
      ...(verdict && { readBack: verdict.state, differsIn: verdict.fields.map(({ path }) => pathText(path)) }),
    };
  });
  return { items, leftOut, undoFile: undoFile ?? null, done: results !== undefined };
}

function idJson({ path, namespace, name }: ObjectId) {
  return { resource: kindText(path), namespace: namespace ?? null, name };
}

export function undoPlanText(plan: readonly UndoItem[]): string {
  const rows = grouped(plan, ({ action, subject, reason }) => ({ word: action, id: subject.id, note: reason }));
  return rows.length === 0 ? "" : tableText([["ACTION", "NAMESPACE", "OBJECT", "NOTE"], ...rows]);
}

export function undoneText({ results = [] }: UndoOutcome): string {
  const reportable = results.filter(
    ({ state, reason }) => state === "failed" || state === "left" || (state === "reverted" && reason !== ""),
  );
  const rows = reportable.map(({ item, state, reason }) => {
    const { id } = item.subject;
    return [state, id.namespace ?? "", placeText(id), reason];
  });
  const table = rows.length === 0 ? "" : tableText([["STATE", "NAMESPACE", "OBJECT", "NOTE"], ...rows]);
  const count = (wanted: UndoResult["state"]) => results.filter(({ state }) => state === wanted).length;
  const parts = [
    `${count("deleted")} deleted`,
    `${count("reverted")} as they were`,
    `${count("done")} were so already`,
  ];
  for (const state of ["left", "failed"] as const) if (count(state) > 0) parts.push(`${count(state)} ${state}`);
  return `${table}${parts.join(", ")}\n`;
}

export function undoJson({ plan, results }: UndoOutcome): JsonOutputs["objects undo"] {
  const byItem = new Map(results?.map((result) => [result.item, result]));
  const items = plan.map((item) => {
    const result = byItem.get(item);
    const reason = result?.reason ?? item.reason;
    return { action: item.action, ...idJson(item.subject.id), reason, state: result?.state ?? null };
  });
  return { items, done: results !== undefined };
}
