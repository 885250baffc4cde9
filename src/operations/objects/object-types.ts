/** The types of objects' fields: of built-in kinds, and of custom ones by their definitions. */
import { builtInType } from "../../compare/built-in-types.ts";
import { definitionTypes } from "../../compare/schema-types.ts";
import type { ValueType } from "../../compare/value-type.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { Side } from "./side.ts";

/** The type of an object's fields: its kind's own, or that of its definition. */
export function typeOf({ apiVersion, kind }: KubeObject, types: ReadonlyMap<string, ValueType>): ValueType | undefined {
  return builtInType(apiVersion, kind) ?? types.get(`${apiVersion}/${kind}`);
}

const DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions";

/** Types of custom resources by `GROUP/VERSION/KIND`, of the definitions on all sides; those of the last one count. */
export async function readTypes(sides: readonly Side[]): Promise<Map<string, ValueType>> {
  const types = new Map<string, ValueType>();
  for (const side of sides) {
    if (!side.paths.includes(DEFINITIONS)) continue;
    for (const entry of (await side.open(DEFINITIONS)).values()) {
      const found = entry.read();
      if (found?.state === "object") addTypes(found.object, types);
    }
  }
  return types;
}

export function addTypes(definition: KubeObject, types: Map<string, ValueType>): void {
  const names = (definition.spec as { readonly names?: { readonly kind?: unknown } } | undefined)?.names;
  for (const [apiVersion, type] of definitionTypes(definition)) types.set(`${apiVersion}/${names?.kind}`, type);
}
