/**
 * Secrets without what is secret in them. Clients decode `data` by its type, so that a value stays valid base64 of as
 * many bytes: asterisks. The sizes that `kubectl describe` shows are true, and an annotation says what happened, lest
 * somebody applies the object.
 */
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { isObject } from "../storage/arrange.ts";

const HIDDEN_ANNOTATION = "kubemend.io/hidden";
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
const HIDDEN = "the values are replaced by asterisks";

function isSecret({ kind, apiVersion }: Pick<KubeObject, "kind" | "apiVersion">): boolean {
  return kind === "Secret" && apiVersion === "v1";
}

/** The secret with its values hidden; other objects as they are. */
export function hideSecrets(object: KubeObject): KubeObject {
  if (!isSecret(object)) return object;
  const result: Record<string, JsonValue | undefined> = { ...object };
  result.metadata = hiddenMetadata(object.metadata);
  if ("data" in object) result.data = hide(object.data, (value) => mask(Buffer.from(value, "base64").length));
  if ("stringData" in object) result.stringData = hide(object.stringData, (value) => "*".repeat(value.length));
  return result as JsonObject as KubeObject;
}

/** Metadata alone can hold a copy of all values, too. */
function hiddenMetadata(metadata: JsonValue | undefined): JsonObject {
  const { annotations, ...rest } = isObject(metadata) ? metadata : {};
  const shown = isObject(annotations) ? { ...annotations } : {};
  if (LAST_APPLIED in shown) shown[LAST_APPLIED] = "<hidden>";
  return { ...rest, annotations: { ...shown, [HIDDEN_ANNOTATION]: HIDDEN } };
}

const mask = (size: number): string => Buffer.alloc(size, "*").toString("base64");

function hide(values: JsonValue | undefined, masked: (value: string) => string): JsonValue | undefined {
  if (!isObject(values)) return values === undefined || values === null ? values : {};
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, typeof value === "string" ? masked(value) : ""]),
  );
}
