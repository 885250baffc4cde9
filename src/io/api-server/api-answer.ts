/**
 * Whether an answer is one to what was asked of an API server: its kind, its API version, its name, the shape of what
 * it holds. An answer that passes a status of 200 alone may be a login page, another server's, or cut off, and a list
 * that is not whole makes "nothing is there" out of "nothing is known".
 *
 * Paths and kinds: https://kubernetes.io/docs/reference/using-api/api-concepts/.
 */
import { defined } from "../../errors/defined.ts";
import type { JsonObject } from "../../kube/object.ts";
import { decodePercent } from "../network/decode-percent.ts";

/** Where a path leads: `/api/v1/namespaces/a/pods/b/eviction`. */
export interface ApiPath {
  /** `v1`, `apps/v1`. */
  readonly apiVersion: string;
  readonly namespace: string | undefined;
  /** The plural, such as `pods`. */
  readonly resource: string;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** Undefined for what is no resource: discovery, health, versions. The query counts for nothing. */
export function parseApiPath(path: string): ApiPath | undefined {
  const [root = "", ...rest] = defined(path.split("?")[0])
    .split("/")
    .filter((part) => part !== "");
  const own = root === "api" ? rest.splice(0, 1) : root === "apis" ? rest.splice(0, 2) : [];
  const apiVersion = own.join("/");
  if (apiVersion === "" || rest.length === 0 || (root === "apis" && own.length < 2)) return undefined;
  const isNamespaced = rest[0] === "namespaces" && rest.length > 2 && !NAMESPACE_SUBRESOURCES.has(defined(rest[2]));
  const namespace = isNamespaced ? decodePercent(defined(rest.splice(0, 2)[1])) : undefined;
  const [resource = "", name, subresource] = rest;
  return { apiVersion, namespace, resource, name: name && decodePercent(name), subresource };
}

const NAMESPACE_SUBRESOURCES: ReadonlySet<string> = new Set(["status", "finalize"]);

export interface Asked {
  readonly method: string;
  readonly path: string;
  /** The object sent, if any. */
  readonly body: JsonObject | undefined;
}

/** Why the answer is none to what was asked, as the end of a sentence; undefined where it is one. */
export function faultOfAnswer(asked: Asked, answer: JsonObject): string | undefined {
  const { method, path, body } = asked;
  const at = parseApiPath(path);
  if (at === undefined) return faultOfDiscovery(path, answer);
  if (method === "GET" && at.name === undefined) return faultOfList(at, answer);
  if (at.subresource !== undefined || method === "DELETE" || (method === "POST" && at.name !== undefined)) {
    // An eviction, a deletion: the Status of a success, or the object itself.
    if (answer.kind === "Status") {
      return answer.status === "Success" || answer.status === undefined
        ? undefined
        : `it answers ${method} with success and a Status of "${shown(answer.status)}"`;
    }
    const isKind = answer.kind === body?.kind || isKindOf(at, answer.kind);
    return isKind || at.subresource !== undefined ? faultOfKind(answer) : otherKind(at, answer);
  }
  const expected = method === "POST" ? body : undefined;
  if (expected !== undefined && (answer.kind !== expected.kind || answer.apiVersion !== expected.apiVersion))
    return otherKind(at, answer);
  if (expected === undefined && (!isKindOf(at, answer.kind) || answer.apiVersion !== at.apiVersion))
    return otherKind(at, answer);
  if (method === "POST" && isReview(answer)) return undefined; // it has no name: nothing is stored
  const fault = faultOfObject(answer);
  if (fault !== undefined) return fault;
  const metadata = answer.metadata as JsonObject;
  if (at.name !== undefined && metadata.name !== at.name)
    return `it answers with "${shown(metadata.name)}" where "${at.name}" was asked for`;
  if (at.namespace !== undefined && metadata.namespace !== undefined && metadata.namespace !== at.namespace)
    return `it answers with an object of namespace "${shown(metadata.namespace)}" where "${at.namespace}" was asked for`;
  return undefined;
}

function isReview({ kind }: JsonObject): boolean {
  return typeof kind === "string" && /Review$/.test(kind);
}

/** Tables and lists of metadata are lists as well, where they were asked for by the `accept` header. */
function faultOfList(at: ApiPath, answer: JsonObject): string | undefined {
  const { kind, apiVersion } = answer;
  const isMeta = typeof apiVersion === "string" && apiVersion.startsWith("meta.k8s.io/");
  if (kind === "Table" && isMeta) {
    if (!isArrayOfObjects(answer.rows)) return "its table has no rows";
    return faultOfListMeta(answer);
  }
  const isMetadata = kind === "PartialObjectMetadataList" && isMeta;
  if (!isMetadata) {
    const ofItems = typeof kind === "string" && kind.endsWith("List") ? kind.slice(0, -"List".length) : undefined;
    if (ofItems === undefined || !isKindOf(at, ofItems) || apiVersion !== at.apiVersion) return otherKind(at, answer);
  }
  const { items } = answer;
  // Go writes an empty list as null where nobody has made one.
  if (items !== null && !isArrayOfObjects(items)) return `its list of ${at.resource} has no items`;
  for (const item of items ?? []) {
    const fault = faultOfObject(item);
    if (fault !== undefined) return `in its list of ${at.resource}, ${fault}`;
  }
  return faultOfListMeta(answer);
}

function faultOfListMeta({ metadata }: JsonObject): string | undefined {
  if (!isObject(metadata)) return "its list has no metadata";
  const { resourceVersion, continue: next } = metadata;
  if (resourceVersion !== undefined && typeof resourceVersion !== "string") return "its list has no resource version";
  if (next !== undefined && next !== null && typeof next !== "string")
    return "its list is continued by what is no text";
  return undefined;
}

/** The metadata that everybody relies on, and that spec and status are objects. */
function faultOfObject(object: JsonObject): string | undefined {
  const { metadata } = object;
  if (!isObject(metadata)) return "an object has no metadata";
  if (typeof metadata.name !== "string" || metadata.name === "") return "an object has no name";
  for (const field of TEXTS) {
    const value = metadata[field];
    if (value !== undefined && value !== null && typeof value !== "string")
      return `the ${field} of "${metadata.name}" is not text`;
  }
  for (const field of MAPS) {
    const value = metadata[field] ?? {};
    if (!isObject(value) || Object.values(value).some((each) => typeof each !== "string"))
      return `the ${field} of "${metadata.name}" are not texts`;
  }
  for (const field of ["ownerReferences", "finalizers"]) {
    if (!Array.isArray(metadata[field] ?? [])) return `the ${field} of "${metadata.name}" are not a list`;
  }
  for (const field of ["spec", "status"]) {
    const value = object[field];
    if (value !== undefined && value !== null && !isObject(value))
      return `the ${field} of "${metadata.name}" is not an object`;
  }
  return undefined;
}

const TEXTS = ["namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"];
const MAPS = ["labels", "annotations"];

function faultOfDiscovery(path: string, answer: JsonObject): string | undefined {
  const parts = defined(path.split("?")[0])
    .split("/")
    .filter((part) => part !== "");
  if (path === "/version") return typeof answer.gitVersion === "string" ? undefined : "it has no version";
  if (parts[0] === "apis" && parts.length === 2)
    return answer.kind === "APIGroup" && answer.name === parts[1] ? undefined : `it has no API group "${parts[1]}"`;
  if ((parts[0] === "api" && parts.length === 2) || (parts[0] === "apis" && parts.length === 3)) {
    const version = parts.slice(1).join("/");
    const isList = answer.kind === "APIResourceList" && answer.groupVersion === version;
    return isList && isArrayOfObjects(answer.resources) ? undefined : `it does not list the resources of "${version}"`;
  }
  return faultOfKind(answer);
}

function faultOfKind({ kind }: JsonObject): string | undefined {
  return typeof kind === "string" && kind !== "" ? undefined : "it answers with an object of no kind";
}

function otherKind({ resource, apiVersion }: ApiPath, answer: JsonObject): string {
  const found =
    typeof answer.kind === "string" ? `"${shown(answer.kind)}" of "${shown(answer.apiVersion)}"` : "no kind";
  return `it answers with ${found} where ${resource} of "${apiVersion}" were asked for`;
}

/**
 * Whether a kind is that of a resource. Names of resources are plurals of kinds by English rules for all kinds that
 * Kubernetes has; those of custom resources are whatever their definition says, so of them only a kind is expected.
 */
function isKindOf({ apiVersion, resource }: ApiPath, kind: unknown): boolean {
  if (typeof kind !== "string" || kind === "") return false;
  const one = kind.toLowerCase();
  const plurals = [one, `${one}s`, `${one}es`, `${one.slice(0, -1)}ies`];
  const [group = ""] = apiVersion.includes("/") ? apiVersion.split("/") : [""];
  const isBuiltIn = !group.includes(".") || group.endsWith(".k8s.io");
  return !isBuiltIn || plurals.includes(resource);
}

function shown(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 100) : typeof value;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isArrayOfObjects(value: unknown): value is JsonObject[] {
  return Array.isArray(value) && value.every(isObject);
}
