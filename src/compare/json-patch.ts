/** RFC 6902: the operations that turn one JSON value into another. Lists are patched by place, as the format has it. */

import { defined } from "../errors/defined.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { compareStrings, isObject } from "../storage/arrange.ts";
import { printJson } from "../storage/json-text.ts";

export type PatchOperation =
  | { readonly op: "add" | "replace"; readonly path: string; readonly value: JsonValue }
  | { readonly op: "remove"; readonly path: string };

/** Operations in the order in which they are to be applied. */
export function jsonPatch(before: JsonValue, after: JsonValue): PatchOperation[] {
  const operations: PatchOperation[] = [];
  patch(before, after, "", operations);
  return operations;
}

function patch(before: JsonValue, after: JsonValue, path: string, operations: PatchOperation[]): void {
  if (isObject(before) && isObject(after)) patchObject(before, after, path, operations);
  else if (Array.isArray(before) && Array.isArray(after)) patchList(before, after, path, operations);
  else if (!same(before, after)) operations.push({ op: "replace", path, value: after });
}

function patchObject(before: JsonObject, after: JsonObject, path: string, operations: PatchOperation[]): void {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  for (const name of [...names].sort(compareStrings)) {
    const [old, value] = [own(before, name), own(after, name)];
    const at = `${path}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    if (value === undefined) {
      if (old !== undefined) operations.push({ op: "remove", path: at });
    } else if (old === undefined) operations.push({ op: "add", path: at, value });
    else patch(old, value, at, operations);
  }
}

function own(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** What is alike at both ends stays; of the rest, items are patched in place, then removed from the end or added. */
function patchList(
  before: readonly JsonValue[],
  after: readonly JsonValue[],
  path: string,
  operations: PatchOperation[],
): void {
  let start = 0;
  while (start < before.length && start < after.length && same(defined(before[start]), defined(after[start]))) start++;
  let tail = 0;
  while (
    tail < before.length - start &&
    tail < after.length - start &&
    same(defined(before[before.length - 1 - tail]), defined(after[after.length - 1 - tail]))
  )
    tail++;
  const [oldEnd, newEnd] = [before.length - tail, after.length - tail];
  const inPlace = Math.min(oldEnd, newEnd);
  for (let i = start; i < inPlace; i++) patch(defined(before[i]), defined(after[i]), `${path}/${i}`, operations);
  for (let i = oldEnd - 1; i >= inPlace; i--) operations.push({ op: "remove", path: `${path}/${i}` });
  for (let i = inPlace; i < newEnd; i++) operations.push({ op: "add", path: `${path}/${i}`, value: defined(after[i]) });
}

function same(a: JsonValue, b: JsonValue): boolean {
  return a === b || (typeof a === typeof b && printJson(a) === printJson(b));
}
