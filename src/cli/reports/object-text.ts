/**
 * Objects as YAML and JSON text, as kubectl writes them: fields in alphabetical order, no managed fields, and no secret
 * unless it is asked for.
 */

import type { JsonObject, JsonValue, KubeObject } from "../../kube/object.ts";
import { goJson } from "../../kubeapi/print/go-text.ts";
import { isObject } from "../../storage/arrange.ts";

import { printYaml } from "../../storage/yaml-text.ts";

export interface ObjectTextOptions {
  readonly showSecrets: boolean;
  readonly showManagedFields: boolean;
}

/** The object as it may be shown; `hidden` tells whether secret bytes were left out. */
export function shownObject(
  object: KubeObject,
  options: ObjectTextOptions,
): { readonly object: JsonObject; readonly hidden: boolean } {
  const shown = options.showManagedFields ? object : withoutManagedFields(object);
  if (object.kind !== "Secret" || object.apiVersion !== "v1" || options.showSecrets) {
    return { object: shown, hidden: false };
  }
  return hideSecret(shown);
}

function withoutManagedFields(object: JsonObject): JsonObject {
  if (!isObject(object.metadata)) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** The sizes instead of the bytes. What takes their place is no base64, so that nobody applies it by mistake. */
function hideSecret(secret: JsonObject): { readonly object: JsonObject; readonly hidden: boolean } {
  let hidden = false;
  const hide = (values: JsonValue | undefined, sizeOf: (value: string) => number): JsonValue | undefined => {
    if (!isObject(values)) return values === undefined || values === null ? values : "<hidden>";
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => {
        hidden = true;
        if (typeof value !== "string") return [name, "<hidden>"];
        const size = sizeOf(value);
        return [name, `<hidden: ${size} ${size === 1 ? "byte" : "bytes"}>`];
      }),
    );
  };
  const metadata = isObject(secret.metadata) ? secret.metadata : {};
  const { annotations } = metadata;
  const result: Record<string, JsonValue | undefined> = { ...secret };
  if ("data" in secret) result.data = hide(secret.data, (value) => Buffer.from(value, "base64").length);
  if ("stringData" in secret) result.stringData = hide(secret.stringData, (value) => Buffer.byteLength(value));
  if (isObject(annotations) && LAST_APPLIED in annotations) {
    hidden = true;
    result.metadata = { ...metadata, annotations: { ...annotations, [LAST_APPLIED]: "<hidden>" } };
  }
  return { object: result, hidden };
}

/** `indent` 0 for one line. */
export function jsonText(value: JsonValue, indent = 4): string {
  return goJson(value, indent);
}

export function yamlText(value: JsonValue): string {
  return printYaml(value);
}
