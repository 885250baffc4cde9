/**
 * Where a copy in another namespace still names what is in the original's: DNS names of Services in its texts, which
 * nobody can rewrite for certain.
 */
import { isObject } from "../kube/fields.ts";
import type { JsonValue, KubeObject } from "../kube/object.ts";

const MOST_PLACES = 3;
/** Longer texts are no settings. */
const MOST_CHARACTERS = 200_000;

/**
 * One note for all the places, or none. `namespace`: that of the original. `isService`: whether it has a Service of
 * that name, so that `NAME.NAMESPACE` means it.
 */
export function strayNotes(object: KubeObject, namespace: string, isService: (name: string) => boolean): string[] {
  const { apiVersion: _version, kind, metadata: _metadata, ...rest } = object;
  const isSecret = kind === "Secret";
  const name = new RegExp(
    `(?<![-a-z0-9.])(?:[-a-z0-9]+\\.)*?([-a-z0-9]+)\\.${namespace}(?:(\\.svc)(?![-a-z0-9])|(?![-a-z0-9])(?!\\.[a-z0-9]))`,
    "g",
  );
  const isNamed = (text: string): boolean =>
    [...text.matchAll(name)].some(([, service = "", suffix]) => suffix !== undefined || isService(service));
  const places: string[] = [];
  const walk = (value: JsonValue | undefined, path: string): void => {
    if (typeof value === "string") {
      if (value.length > MOST_CHARACTERS) return;
      const text = isSecret && path.startsWith("data.") ? Buffer.from(value, "base64").toString("latin1") : value;
      if (isNamed(text)) places.push(path);
    } else if (Array.isArray(value)) {
      for (const [i, each] of value.entries()) walk(each as JsonValue, `${path}[${i}]`);
    } else if (isObject(value)) {
      for (const [field, each] of Object.entries(value)) walk(each, path === "" ? field : `${path}.${field}`);
    }
  };
  walk(rest as JsonValue, "");
  if (places.length === 0) return [];
  const more = places.length > MOST_PLACES ? ` and ${places.length - MOST_PLACES} more places` : "";
  return [`${places.slice(0, MOST_PLACES).join(", ")}${more} still name Services of namespace "${namespace}"`];
}
