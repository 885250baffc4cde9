/** kubectl's `--sort-by=PATH`. Source: k8s.io/kubectl/pkg/cmd/get/sorter.go. */

import { MendError } from "../../errors/errors.ts";
import { compare } from "../../kube/compare-text.ts";
import type { JsonValue } from "../../kube/object.ts";
import { parseQuantity } from "../../kube/quantity.ts";
import { findJsonPath } from "../columns/json-path.ts";
import { relaxedPath } from "./custom-columns.ts";

/** Throws `usage` where none of the objects has such a field, or where it is a list or a map. */
export function checkSortable(path: string, objects: readonly JsonValue[]): void {
  const parsed = relaxedPath(path);
  const found = objects.map((each) => findJsonPath(parsed, each)[0]).filter((each) => each !== undefined);
  if (objects.length > 0 && found.length === 0)
    throw new MendError("usage", `nothing has a field "${path}" to sort by`);
  if (found.some((each) => typeof each === "object" && each !== null))
    throw new MendError("usage", `"${path}" is a list or a map, which has no order`);
}

/** Compares two objects by what the path finds first in each: numbers and quantities by value, texts by their bytes, absent first. */
export function sortBy(path: string): (a: JsonValue, b: JsonValue) => number {
  const parsed = relaxedPath(path);
  const found = (object: JsonValue): JsonValue | undefined => findJsonPath(parsed, object)[0];
  return (a, b) => compareValues(found(a), found(b));
}

const QUANTITY = /^[+-]?(\d+\.?\d*|\.\d+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?$/;

function compareValues(a: JsonValue | undefined, b: JsonValue | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  if (typeof a === "string" && typeof b === "string") {
    if (QUANTITY.test(a) && QUANTITY.test(b)) return parseQuantity(a) - parseQuantity(b);
    return compare(a, b);
  }
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? compare(String(a), String(b)) : x - y;
}
