/**
 * Environment variables that come from secrets and config maps become values in the manifest: the kubelet would ask the
 * API server for them. Files are no way here, since a program reads its environment; the manifest is 0600 like the
 * secrets themselves.
 */
import { mapObjects, objectOf, objectsOf, textOf, without } from "../kube/fields.ts";
import type { JsonObject } from "../kube/object.ts";
import type { FixUpContext } from "./fix-up.ts";

/** What this one needs of a context: pods other than the bootstrap ones have their own. */
export type DataContext = Pick<FixUpContext, "data" | "note">;

const decoder = new TextDecoder("utf-8", { fatal: true });

export function makeEnvironmentLiteral(podSpec: JsonObject, context: DataContext): JsonObject {
  const change = (container: JsonObject) => literal(container, context);
  return mapObjects(mapObjects(podSpec, "initContainers", change), "containers", change);
}

/** `envFrom` comes first and `env` overrides it, as the kubelet does it; later entries of `envFrom` override earlier ones. */
function literal(container: JsonObject, context: DataContext): JsonObject {
  const own: JsonObject[] = [];
  for (const variable of objectsOf(container.env)) {
    const found = literalVariable(variable, container, context);
    if (found !== undefined) own.push(found);
  }
  const named = new Set(own.map((variable) => variable.name));
  const bulk = new Map<string, JsonObject>();
  for (const source of objectsOf(container.envFrom)) {
    for (const [name, value] of bulkVariables(source, container, context)) {
      if (!named.has(name)) bulk.set(name, { name, value });
    }
  }
  const env = [...bulk.values(), ...own];
  const rest = without(container, ["env", "envFrom"]);
  return env.length === 0 ? rest : { ...rest, env };
}

function literalVariable(variable: JsonObject, container: JsonObject, context: DataContext): JsonObject | undefined {
  const from = objectOf(variable.valueFrom);
  const name = textOf(variable.name);
  for (const [field, kind] of [
    ["secretKeyRef", "Secret"],
    ["configMapKeyRef", "ConfigMap"],
  ] as const) {
    const reference = objectOf(from[field]);
    const key = textOf(reference.key);
    if (key === "") continue;
    const bytes = context.data(kind, textOf(reference.name))?.data.get(key);
    const value = bytes === undefined ? undefined : asText(bytes);
    if (value !== undefined) return { name, value: escapeVariables(value) };
    if (bytes !== undefined) noteBinary(name, container, context);
    return undefined;
  }
  return variable;
}

function* bulkVariables(source: JsonObject, container: JsonObject, context: DataContext): Iterable<[string, string]> {
  for (const [field, kind] of [
    ["configMapRef", "ConfigMap"],
    ["secretRef", "Secret"],
  ] as const) {
    const data = context.data(kind, textOf(objectOf(source[field]).name))?.data;
    for (const [key, bytes] of [...(data ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const name = `${textOf(source.prefix)}${key}`;
      if (!isVariableName(name)) continue; // The kubelet passes over these too.
      const value = asText(bytes);
      if (value === undefined) noteBinary(name, container, context);
      else yield [name, escapeVariables(value)];
    }
  }
}

function noteBinary(name: string, container: JsonObject, context: DataContext): void {
  context.note(
    "environment-binary",
    `environment variable "${name}" of container "${textOf(container.name)}" is dropped: its value is not ` +
      "text, which a manifest cannot hold",
  );
}

function isVariableName(name: string): boolean {
  return /^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name);
}

function asText(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined; // Not UTF-8.
  }
}

/** In a manifest `$(NAME)` is replaced, in a secret it is not; `$$` stands for one `$`. */
function escapeVariables(value: string): string {
  return value.replaceAll("$", "$$$$");
}
