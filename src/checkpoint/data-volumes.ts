/**
 * Volumes of secrets, config maps and projections become directories on the node. Modes, `items`, `optional`, and who
 * may read come out as the kubelet makes them (kubernetes/pkg/volume/{secret,configmap,projected}), but for a secret:
 * nobody but its owner and its group ever reads it.
 */

import type { FindingCode } from "../errors/finding-codes.ts";
import type { DataObject } from "../kube/data-object.ts";
import { isObject, listOf, mapObjects, objectOf, objectsOf, textOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import type { DataDirectory, DataFile } from "./checkpoint.ts";
import { dataDirectory, isInside, type Places } from "./data-directory.ts";
import { downwardText } from "./downward.ts";

export interface VolumeContext {
  readonly parent: KubeObject;
  readonly places: Places;
  data(kind: "Secret" | "ConfigMap", name: string): DataObject | undefined;
  /** A token of the parent's service account for an audience (empty: the API server). */
  token(audience: string): Uint8Array | undefined;
  note(code: FindingCode, text: string): void;
}

export interface ConvertedVolumes {
  readonly podSpec: JsonObject;
  readonly directories: readonly DataDirectory[];
}

export function turnVolumesIntoDirectories(podSpec: JsonObject, context: VolumeContext): ConvertedVolumes {
  const directories: DataDirectory[] = [];
  const owner = ownerOf(podSpec, context.note);
  const turned = new Set<string>();
  const converted = mapObjects(podSpec, "volumes", (volume) => {
    const files = filesOf(volume, context);
    if (files === undefined) return volume;
    const name = textOf(volume.name);
    turned.add(name);
    if (files.files.length === 0) return { name, emptyDir: {} };
    const { namespace = "", name: pod } = context.parent.metadata;
    const root = files.kind === "secret" ? context.places.secrets : context.places.configMaps;
    const directory = dataDirectory(`${root}/${namespace}/${pod}/${files.name}`, {
      kind: files.kind,
      mode: directoryMode(files.kind, owner),
      uid: owner.uid,
      gid: owner.gid,
      files: files.files.map((file) => ({ ...file, mode: fileMode(files.kind, file.mode, owner) })),
    });
    directories.push(directory);
    return { name, hostPath: { path: directory.path } };
  });
  return { podSpec: readOnlyMounts(converted, turned), directories };
}

interface VolumeFiles {
  readonly kind: "secret" | "configmap";
  /** Of the directory above the hash. */
  readonly name: string;
  readonly files: readonly DataFile[];
}

/** Undefined for a volume of any other sort. */
function filesOf(volume: JsonObject, context: VolumeContext): VolumeFiles | undefined {
  for (const [field, kind, nameField] of [
    ["secret", "Secret", "secretName"],
    ["configMap", "ConfigMap", "name"],
  ] as const) {
    const source = volume[field];
    if (!isObject(source)) continue;
    const name = textOf(source[nameField]);
    const files = itemFiles(kind, name, source, source.defaultMode, context);
    return { kind: kind === "Secret" ? "secret" : "configmap", name, files };
  }
  if (!isObject(volume.projected)) return undefined;
  const { defaultMode } = volume.projected;
  const files = new Map<string, DataFile>(); // later sources override earlier ones of the same path
  let isSecret = false;
  for (const source of objectsOf(volume.projected.sources)) {
    for (const file of projectedFiles(source, defaultMode, textOf(volume.name), context)) files.set(file.path, file);
    isSecret ||= isObject(source.secret) || isObject(source.serviceAccountToken);
  }
  return {
    kind: isSecret ? "secret" : "configmap",
    name: `projected.${textOf(volume.name)}`,
    files: [...files.values()],
  };
}

function projectedFiles(
  source: JsonObject,
  defaultMode: JsonValue | undefined,
  volume: string,
  context: VolumeContext,
): DataFile[] {
  if (isObject(source.secret))
    return itemFiles("Secret", textOf(source.secret.name), source.secret, defaultMode, context);
  if (isObject(source.configMap)) {
    return itemFiles("ConfigMap", textOf(source.configMap.name), source.configMap, defaultMode, context);
  }
  if (isObject(source.serviceAccountToken)) {
    const { audience, path } = source.serviceAccountToken;
    const bytes = context.token(textOf(audience));
    if (bytes === undefined) {
      context.note(
        "token-missing",
        `its volume "${volume}" projects a token of its service account, which this agent cannot have: the checkpoint runs without it`,
      );
      return [];
    }
    return [{ path: textOf(path) || "token", mode: modeOf(undefined, defaultMode), bytes, volatile: true }].filter(
      (file) => isInside(file.path),
    );
  }
  if (isObject(source.downwardAPI)) {
    return objectsOf(source.downwardAPI.items).flatMap((item) => {
      const path = textOf(item.path);
      const text = downwardText(context.parent, objectOf(item.fieldRef));
      if (text === undefined || !isInside(path)) {
        context.note(
          "projection-dropped",
          `its volume "${volume}" projects "${path}", which exists only with an API server`,
        );
        return [];
      }
      return [{ path, mode: modeOf(item.mode, defaultMode), bytes: new TextEncoder().encode(text), volatile: false }];
    });
  }
  const what = Object.keys(source).sort().join(", ");
  context.note("projection-dropped", `its volume "${volume}" projects ${what}, which exists only with an API server`);
  return [];
}

/** The files that a source makes: its items, or each key under its own name. What is not there is optional, or was reported as missing. */
function itemFiles(
  kind: "Secret" | "ConfigMap",
  name: string,
  source: JsonObject,
  defaultMode: JsonValue | undefined,
  context: VolumeContext,
): DataFile[] {
  const data = context.data(kind, name)?.data ?? new Map<string, Uint8Array>();
  const chosen = listOf(source.items).length > 0;
  const items = chosen
    ? objectsOf(source.items).map((item) => ({ key: textOf(item.key), path: textOf(item.path), mode: item.mode }))
    : [...data.keys()].map((key) => ({ key, path: key, mode: undefined }));
  return items.flatMap(({ key, path, mode }) => {
    const bytes = data.get(key);
    if (bytes === undefined || !isInside(path)) return [];
    return [{ path, mode: modeOf(mode, defaultMode), bytes, volatile: false }];
  });
}

function modeOf(mode: JsonValue | undefined, defaultMode: JsonValue | undefined): number {
  const found = [mode, defaultMode].find((each) => typeof each === "number");
  return (found ?? 0o644) & 0o777;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
  readonly hasGroup: boolean;
}

/** Whoever the containers run as, and the pod's group for files. Root reads everything anyhow. */
function ownerOf(podSpec: JsonObject, note: VolumeContext["note"]): Owner {
  const pod = objectOf(podSpec.securityContext);
  const users = new Set<number>();
  for (const container of [...objectsOf(podSpec.initContainers), ...objectsOf(podSpec.containers)]) {
    const user = idOf(objectOf(container.securityContext).runAsUser) ?? idOf(pod.runAsUser);
    if (user !== undefined && user !== 0) users.add(user);
  }
  const group = idOf(pod.fsGroup);
  if (users.size > 1 && group === undefined) {
    note(
      "users-differ",
      `its containers run as the users ${[...users].join(", ")} and it has no fsGroup: the files of its volumes are the first one's alone`,
    );
  }
  return { uid: [...users][0] ?? 0, gid: group ?? 0, hasGroup: group !== undefined };
}

function idOf(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 32 ? value : undefined;
}

function directoryMode(kind: VolumeFiles["kind"], owner: Owner): number {
  if (kind === "configmap") return 0o755;
  return owner.hasGroup ? 0o750 : 0o700;
}

/** With an fsGroup the group may do what the owner may, as the kubelet has it. */
function fileMode(kind: VolumeFiles["kind"], mode: number, owner: Owner): number {
  const own = (mode & 0o700) | 0o400;
  const group = owner.hasGroup ? (own >> 3) & 0o050 : 0;
  return kind === "secret" ? own | group : (mode & 0o755) | 0o400 | group;
}

/** The kubelet mounts secrets and config maps read-only whatever the mount says. */
function readOnlyMounts(podSpec: JsonObject, volumes: ReadonlySet<string>): JsonObject {
  const change = (container: JsonObject) =>
    mapObjects(container, "volumeMounts", (mount) =>
      volumes.has(textOf(mount.name)) ? { ...mount, readOnly: true } : mount,
    );
  return mapObjects(mapObjects(podSpec, "initContainers", change), "containers", change);
}
