/** Two values walked side by side: the fields in which they differ, by meaning. */

import { defined } from "../errors/defined.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { compareStrings, isObject } from "../storage/arrange.ts";
import { parseDuration } from "../storage/duration.ts";
import { printJson } from "../storage/json-text.ts";
import { parseTime } from "../storage/time.ts";
import { quantityInNanos } from "./exact-quantity.ts";
import type { ListRule, ValueType } from "./value-type.ts";

/** A step to a field: a name, a place in a list, or the merge keys of a list's item. */
export type PathStep = string | number | { readonly [key: string]: JsonValue };

export interface FieldChange {
  readonly change: "added" | "removed" | "changed" | "reordered";
  readonly path: readonly PathStep[];
  /** Undefined where the field was added, or a list reordered. */
  readonly before?: JsonValue;
  readonly after?: JsonValue;
}

/** Deeper than any object that is decoded. */
const MOST_DEPTH = 600;

/** Fields in which `after` differs from `before`, in the order of their names. */
export function compareValues(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  type: ValueType | undefined,
): FieldChange[] {
  const changes: FieldChange[] = [];
  compare(before, after, type, [], changes);
  return changes;
}

function compare(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  type: ValueType | undefined,
  path: readonly PathStep[],
  changes: FieldChange[],
): void {
  if (before === after || type?.ignored === true || path.length > MOST_DEPTH) return;
  const isAbsent = (value: JsonValue | undefined) => meansAbsent(value, type);
  if (isAbsent(before) && isAbsent(after)) return;
  // What is empty on one side is compared piece by piece where it is a map or a list: only what is in it is new.
  if (before === undefined || before === null) {
    changes.push({ change: "added", path, after: defined(after) });
  } else if (after === undefined || after === null) {
    changes.push({ change: "removed", path, before });
  } else if (isObject(before) && isObject(after)) compareObjects(before, after, type, path, changes);
  else if (Array.isArray(before) && Array.isArray(after)) compareLists(before, after, type, path, changes);
  else if (!sameScalar(before, after, type?.scalar)) changes.push({ change: "changed", path, before, after });
}

/** Whether a value says no more than a field that is not there. */
function meansAbsent(value: JsonValue | undefined, type: ValueType | undefined): boolean {
  if (value === undefined || value === null || type?.ignored === true) return true;
  const absent = type?.absentIs;
  if (absent === undefined) return false;
  if (absent !== "empty") return value === absent;
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.entries(value).every(([name, each]) => meansAbsent(each, type?.field?.(name)));
}

function compareObjects(
  before: JsonObject,
  after: JsonObject,
  type: ValueType | undefined,
  path: readonly PathStep[],
  changes: FieldChange[],
): void {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  for (const name of [...names].sort(compareStrings)) {
    compare(own(before, name), own(after, name), type?.field?.(name), [...path, name], changes);
  }
}

function compareLists(
  before: readonly JsonValue[],
  after: readonly JsonValue[],
  type: ValueType | undefined,
  path: readonly PathStep[],
  changes: FieldChange[],
): void {
  const itemType = type?.item?.();
  const rule = type?.list;
  if (rule?.keys.length === 0) {
    compareSets(before, after, rule, itemType, path, changes);
    return;
  }
  const keyed = rule && [keyItems(before, rule, itemType), keyItems(after, rule, itemType)];
  if (keyed?.[0] === undefined || keyed[1] === undefined) {
    for (let i = 0; i < Math.max(before.length, after.length); i++) {
      compare(before[i], after[i], itemType, [...path, i], changes);
    }
    return;
  }
  const [one, two] = keyed as [Map<string, KeyedItem>, Map<string, KeyedItem>];
  for (const [key, { item, step }] of one) {
    const other = two.get(key);
    if (other === undefined) changes.push({ change: "removed", path: [...path, step], before: item });
    else compare(item, other.item, itemType, [...path, step], changes);
  }
  for (const [key, { item, step }] of two) {
    if (!one.has(key)) changes.push({ change: "added", path: [...path, step], after: item });
  }
  if (defined(rule).ordered) {
    const common = (a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>) =>
      [...a.keys()].filter((key) => b.has(key)).join("\n");
    if (common(one, two) !== common(two, one)) changes.push({ change: "reordered", path, before, after });
  }
}

/** An item counts once, however often it is there. */
function compareSets(
  before: readonly JsonValue[],
  after: readonly JsonValue[],
  { itemsChange }: ListRule,
  itemType: ValueType | undefined,
  path: readonly PathStep[],
  changes: FieldChange[],
): void {
  const [one, two] = [itemsByMeaning(before, itemType), itemsByMeaning(after, itemType)];
  const without = (items: typeof one, others: typeof one) =>
    [...items].filter(([key]) => !others.has(key)).map(([, each]) => each);
  const [gone, come] = [without(one, two), without(two, one)];
  const counterpart = ({ place }: SetItem): SetItem | undefined => {
    if (itemsChange !== true) return undefined;
    return gone.length === 1 && come.length === 1 ? come[0] : come.find((each) => each.place === place);
  };
  const pairs = gone.map((each) => [each, counterpart(each)] as const);
  const taken = new Set(pairs.map(([, other]) => other));
  for (const [{ item }, other] of pairs) {
    if (other === undefined) changes.push({ change: "removed", path: [...path, { "": item }], before: item });
  }
  for (const [{ item, place }, other] of pairs) {
    if (other !== undefined) compare(item, other.item, itemType, [...path, place], changes);
  }
  for (const each of come) {
    if (!taken.has(each)) changes.push({ change: "added", path: [...path, { "": each.item }], after: each.item });
  }
}

interface SetItem {
  readonly item: JsonValue;
  readonly place: number;
}

function itemsByMeaning(list: readonly JsonValue[], type: ValueType | undefined): Map<string, SetItem> {
  const found = new Map<string, SetItem>();
  for (const [place, item] of list.entries()) {
    const key = meaningOf(item, type);
    if (!found.has(key)) found.set(key, { item, place });
  }
  return found;
}

/** Text that is the same for values between which there is no difference. */
function meaningOf(value: JsonValue, type: ValueType | undefined): string {
  return printJson(plainValue(value, type, 0) ?? null);
}

function plainValue(value: JsonValue | undefined, type: ValueType | undefined, depth: number): JsonValue | undefined {
  if (value === undefined || meansAbsent(value, type) || depth > MOST_DEPTH) return undefined;
  if (Array.isArray(value)) return plainList(value as readonly JsonValue[], type, depth);
  if (!isObject(value)) return plainScalar(value, type?.scalar);
  const entries = Object.keys(value)
    .sort(compareStrings)
    .map((name) => [name, plainValue(own(value, name), type?.field?.(name), depth + 1)] as const);
  return Object.fromEntries(entries.filter(([, each]) => each !== undefined)) as JsonObject;
}

function plainList(list: readonly JsonValue[], type: ValueType | undefined, depth: number): JsonValue {
  const itemType = type?.item?.();
  const rule = type?.list;
  const items = list.map((each) => plainValue(each, itemType, depth + 1) ?? null);
  if (rule === undefined || rule.ordered) return items;
  const isSet = rule.keys.length === 0;
  if (!isSet && keyItems(list, rule, itemType) === undefined) return items;
  const texts = items.map((each) => printJson(each)).sort(compareStrings);
  return isSet ? [...new Set(texts)] : texts;
}

function plainScalar(value: JsonValue, scalar: ValueType["scalar"]): JsonValue {
  const read = scalar && READ[scalar](value);
  return read === undefined ? value : String(read);
}

interface KeyedItem {
  readonly item: JsonValue;
  readonly step: PathStep;
}

/** Items by what tells them apart; undefined where two have the same keys, or one has none: then the place tells. */
function keyItems(
  list: readonly JsonValue[],
  { keys }: ListRule,
  itemType: ValueType | undefined,
): Map<string, KeyedItem> | undefined {
  const found = new Map<string, KeyedItem>();
  for (const item of list) {
    const pairs = keys.map((key) => [key, valueAt(item, key)] as const);
    const step = Object.fromEntries(pairs.filter(([, value]) => isSaid(value))) as PathStep & object;
    if (Object.keys(step).length === 0) return undefined;
    const full = pairs.map(([key, value]) => [key, isSaid(value) ? value : defaultAt(itemType, key)] as const);
    const meaning = Object.fromEntries(full.filter(([, value]) => isSaid(value)));
    const key = printJson(meaning as JsonValue);
    if (found.has(key)) return undefined;
    found.set(key, { item, step });
  }
  return found;
}

function valueAt(item: JsonValue, key: string): JsonValue | undefined {
  let value: JsonValue | undefined = item;
  for (const name of key.split(".")) value = isObject(value) ? own(value, name) : undefined;
  return value;
}

/** What a key that is not there means: a port without a protocol is one of TCP. */
function defaultAt(itemType: ValueType | undefined, key: string): JsonValue | undefined {
  let type = itemType;
  for (const name of key.split(".")) type = type?.field?.(name);
  return type?.absentIs === "empty" ? undefined : type?.absentIs;
}

const isSaid = (value: JsonValue | undefined): boolean =>
  value !== undefined && value !== null && value !== "" && value !== 0 && value !== false;

function own(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function sameScalar(before: JsonValue, after: JsonValue, scalar: ValueType["scalar"]): boolean {
  if (typeof before !== "object" && typeof after !== "object") {
    // The API client reads large integers as numbers.
    if (isNumber(before) && isNumber(after) && typeof before !== typeof after) return Number(before) === Number(after);
    return scalar !== undefined && sameBy(READ[scalar], before, after);
  }
  return false;
}

/** What scalars mean whose spellings differ; undefined for what is none of the kind. */
const READ = {
  quantity: quantityInNanos,
  time: instant,
  duration: (value: JsonValue) => parseDuration(String(value)),
} as const;

const isNumber = (value: JsonValue): value is number | bigint => typeof value === "number" || typeof value === "bigint";

function instant(value: JsonValue): string | undefined {
  const time = parseTime(String(value));
  return time && `${time.seconds}.${time.nanos}`;
}

function sameBy(read: (value: JsonValue) => unknown, before: JsonValue, after: JsonValue): boolean {
  const value = read(before);
  return value !== undefined && value === read(after);
}

/** As people write a path: `spec.containers[name=web].image`, `metadata.annotations["a.b/c"]`, `spec.rules[0]`. */
export function pathText(path: readonly PathStep[]): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (typeof step !== "string") text += `[${stepText(step)}]`;
    else if (/^[A-Za-z_$][\w$-]*$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

function stepText(step: { readonly [key: string]: JsonValue }): string {
  return Object.entries(step)
    .map(([key, value]) => {
      const shown = typeof value === "string" && value !== "" ? value : printJson(value);
      return key === "" ? shown : `${key}=${shown}`;
    })
    .join(",");
}
