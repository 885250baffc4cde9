/**
 * What static pods need of their node's disk and etcd does not hold: certificates and keys, kubeconfigs, data
 * directories. Each hostPath that a container mounts, and each path on its command line that lies in one, by the name
 * that it has on the host.
 */

import { containerFlags } from "../kube/container-flags.ts";
import { objectOf, objectsOf, textOf } from "../kube/fields.ts";
import type { JsonObject } from "../kube/object.ts";
import type { StaticPod } from "./control-plane.ts";

export interface HostFile {
  /** Absolute, on the node. */
  readonly path: string;
  readonly kind: "file" | "directory" | "socket" | "device" | "any";
  /**
   * `input` must be brought back by hand or made again; `data` is what the backup itself restores (etcd's data directory);
   * `made` is created empty by the kubelet when it is not there, and nothing on a command line names it or anything in it.
   */
  readonly role: "input" | "data" | "made";
  /** Such as `kube-apiserver --tls-cert-file`, or `kube-apiserver volume "k8s-certs"`; sorted. */
  readonly namedBy: readonly string[];
}

interface Entry {
  kind: HostFile["kind"];
  role: HostFile["role"];
  readonly namedBy: Set<string>;
}

/** Sorted by path. A directory is left out when files within it are named one by one. */
export function hostFilesOf(pods: readonly StaticPod[]): HostFile[] {
  const entries = new Map<string, Entry>();
  for (const pod of pods) {
    const spec = objectOf(pod.mirrorPod.spec);
    const volumes = hostPathVolumes(spec);
    for (const [name, volume] of volumes) {
      enter(entries, volume.path, volume.kind, volume.isMade ? "made" : "input", `${pod.name} volume "${name}"`);
    }
    for (const container of [...objectsOf(spec.initContainers), ...objectsOf(spec.containers)]) {
      for (const flag of containerFlags(container)) {
        for (const inside of pathsIn(flag.value)) {
          const path = onHost(inside, container, volumes);
          if (path === undefined) continue;
          const isData = /(^|-)data-dir$|(^|-)wal-dir$/.test(flag.name);
          const kind = isData || /-dir(ectory)?$/.test(flag.name) ? "directory" : "file";
          enter(entries, path, kind, isData ? "data" : "input", `${pod.name} --${flag.name}`);
        }
      }
    }
  }
  return [...entries]
    .filter(([path, entry]) => entry.role !== "made" || !hasNamedFileBelow(path, entries))
    .map(([path, { kind, role, namedBy }]) => ({ path, kind, role, namedBy: [...namedBy].sort() }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function enter(
  entries: Map<string, Entry>,
  path: string,
  kind: HostFile["kind"],
  role: HostFile["role"],
  namedBy: string,
): void {
  const entry = entries.get(path);
  if (entry === undefined) {
    entries.set(path, { kind, role, namedBy: new Set([namedBy]) });
    return;
  }
  if (entry.kind === "any" || role === "data") entry.kind = kind;
  if (entry.role === "made" || role === "data") entry.role = role;
  entry.namedBy.add(namedBy);
}

function hasNamedFileBelow(path: string, entries: ReadonlyMap<string, Entry>): boolean {
  for (const [other, entry] of entries) if (entry.role !== "made" && other.startsWith(`${path}/`)) return true;
  return false;
}

interface HostPathVolume {
  readonly path: string;
  readonly kind: HostFile["kind"];
  /** The kubelet makes it where it is not there. */
  readonly isMade: boolean;
}

const KINDS: Readonly<Record<string, HostFile["kind"]>> = {
  Directory: "directory",
  DirectoryOrCreate: "directory",
  File: "file",
  FileOrCreate: "file",
  Socket: "socket",
  BlockDevice: "device",
  CharDevice: "device",
};

function hostPathVolumes(spec: JsonObject): Map<string, HostPathVolume> {
  const volumes = new Map<string, HostPathVolume>();
  for (const volume of objectsOf(spec.volumes)) {
    const { path, type } = objectOf(volume.hostPath);
    if (textOf(path) === "") continue;
    const kind = KINDS[textOf(type)] ?? "any";
    volumes.set(textOf(volume.name), {
      path: trimSlash(textOf(path)),
      kind,
      isMade: kind === "directory" && textOf(type).endsWith("OrCreate"),
    });
  }
  return volumes;
}

/** Where a path inside a container of a pod is on the host. Undefined within the image, or another volume than the host's. */
export function hostPathOf(inside: string, container: JsonObject, spec: JsonObject): string | undefined {
  return onHost(inside, container, hostPathVolumes(spec));
}

/** Where a path inside the container is on the host: by the innermost mount that holds it. Undefined within the image or another volume. */
function onHost(
  inside: string,
  container: JsonObject,
  volumes: ReadonlyMap<string, HostPathVolume>,
): string | undefined {
  let best: { readonly at: string; readonly host: string | undefined } | undefined;
  for (const mount of objectsOf(container.volumeMounts)) {
    const at = trimSlash(textOf(mount.mountPath));
    if (inside !== at && !inside.startsWith(at === "/" ? "/" : `${at}/`)) continue;
    if (best !== undefined && best.at.length > at.length) continue;
    const volume = volumes.get(textOf(mount.name));
    const base = volume === undefined ? undefined : joinPath(volume.path, textOf(mount.subPath));
    best = { at, host: base };
  }
  return best?.host === undefined ? undefined : joinPath(best.host, inside.slice(best.at === "/" ? 0 : best.at.length));
}

/** The absolute paths in a flag's value: the whole of it, or the parts of a list. */
function pathsIn(value: string | undefined): string[] {
  if (value === undefined) return [];
  const parts = value.split(",").map((part) => part.replace(/^(?:unix|file):\/\//, "").replace(/^[\w-]+=(?=\/)/, ""));
  return parts.filter((part) => /^\/[^\s$]+$/.test(part)).map(trimSlash);
}

function joinPath(base: string, rest: string): string {
  const tail = rest.replace(/^\/+|\/+$/g, "");
  if (tail === "") return base;
  return base === "/" ? `/${tail}` : `${base}/${tail}`;
}

function trimSlash(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, "") || "/" : path;
}
