/** Objects that a user gives in a file to be stored: read, and refused where no API server could read or address them. */
import { builtInType } from "../../compare/built-in-types.ts";
import { quantityInNanos } from "../../compare/exact-quantity.ts";
import type { ValueType } from "../../compare/value-type.ts";
import { MendError } from "../../errors/errors.ts";
import { readTextFile } from "../../io/files/read-file.ts";
import { isObject, objectOf, textOf } from "../../kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../kube/object.ts";
import type { TimeLimit } from "../../kube/within-time.ts";
import { decodeYaml } from "../../storage/yaml-parse.ts";

/** As many are read in seconds. */
const MOST_DOCUMENTS = 20_000;
const TIME: TimeLimit = { milliseconds: 30_000, hearsInterrupt: true };

/** The objects of a YAML or JSON file, those of a List each. Throws `object-invalid`. */
export function readGivenObjects(path: string): JsonObject[] {
  const documents = readTextFile(path)
    .split(/^---(?:[^\S\n].*)?$/m)
    .filter((text) => text.split("\n").some((line) => line.trim() !== "" && !line.trimStart().startsWith("#")));
  if (documents.length > MOST_DOCUMENTS) {
    throw new MendError("object-invalid", `"${path}" has ${documents.length} documents, more than ${MOST_DOCUMENTS}`, {
      where: path,
      hint: "give them in several runs",
    });
  }
  const objects = documents.flatMap((text): readonly unknown[] => {
    try {
      const value = decodeYaml(text, TIME);
      return isObject(value) && Array.isArray(value.items) && textOf(value.kind).endsWith("List")
        ? value.items
        : [value];
    } catch (error) {
      if (!(error instanceof SyntaxError) && !(error instanceof RangeError)) throw error;
      throw new MendError("object-invalid", `"${path}" is not YAML: ${error.message}`, { where: path, cause: error });
    }
  });
  if (objects.length === 0 || !objects.every((each) => isObject(each as JsonObject))) {
    throw new MendError("object-invalid", `"${path}" holds no objects`, { where: path });
  }
  return objects as JsonObject[];
}

/**
 * The object as the API server would take it: amounts that are written as numbers become texts, and the plain texts of
 * a Secret its data. Throws `object-invalid`
 * for amounts that are none: one of them would keep the API server from listing all objects of the kind.
 */
export function asTaken(object: KubeObject, where: string): KubeObject {
  const type = builtInType(object.apiVersion, object.kind);
  return withData(walk(object as JsonObject, type, "", where) as KubeObject);
}

function withData(object: KubeObject): KubeObject {
  const { stringData, ...rest } = object as KubeObject & { readonly stringData?: JsonValue };
  if (object.kind !== "Secret" || object.apiVersion !== "v1" || !isObject(stringData)) return object;
  const texts = Object.entries(stringData);
  if (texts.some(([, text]) => typeof text !== "string")) return object; // refused where it is encoded
  const encoded = texts.map(([key, text]) => [key, Buffer.from(text as string).toString("base64")] as const);
  return { ...rest, data: { ...objectOf(rest.data), ...Object.fromEntries(encoded) } };
}

function walk(value: JsonValue, type: ValueType | undefined, path: string, where: string): JsonValue {
  if (type?.scalar === "quantity") {
    if (quantityInNanos(typeof value === "bigint" ? Number(value) : value) === undefined) {
      throw new MendError("object-invalid", `field "${path}" must be a quantity such as 500m`, { where });
    }
    return String(value);
  }
  if (Array.isArray(value))
    return value.map((each, i) => walk(each as JsonValue, type?.item?.(), `${path}[${i}]`, where));
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([name, each]) => {
    const place = path === "" ? name : `${path}.${name}`;
    return [name, each === undefined || each === null ? each : walk(each, type?.field?.(name), place, where)];
  });
  return Object.fromEntries(entries) as JsonObject;
}

/** Throws `object-invalid` for a name that no request can carry, or that would lead to another place in etcd. */
export function checkNames(object: KubeObject, namespaced: boolean, where: string): void {
  const { name } = object.metadata;
  const namespace = textOf(objectOf(object.metadata).namespace);
  if (!isPathSegment(name) || name.length > 253) {
    throw new MendError("object-invalid", `"${name}" cannot be the name of an object`, {
      where,
      hint: 'leave out "/" and "%", and use at most 253 characters',
    });
  }
  if (!namespaced && namespace !== "") {
    throw new MendError("object-invalid", `${object.kind} "${name}" belongs to no namespace, but names one`, {
      where,
      hint: "remove metadata.namespace",
    });
  }
  if (namespace !== "" && !/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(namespace)) {
    throw new MendError("object-invalid", `"${namespace}" cannot be the name of a namespace`, { where });
  }
}

/** Source: `IsValidPathSegmentName` of k8s.io/apimachinery/pkg/api/validation/path. */
function isPathSegment(name: string): boolean {
  return name !== "." && name !== ".." && !/[/%]/.test(name);
}
