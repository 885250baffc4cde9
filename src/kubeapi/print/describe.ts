/**
 * An object field by field, with its events, as `kubectl describe` shows custom resources. Cells are separated by tabs;
 * `tabbedText` aligns them. Source: k8s.io/kubectl/pkg/describe (genericDescriber, DescribeEvents).
 */
import type { JsonObject, JsonValue, KubeObject } from "../../kube/object.ts";
import { findResource } from "../../storage/resources.ts";
import { since } from "../columns/age.ts";
import { field, isObject, sortedEntries, text } from "../columns/field.ts";
import { goText } from "./go-text.ts";

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
const LONGEST_ANNOTATION = 140;
const SHOWN_APART = new Set([
  ".metadata.managedFields",
  ".metadata.name",
  ".metadata.namespace",
  ".metadata.labels",
  ".metadata.annotations",
]);

/**
 * Lines without line feeds; a value's own are printed as `\n`. `events` are those of the object, in any order;
 * undefined leaves them out.
 */
export function describeObject(
  object: KubeObject,
  events: readonly KubeObject[] | undefined,
  now: number,
): readonly string[] {
  const { metadata } = object;
  return [
    `Name:\t${oneLine(text(metadata, "name"))}`,
    `Namespace:\t${oneLine(text(metadata, "namespace"))}`,
    ...pairs(
      "Labels",
      sortedEntries(asObject(metadata.labels)).map(([key, value]) => [`${key}=${goText(value)}`]),
    ),
    ...pairs("Annotations", annotations(asObject(metadata.annotations))),
    ...fieldsOf(object, "", 0, findResource(text(object, "apiVersion"), text(object, "kind")) === undefined),
    ...(events === undefined ? [] : describeEvents(events, now)),
  ];
}

function pairs(title: string, values: readonly (readonly string[])[]): readonly string[] {
  if (values.length === 0) return [`${title}:\t<none>`];
  return values.flat().map((line, i) => `${i === 0 ? `${title}:` : ""}\t${oneLine(line)}`);
}

function annotations(values: JsonObject): readonly (readonly string[])[] {
  return sortedEntries(values)
    .filter(([key]) => key !== LAST_APPLIED)
    .map(([key, value]) => {
      const shown = goText(value).replace(/\n$/, "");
      if (key.length + shown.length + 2 <= LONGEST_ANNOTATION && !shown.includes("\n")) return [`${key}: ${shown}`];
      return [`${key}:`, ...shown.split("\n").map((line) => `  ${shorten(line)}`)];
    });
}

function shorten(line: string): string {
  const most = LONGEST_ANNOTATION - 2;
  return line.length > most ? `${line.slice(0, most)}...` : line;
}

/**
 * `isCustom`: as kubectl has it, also where that is not what the object says. Of a built-in kind, keys that are no
 * fields stay as they are, and a text of several lines takes several.
 */
function fieldsOf(content: JsonObject, place: string, level: number, isCustom: boolean): readonly string[] {
  const indent = "  ".repeat(level);
  const hasKeys = !isCustom && KEYED.has(place.slice(place.lastIndexOf(".") + 1));
  return sortedEntries(content).flatMap(([name, value]) => {
    const at = `${place}.${name}`;
    if (SHOWN_APART.has(at)) return [];
    const isKey = hasKeys && (typeof value !== "object" || value === null);
    const label = `${indent}${isKey ? oneLine(name) : labelOf(name)}:`;
    if (Array.isArray(value))
      return [
        label,
        ...(value as readonly JsonValue[]).flatMap((each) => itemLines(each, `${at}[]`, level + 1, isCustom)),
      ];
    if (isObject(value)) return [label, ...fieldsOf(value, at, level + 1, isCustom)];
    const lines = goText(value).replace(/\n$/, "").split("\n");
    if (!isCustom && lines.length > 1) return [label, ...lines.map((line) => `${indent}  ${oneLine(line)}`)];
    return [`${label}\t${oneLine(goText(value))}`];
  });
}

function itemLines(value: JsonValue, place: string, level: number, isCustom: boolean): readonly string[] {
  return isObject(value) ? fieldsOf(value, place, level, isCustom) : [`${"  ".repeat(level)}${oneLine(goText(value))}`];
}

/** Fields of built-in kinds whose keys are anybody's: labels, resources, names of files. */
const KEYED = new Set([
  ...["labels", "annotations", "matchLabels", "selector", "nodeSelector", "commonLabels"],
  ...["data", "binaryData", "stringData", "parameters", "volumeAttributes", "attributes", "options"],
  ...["limits", "requests", "capacity", "allocatable", "hard", "used", "overhead", "allocatedResources"],
  ...["default", "defaultRequest", "max", "min", "maxLimitRequestRatio"],
]);

const ACRONYMS = new Set(["API", "URL", "UID", "GUID"]);

/** `creationTimestamp` as `Creation Timestamp`, `podCIDRs` as `Pod CIDRs`; names with other characters than letters stay. */
function labelOf(name: string): string {
  if (/[^\p{L}-]/u.test(name)) return name;
  return (name.match(WORDS) ?? [name])
    .map((word) => {
      if (ACRONYMS.has(word.toUpperCase())) return word.toUpperCase();
      return word === word.toLowerCase() ? word.charAt(0).toUpperCase() + word.slice(1) : word;
    })
    .join(" ");
}

/** Capitals with the word after them (`CIDRs`, `HTTPServer`), capitals, and words that begin with one or none. */
const WORDS = /\p{Lu}{2,}\p{Lu}\p{Ll}+|\p{Lu}?\p{Ll}+|\p{Lu}+|-+/gu;

function describeEvents(events: readonly KubeObject[], now: number): readonly string[] {
  if (events.length === 0) return ["Events:\t<none>"];
  const lastSeen = (event: KubeObject): string =>
    text(event, "series.lastObservedTime") || text(event, "lastTimestamp") || text(event, "eventTime");
  const inOrder = [...events].sort((a, b) => (lastSeen(a) < lastSeen(b) ? -1 : 1));
  return [
    "Events:",
    "  Type\tReason\tAge\tFrom\tMessage",
    "  ----\t------\t----\t----\t-------",
    ...inOrder.map((event) => {
      const place = text(event, "involvedObject.fieldPath");
      const message = text(event, "message").trim();
      const cells = [
        text(event, "type"),
        text(event, "reason"),
        intervalOf(event, now),
        text(event, "source.component") || text(event, "reportingComponent"),
        place === "" ? message : `${place}: ${message}`,
      ];
      return `  ${cells.map(oneLine).join("\t")}`;
    }),
  ];
}

function intervalOf(event: KubeObject, now: number): string {
  const first = since(field(event, "eventTime") ?? field(event, "firstTimestamp"), now);
  const times = Number(field(event, "count") ?? 0);
  const series = field(event, "series");
  if (isObject(series)) return `${since(series.lastObservedTime, now)} (x${text(series, "count")} over ${first})`;
  return times > 1 ? `${since(field(event, "lastTimestamp"), now)} (x${times} over ${first})` : first;
}

function asObject(value: unknown): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

/** Tabs separate cells and line feeds lines: a value has neither. */
function oneLine(value: string): string {
  return value.replace(/[\n\t]/g, (character) => (character === "\n" ? "\\n" : "\\t"));
}

const GAP = 2;

/** Aligned as Go's tabwriter does it: a column lasts as long as lines follow each other that have it. */
export function tabbedText(lines: readonly string[], widthOf: (text: string) => number): string {
  const rows = lines.map((line) => line.split("\t"));
  const widths = rows.map((row) => row.map(() => 0));
  const columns = Math.max(0, ...rows.map((row) => row.length - 1));
  for (let column = 0; column < columns; column++) {
    for (let from = 0; from < rows.length; from++) {
      let to = from;
      let width = 0;
      for (; (rows[to]?.length ?? 0) > column + 1; to++)
        width = Math.max(width, widthOf(rows[to]?.[column] ?? "") + GAP);
      for (const row of widths.slice(from, to)) row[column] = width;
      if (to > from) from = to - 1;
    }
  }
  return rows
    .map((row, i) =>
      row
        .map((cell, j) => (j === row.length - 1 ? cell : cell + " ".repeat((widths[i]?.[j] ?? 0) - widthOf(cell))))
        .join(""),
    )
    .map((line) => `${line}\n`)
    .join("");
}
