/** Where an etcd on this node keeps its data, from how it is started: a static pod's manifest, or a process's words. */
import { objectOf, objectsOf, textOf, textsOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";

export interface EtcdDirectories {
  /** As etcd itself sees them. */
  readonly dataDir: string | undefined;
  readonly walDir: string | undefined;
}

/**
 * From the words of a command, of which one may be a whole shell line, and its environment (`ETCD_DATA_DIR`; flags
 * win). Undefined where it is no etcd.
 */
export function etcdDirectories(
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
): EtcdDirectories | undefined {
  const line = words.join(" ");
  if (!/(?:^|[\s/"';])etcd(?:\s|$)/.test(line)) return undefined;
  const flag = (name: string): string | undefined =>
    new RegExp(`(?:^|\\s)--?${name}[=\\s]\\s*["']?([^\\s"';]+)`).exec(line)?.[1];
  return {
    dataDir: flag("data-dir") ?? environment.ETCD_DATA_DIR,
    walDir: flag("wal-dir") ?? environment.ETCD_WAL_DIR,
  };
}

/** The directories of the host that a static pod's etcd writes to; none where it runs no etcd or keeps its data to itself. */
export function etcdDirectoriesOfPod(manifest: JsonValue): string[] {
  const spec = objectOf(objectOf(manifest).spec);
  const hostPaths = new Map(
    objectsOf(spec.volumes).map((volume) => [textOf(volume.name), textOf(objectOf(volume.hostPath).path)]),
  );
  const found = new Set<string>();
  for (const container of objectsOf(spec.containers)) {
    const environment = Object.fromEntries(
      objectsOf(container.env).map((variable) => [textOf(variable.name), textOf(variable.value)]),
    );
    const directories = etcdDirectories([...textsOf(container.command), ...textsOf(container.args)], environment);
    for (const inside of [directories?.dataDir, directories?.walDir]) {
      const outside = inside === undefined ? undefined : onHost(inside, objectsOf(container.volumeMounts), hostPaths);
      if (outside !== undefined) found.add(outside);
    }
  }
  return [...found];
}

function onHost(
  path: string,
  mounts: readonly JsonObject[],
  hostPaths: ReadonlyMap<string, string>,
): string | undefined {
  const wanted = trimmed(path);
  const mount = mounts
    .map((each) => ({ at: trimmed(textOf(each.mountPath)), each }))
    .filter(({ at }) => wanted === at || wanted.startsWith(`${at}/`))
    .sort((a, b) => b.at.length - a.at.length)[0];
  if (mount === undefined) return undefined;
  const host = hostPaths.get(textOf(mount.each.name));
  if (host === undefined || host === "") return undefined;
  const subPath = textOf(mount.each.subPath);
  return trimmed(host) + (subPath === "" ? "" : `/${trimmed(subPath)}`) + wanted.slice(mount.at.length);
}

function trimmed(path: string): string {
  return path.replace(/\/+$/, "");
}
