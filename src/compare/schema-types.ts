/** What the OpenAPI schema of a CustomResourceDefinition says of the fields of its custom resources. */

import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { isObject } from "../storage/arrange.ts";
import { builtInType } from "./built-in-types.ts";
import type { ValueType } from "./value-type.ts";

/** Types of a definition's versions by apiVersion, such as `example.com/v1`. A version without a schema has the type of nothing known. */
export function definitionTypes(definition: KubeObject): ReadonlyMap<string, ValueType> {
  const spec = record(definition.spec);
  const group = String(spec.group ?? "");
  const shared = record(spec.validation).openAPIV3Schema;
  const types = new Map<string, ValueType>();
  const versions = Array.isArray(spec.versions) ? (spec.versions as readonly JsonValue[]) : [{ name: spec.version }];
  for (const version of versions) {
    const { name, schema } = record(version as JsonValue);
    if (typeof name !== "string") continue;
    types.set(`${group}/${name}`, rootType(record(record(schema).openAPIV3Schema ?? shared)));
  }
  return types;
}

/** The type of one version's resources, by its OpenAPI v3 schema. */
export function schemaOfVersion(schema: JsonObject | undefined): ValueType {
  return schema === undefined ? UNKNOWN_CUSTOM : rootType(schema);
}

/** Metadata is Kubernetes' own in every kind. */
const METADATA = builtInType("v1", "ConfigMap")?.field?.("metadata");

function rootType(schema: JsonObject): ValueType {
  const type = schemaType(schema);
  return { field: (name) => (name === "metadata" ? METADATA : type.field?.(name)) };
}

/** A type for every custom resource whose definition is not at hand. */
export const UNKNOWN_CUSTOM: ValueType = rootType({});

/** How Kubernetes' own generator writes a quantity into a schema. */
const QUANTITY_PATTERN = "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))";

/** The API server fills a field that has a default in its schema, on reading too. */
function schemaType(schema: JsonObject): ValueType {
  const type = typeOfShape(schema);
  const value = schema.default;
  const isScalar = typeof value === "boolean" || typeof value === "number" || typeof value === "string";
  return isScalar && value !== "empty" ? { ...type, absentIs: value } : type;
}

function typeOfShape(schema: JsonObject): ValueType {
  const { type, format, pattern, properties, additionalProperties, items } = schema;
  if (schema["x-kubernetes-embedded-resource"] === true) return rootType({ ...schema, [EMBEDDED]: false });
  if (schema["x-kubernetes-int-or-string"] === true && typeof pattern === "string" && isQuantity(pattern)) {
    return { scalar: "quantity" };
  }
  if (type === "string" && format === "date-time") return { scalar: "time" };
  if (type === "array" || isObject(items)) {
    const kind = schema["x-kubernetes-list-type"];
    const keys = schema["x-kubernetes-list-map-keys"];
    const item = lazy(() => schemaType(record(items)));
    if (kind === "map" && Array.isArray(keys)) return { item, list: { keys: keys.map(String), ordered: false } };
    return kind === "set" ? { item, list: { keys: [], ordered: false } } : { item };
  }
  const own = record(properties);
  const rest = isObject(additionalProperties) ? lazy(() => schemaType(additionalProperties)) : () => undefined;
  const known = new Map<string, () => ValueType>();
  return {
    field(name) {
      if (!Object.hasOwn(own, name)) return rest();
      let found = known.get(name);
      if (found === undefined) {
        found = lazy(() => schemaType(record(own[name])));
        known.set(name, found);
      }
      return found();
    },
  };
}

const EMBEDDED = "x-kubernetes-embedded-resource";
const isQuantity = (pattern: string) => pattern.startsWith(QUANTITY_PATTERN);

function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function record(value: JsonValue | undefined): JsonObject {
  return isObject(value) ? value : {};
}
