/**
 * The objects in manifest files: several documents in a file, lists, documents that a template left empty; and the
 * order to create them in.
 */
import { MendError } from "../errors/errors.ts";
import { isObject } from "../kube/fields.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { readYamlDocuments, YamlFault } from "../kube/read-yaml.ts";

export interface ManifestObject {
  /** The file, and which document of it where it has several. */
  readonly where: string;
  readonly object: KubeObject;
}

/** Throws `config-invalid` for what is no object, naming the file. Kubernetes reads YAML 1.1: `yes` is true there. */
export function parseManifest(path: string, text: string): ManifestObject[] {
  const documents = readDocuments(path, text);
  return documents.flatMap((value, i) => flatten(value, documents.length > 1 ? `${path} document ${i + 1}` : path));
}

/** Definitions of custom resources are long. */
const LIMITS = { characters: 16 << 20 };

function readDocuments(path: string, text: string): unknown[] {
  try {
    return readYamlDocuments(text, { limits: LIMITS });
  } catch (error) {
    if (error instanceof YamlFault) throw invalid(path, error.message);
    throw error;
  }
}

function flatten(value: unknown, where: string): ManifestObject[] {
  if (value === null || value === undefined) return []; // what is left of a template that was switched off
  if (!isObject(value as JsonObject)) throw invalid(where, "it holds no object");
  const object = value as JsonObject;
  if (typeof object.apiVersion !== "string" || typeof object.kind !== "string")
    throw invalid(where, "it has no apiVersion or no kind");
  if (object.kind.endsWith("List") && Array.isArray(object.items)) {
    return object.items.flatMap((item, i) => flatten(item, `${where} item ${i + 1}`));
  }
  const metadata = object.metadata;
  if (!isObject(metadata) || typeof metadata.name !== "string" || metadata.name === "")
    throw invalid(where, "it has no metadata.name");
  return [{ where, object: object as KubeObject }];
}

function invalid(where: string, what: string): MendError {
  return new MendError("config-invalid", `"${where}" is no manifest: ${what}`, {
    hint: "correct the file, or take it away",
  });
}

/** Namespaces, then custom resource definitions, then the rest; in each the order given, which is by file name. */
export function creationOrder(objects: readonly ManifestObject[]): ManifestObject[] {
  const rank = ({ object }: ManifestObject) => (isNamespace(object) ? 0 : isDefinition(object) ? 1 : 2);
  return [0, 1, 2].flatMap((wanted) => objects.filter((each) => rank(each) === wanted));
}

export function isDefinition(object: KubeObject): boolean {
  return object.kind === "CustomResourceDefinition" && object.apiVersion.startsWith("apiextensions.k8s.io/");
}

function isNamespace(object: KubeObject): boolean {
  return object.kind === "Namespace" && object.apiVersion === "v1";
}

/** For people: `Deployment "kube-system/coredns"`. */
export function objectTitle({ kind, metadata }: KubeObject): string {
  return `${kind} "${metadata.namespace === undefined ? "" : `${metadata.namespace}/`}${metadata.name}"`;
}
