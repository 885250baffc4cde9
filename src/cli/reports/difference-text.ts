/** Differences between objects as tables, unified YAML, JSON patches and JSON. */

import { type FieldChange, pathText } from "../../compare/compare-values.ts";
import { jsonPatch } from "../../compare/json-patch.ts";
import { diffLines } from "../../compare/line-diff.ts";
import { withoutNoise } from "../../compare/noise.ts";
import { defined } from "../../errors/defined.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../kube/object.ts";
import type { DiffSummary, ObjectDifference } from "../../operations/objects/diff.ts";
import { printJson } from "../../storage/json-text.ts";
import { oneLine } from "../terminal/escape.ts";
import { styled, type Text } from "../terminal/styled.ts";
import { tableText } from "../terminal/table.ts";
import { hideFields, isSecret, markHiddenChanges } from "./hidden-secrets.ts";
import { shownObject, yamlText } from "./object-text.ts";

/** Longer values are cut in tables. */
const LONGEST_CELL = 60;

/** `deployment.apps/web`, as kubectl names objects. */
export function objectName({ kind, apiVersion, name }: Pick<ObjectDifference, "kind" | "apiVersion" | "name">): string {
  const slash = apiVersion.indexOf("/");
  const group = slash < 0 ? "" : `.${apiVersion.slice(0, slash)}`;
  return oneLine(`${kind.toLowerCase()}${group}/${name}`);
}

/** A value on one line, cut where it is long. */
function valueText(value: JsonValue | undefined): string {
  if (value === undefined) return "";
  const text = oneLine(typeof value === "string" && value !== "" ? value : printJson(value));
  const characters = [...text];
  return characters.length <= LONGEST_CELL ? text : `${characters.slice(0, LONGEST_CELL - 3).join("")}...`;
}

/** One row a field: what it was, and what it is. */
export function fieldRows(fields: readonly FieldChange[]): readonly (readonly [string, string, string])[] {
  return fields.map(({ change, path, before, after }) => {
    const name = oneLine(pathText(path));
    if (change === "reordered") return [name, "", "(another order)"];
    return [name, valueText(before), valueText(after)];
  });
}

function shownFields(difference: ObjectDifference, showSecrets: boolean): readonly FieldChange[] {
  return isSecret(difference) && !showSecrets ? hideFields(difference.fields) : difference.fields;
}

const HEADER = ["CHANGE", "NAMESPACE", "OBJECT", "FIELD", "BEFORE", "AFTER"];
/** Rows of one width: two backups that have nothing in common would fill the memory, and the longest text that there can be. */
const MOST_ROWS = 10_000;

/** The table of all differences, in pieces: each has columns of its own widths. */
export class DifferenceTable {
  #rows: string[][] = [HEADER];
  readonly #showSecrets: boolean;

  constructor(showSecrets: boolean) {
    this.#showSecrets = showSecrets;
  }

  /** Whether there are so many rows that they should be taken. */
  get isFull(): boolean {
    return this.#rows.length >= MOST_ROWS;
  }

  add(difference: ObjectDifference): void {
    const { change, namespace, recreated } = difference;
    const head = [recreated ? `${change}*` : change, oneLine(namespace ?? ""), objectName(difference)];
    const fields = fieldRows(shownFields(difference, this.#showSecrets));
    if (fields.length === 0) this.#rows.push(head);
    for (const [i, field] of fields.entries()) this.#rows.push([...(i === 0 ? head : ["", "", ""]), ...field]);
  }

  /** The rows since the last time; empty where there are none. */
  take(): string {
    const rows = this.#rows;
    this.#rows = [];
    return rows.length === 0 || (rows.length === 1 && rows[0] === HEADER) ? "" : tableText(rows);
  }
}

export interface ShownObjects {
  readonly showSecrets: boolean;
  /** Noise is shown, too. */
  readonly all: boolean;
}

/** Both objects as they may be shown. */
function shownPair({ before, after }: ObjectDifference, { showSecrets, all }: ShownObjects) {
  const shown = (object: KubeObject | undefined): JsonObject | undefined => {
    if (object === undefined) return undefined;
    const chosen = all ? object : (withoutNoise(object) as KubeObject);
    return shownObject(chosen, { showSecrets, showManagedFields: all }).object;
  };
  const [old, found] = [shown(before), shown(after)];
  if (showSecrets || old === undefined || found === undefined || !isSecret(defined(before)))
    return [old, found] as const;
  return [old, markHiddenChanges(found as KubeObject, defined(before), defined(after))] as const;
}

/** As `diff -u` shows two YAML files. */
export function unifiedText(difference: ObjectDifference, options: ShownObjects): readonly Text[] {
  const [before, after] = shownPair(difference, options);
  const lines = (object: JsonObject | undefined) =>
    object === undefined ? [] : yamlText(object).trimEnd().split("\n");
  const { namespace } = difference;
  const name = namespace === undefined ? objectName(difference) : `${oneLine(namespace)}/${objectName(difference)}`;
  const { change } = difference;
  const parts: Text[] = [
    `--- ${change === "added" ? "/dev/null" : `before/${name}`}\n`,
    `+++ ${change === "removed" ? "/dev/null" : `after/${name}`}\n`,
  ];
  if (before === undefined && after === undefined) parts.push("# it cannot be read\n");
  for (const hunk of diffLines(lines(before), lines(after))) {
    const count = (without: string) => hunk.lines.filter((line) => line[0] !== without).length;
    const range = (start: number, size: number) => `${size === 0 ? start - 1 : start},${size}`;
    const place = `@@ -${range(hunk.beforeStart, count("+"))} +${range(hunk.afterStart, count("-"))} @@`;
    parts.push(styled("note", place), "\n");
    for (const line of hunk.lines) {
      if (line[0] === " ") parts.push(`${line}\n`);
      else parts.push(styled(line[0] === "-" ? "error" : "good", line), "\n");
    }
  }
  return parts;
}

/** The objects, each with the RFC 6902 operations that make the newer one of the older one. */
export function patchValue(difference: ObjectDifference, options: ShownObjects): JsonObject {
  const [before, after] = shownPair(difference, options);
  const { kind, apiVersion, namespace, name } = difference;
  const patch =
    before !== undefined && after !== undefined
      ? jsonPatch(before, after)
      : difference.change === "added"
        ? [{ op: "add", path: "", value: after ?? null }] // null: it cannot be read
        : [{ op: "remove", path: "" }];
  return { apiVersion, kind, ...(namespace !== undefined && { namespace }), name, patch: patch as JsonValue };
}

export function differenceJson(difference: ObjectDifference, showSecrets: boolean): JsonObject {
  const { change, kind, apiVersion, namespace, name, recreated } = difference;
  const fields = fieldsJson(shownFields(difference, showSecrets));
  return { change, apiVersion, kind, namespace: namespace ?? null, name, recreated, fields };
}

export function fieldsJson(fields: readonly FieldChange[]): JsonValue {
  return fields.map(({ path, ...rest }) => ({ path: pathText(path), ...rest }) as JsonObject);
}

/** One paragraph of what was compared, for people. */
export function summaryText(summary: DiffSummary): string {
  const { added, removed, changed, equal, recreated, noise, unjudged, before, after } = summary;
  const lines = summary.warnings.map((warning) => `warning: ${oneLine(warning)}`);
  for (const { namespace, name, path, text } of unjudged.slice(0, 10)) {
    const full = namespace === undefined ? name : `${namespace}/${name}`;
    lines.push(`error: ${oneLine(`${path}/${full}`)} cannot be compared: ${oneLine(text)}`);
  }
  if (unjudged.length > 10) lines.push(`error: ${unjudged.length - 10} more objects cannot be compared`);
  lines.push(`from ${before} to ${after}: ${changed} changed, ${added} added, ${removed} removed, ${equal} equal`);
  if (recreated > 0) lines.push(`${recreated} of the equal ones were deleted and recreated: they have other UIDs`);
  const left = Object.entries(noise).map(([name, count]) => `${count} ${name}`);
  const kinds = left.length === 0 ? "" : `${left.join(", ")}, and of all objects `;
  lines.push(
    `left out (--all shows it): ${kinds}managedFields, resourceVersion, generation, uid, creationTimestamp, status`,
  );
  return `${lines.join("\n")}\n`;
}
