/**
 * Volumes of secrets and config maps become directories on the node: the asset dir's `tls/` is what `start` copies there. The whole of a
 * secret goes to `tls/secrets/NAME`, of a config map to `tls/config-maps/NAME`, as in bootkube; a volume that chooses or renames keys, or
 * joins several sources, gets a directory of its own, `tls/volumes/POD/VOLUME`.
 */

import type { DataKind } from "../kube/data-object.ts";
import { isObject, listOf, mapObjects, objectsOf, textOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { BOOTSTRAP_SECRETS_DIR, type FixUpContext } from "./fix-up.ts";

const FOLDERS: Readonly<Record<DataKind, string>> = { Secret: "secrets", ConfigMap: "config-maps" };

export function turnVolumesIntoFiles(podSpec: JsonObject, context: FixUpContext): JsonObject {
  return mapObjects(podSpec, "volumes", (volume) => {
    const name = textOf(volume.name);
    for (const [field, kind, nameField] of [
      ["secret", "Secret", "secretName"],
      ["configMap", "ConfigMap", "name"],
    ] as const) {
      if (!isObject(volume[field])) continue;
      return { name, ...directoryFor(name, kind, textOf(volume[field][nameField]), volume[field], context) };
    }
    if (isObject(volume.projected)) return { name, ...projectedDirectory(name, volume.projected, context) };
    return volume;
  });
}

function directoryFor(
  volume: string,
  kind: DataKind,
  object: string,
  source: JsonObject,
  context: FixUpContext,
): JsonObject {
  const found = context.data(kind, object);
  if (found === undefined && source.optional === true) return { emptyDir: {} };
  if (listOf(source.items).length > 0) {
    const folder = `volumes/${context.podName}/${volume}`;
    addItems(folder, kind, object, source, context);
    return hostDirectory(folder);
  }
  const folder = `${FOLDERS[kind]}/${object}`;
  for (const [key, bytes] of found?.data ?? []) {
    context.assets.add(`tls/${folder}/${key}`, bytes, fileMode(source.defaultMode));
  }
  return hostDirectory(folder);
}

/** Sources later in the list override earlier ones of the same path. */
function projectedDirectory(volume: string, projected: JsonObject, context: FixUpContext): JsonObject {
  const folder = `volumes/${context.podName}/${volume}`;
  const files = new Map<string, () => void>();
  const sources = objectsOf(projected.sources);
  for (const source of sources) {
    for (const [field, kind] of [
      ["secret", "Secret"],
      ["configMap", "ConfigMap"],
    ] as const) {
      if (!isObject(source[field])) continue;
      const body: JsonObject = { ...source[field], defaultMode: projected.defaultMode };
      for (const [path, add] of itemFiles(folder, kind, textOf(body.name), body, context)) files.set(path, add);
    }
  }
  for (const add of files.values()) add();
  const others = sources
    .flatMap((source) => Object.keys(source))
    .filter((field) => field !== "secret" && field !== "configMap");
  if (others.length > 0) {
    context.note(
      "projection-dropped",
      `its volume "${volume}" also projects ${[...new Set(others)].sort().join(", ")}, which exists only ` +
        "with an API server: those files are not there",
    );
  }
  return files.size === 0 ? { emptyDir: {} } : hostDirectory(folder);
}

function addItems(folder: string, kind: DataKind, object: string, source: JsonObject, context: FixUpContext): void {
  for (const [, add] of itemFiles(folder, kind, object, source, context)) add();
}

/**
 * The files that a source makes: its items, or each key under its own name. Keys that are not there were reported as
 * missing, or are optional.
 */
function* itemFiles(
  folder: string,
  kind: DataKind,
  object: string,
  source: JsonObject,
  context: FixUpContext,
): Iterable<[string, () => void]> {
  const data = context.data(kind, object)?.data ?? new Map<string, Uint8Array>();
  const items = objectsOf(source.items).map((item) => ({
    key: textOf(item.key),
    path: textOf(item.path),
    mode: item.mode,
  }));
  const all = [...data.keys()].map((key) => ({ key, path: key, mode: undefined }));
  for (const { key, path, mode } of items.length > 0 ? items : all) {
    const bytes = data.get(key);
    if (bytes === undefined) continue;
    const file = `tls/${folder}/${path}`;
    yield [file, () => context.assets.add(file, bytes, fileMode(mode ?? source.defaultMode))];
  }
}

function hostDirectory(folder: string): JsonObject {
  return { hostPath: { path: `${BOOTSTRAP_SECRETS_DIR}/${folder}` } };
}

/** For root only, and to be run where its mode said so: a config map may hold a script. */
function fileMode(mode: JsonValue | undefined): number {
  return typeof mode === "number" && (mode & 0o111) !== 0 ? 0o700 : 0o600;
}
