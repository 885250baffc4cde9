/** Field changes of secrets, without what is secret in them. */

import type { FieldChange } from "../../compare/compare-values.ts";
import { defined } from "../../errors/defined.ts";
import type { JsonValue, KubeObject } from "../../kube/object.ts";
import { isObject } from "../../storage/arrange.ts";

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** Whether an object holds bytes that are not to be shown. */
export function isSecret({ apiVersion, kind }: { readonly apiVersion: string; readonly kind: string }): boolean {
  return kind === "Secret" && apiVersion === "v1";
}

/** Sizes instead of bytes. */
export function hideFields(fields: readonly FieldChange[]): readonly FieldChange[] {
  return fields.map((field) => {
    const [first, second, third] = field.path;
    const hidesAll = first === "data" || first === "stringData";
    const hidesApplied = first === "metadata" && second === "annotations";
    if (!hidesAll && !hidesApplied) return field;
    if (hidesApplied && third !== undefined && third !== LAST_APPLIED) return field;
    const hide = (value: JsonValue | undefined) => hideValue(value, hidesAll, first === "data");
    return {
      ...field,
      ...(field.before !== undefined && { before: defined(hide(field.before)) }),
      ...(field.after !== undefined && { after: defined(hide(field.after)) }),
    };
  });
}

function hideValue(value: JsonValue | undefined, hidesAll: boolean, isBase64: boolean): JsonValue | undefined {
  if (!isObject(value)) return value === undefined ? undefined : sizeText(value, isBase64 && hidesAll);
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      hidesAll || name === LAST_APPLIED ? sizeText(each, isBase64) : each,
    ]),
  );
}

function sizeText(value: JsonValue | undefined, isBase64: boolean): string {
  if (typeof value !== "string") return "<hidden>";
  const size = isBase64 ? Buffer.from(value, "base64").length : Buffer.byteLength(value);
  return `<hidden: ${size} ${size === 1 ? "byte" : "bytes"}>`;
}

/** In the newer of two shown objects, what is hidden and not what it was is marked, so that a comparison of texts shows it. */
export function markHiddenChanges(
  shown: KubeObject,
  before: KubeObject,
  after: KubeObject,
): { readonly [field: string]: JsonValue | undefined } {
  const result: Record<string, JsonValue | undefined> = { ...shown };
  for (const field of ["data", "stringData"]) {
    const [old, value, hidden] = [before[field], after[field], shown[field]];
    if (!isObject(old) || !isObject(value) || !isObject(hidden)) continue;
    result[field] = Object.fromEntries(
      Object.entries(hidden).map(([name, text]) => {
        const isChanged = Object.hasOwn(old, name) && old[name] !== value[name];
        return [name, isChanged && typeof text === "string" ? text.replace(/>$/, ", changed>") : text];
      }),
    );
  }
  return result;
}
