/** What there is on this node for `node clean`: looked at only. */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { systemCode } from "../../errors/system-error.ts";
import { findDataDirUsers, STATIC_POD_DIRECTORY, stopHint } from "../../io/etcd/data-dir-users.ts";
import { isThere, treeSize } from "../../io/files/move-aside.ts";
import { type CleanDirectory, freeDirectory, listCleaned } from "../../io/node/clean-directory.ts";
import type { NodeContainer, NodeContainers } from "../../io/node/containers.ts";
import { findKubeletService, type KubeletService, kubeletText } from "../../io/node/kubelet-service.ts";
import { findKubelet, runningContainers } from "../../io/node/local-node.ts";
import { openNodeContainers } from "../../io/node/node-containers.ts";
import { readMountTable } from "../../io/node/unmount.ts";
import type { JsonValue } from "../../kube/object.ts";
import { readYaml } from "../../kube/read-yaml.ts";
import type { CleanFacts, ContainerFacts, EtcdFacts, FileSet } from "../../nodes/clean-plan.ts";
import { type CleanPlaces, type CleanRecord, cleanedName, newRecord } from "../../nodes/clean-record.ts";
import { etcdDirectories, etcdDirectoriesOfPod } from "../../nodes/etcd-location.ts";
import { hostPathOf, isBelow, mountsBelow } from "../../nodes/mount-table.ts";
import { checkPlaces, databasesIn, entriesOf, namedEtcd } from "./clean-places.ts";

/** What the user may say about where things are. */
export interface CleanLocations {
  /** `/var/lib/kubemend` unless given. */
  readonly keep?: string | undefined;
  readonly manifests?: string | undefined;
  readonly kubeletDirectory?: string | undefined;
  /** Instead of looking for them; an empty list leaves etcd alone. */
  readonly etcd?: readonly string[] | undefined;
  /** `/var/log/containers` unless given. */
  readonly logs?: string | undefined;
  readonly runtime?: string | undefined;
  /** Containers are neither looked for nor stopped. */
  readonly skipContainers?: boolean;
}

export interface NodeSurvey {
  readonly facts: CleanFacts;
  /** Begun by an earlier run, or not on the disk yet. */
  readonly directory: CleanDirectory;
  readonly resumes: boolean;
  readonly kubelet: KubeletService | undefined;
  readonly containers: NodeContainers | undefined;
  readonly logs: string;
}

export const KEEP = "/var/lib/kubemend";
const LOGS = "/var/log/containers";
const ETCD = ["/var/etcd", "/var/lib/etcd"];
const MOST_MANIFEST_BYTES = 1 << 20;

/** Throws what is in the way of a clean, before anything is done. */
export async function surveyNode(time: number, where: CleanLocations, signal?: AbortSignal): Promise<NodeSurvey> {
  const keep = where.keep ?? KEEP;
  const earlier = listCleaned(keep);
  const undoing = earlier.find(({ record }) => record.state === "undoing");
  if (undoing !== undefined) {
    throw new MendError("already-exists", `taking back "${undoing.path}" was interrupted`, {
      where: undoing.path,
      hint: `finish that with kubemend node clean ${input("undo")}`,
    });
  }
  const begun = earlier.find(({ record }) => record.state === "begun");
  const running = findKubelet();
  const host = running?.nodeName ?? begun?.record.host ?? hostname();
  const kubelet = await findKubeletService();
  const containers =
    where.skipContainers === true
      ? undefined
      : await openNodeContainers(running, where.runtime ?? begun?.record.places.runtime ?? undefined, signal);
  try {
    if (containers === undefined && where.skipContainers !== true && runningContainers().size > 0) {
      throw new MendError("runtime-unreachable", "containers run here, but no container runtime listens", {
        hint: `start the container runtime, or pass ${input("containerRuntimeEndpoint")}, or ${input("skipContainers")} to leave them`,
      });
    }
    const list = (await containers?.list()) ?? [];
    const manifests = where.manifests ?? begun?.record.places.manifests ?? running?.staticPods ?? STATIC_POD_DIRECTORY;
    const kubeletDirectory = where.kubeletDirectory ?? running?.rootDirectory ?? "/var/lib/kubelet";
    const known = begun?.record.places.etcd ?? [];
    // Of one that is half moved it can no longer be determined what it was.
    const given = where.etcd?.map((path) => known.find(({ directory }) => directory === path) ?? namedEtcd(path));
    const places: CleanPlaces = {
      manifests,
      pods:
        where.kubeletDirectory === undefined && begun !== undefined
          ? begun.record.places.pods
          : join(kubeletDirectory, "pods"),
      etcd: given === undefined ? mergeEtcd(known, findEtcd(manifests, list)) : mergeEtcd([], given),
      runtime: where.runtime ?? begun?.record.places.runtime ?? running?.runtimeEndpoint ?? null,
    };
    const logs = where.logs ?? LOGS;
    checkPlaces({ places, logs, staying: [keep, running?.staticPods ?? STATIC_POD_DIRECTORY] });
    const record: CleanRecord = { ...(begun?.record ?? newRecord(host, time, places)), places };
    if (kubelet !== undefined) record.kubelet = kubelet.start;
    const directory = { path: begun?.path ?? freeDirectory(keep, cleanedName(time)), record };
    checkUsers(places, list);
    return {
      facts: factsOf(host, directory, kubelet, containers?.runtime, list, logs),
      directory,
      resumes: begun !== undefined,
      kubelet,
      containers,
      logs,
    };
  } catch (error) {
    containers?.close();
    throw error;
  }
}

function factsOf(
  host: string,
  { path, record }: CleanDirectory,
  kubelet: KubeletService | undefined,
  runtime: string | undefined,
  list: readonly NodeContainer[],
  logs: string,
): CleanFacts {
  const { places } = record;
  const moved = record.moves.filter(({ to }) => isThere(to));
  const containers = list.filter(({ sandbox }) => !sandbox);
  const found: ContainerFacts | undefined =
    runtime === undefined
      ? undefined
      : {
          runtime,
          running: containers.filter(({ running }) => running).length,
          containers: containers.length,
          pods: list.length - containers.length,
        };
  const kubeletNow = kubelet === undefined ? undefined : kubeletText(kubelet);
  return {
    host,
    kubelet: kubeletNow,
    kubeletStarts: kubeletNow ?? (record.kubelet === null ? undefined : kubeletText(record.kubelet)),
    logs: { ...logFiles(logs), archived: record.logs !== null && isThere(record.logs.archive) },
    containers: found,
    manifests: fileSet(places.manifests),
    pods: { ...fileSet(places.pods), mounts: mountsBelow(readMountTable(), places.pods).length },
    etcd: places.etcd.map((each) => etcdFacts(each, record)),
    moved: {
      directory: path,
      entries: moved.length,
      bytes: moved.reduce((sum, { to }) => sum + treeSize(to).bytes, 0),
    },
  };
}

function fileSet(directory: string, whole = true): FileSet {
  const names = entriesOf(directory, whole);
  const bytes = names.reduce((sum, name) => sum + treeSize(join(directory, name)).bytes, 0);
  return { directory, entries: names.length, bytes };
}

/** Their links lead to where the runtime writes: the size is that of what they lead to. */
function logFiles(directory: string): FileSet {
  const names = entriesOf(directory);
  const bytes = names.reduce((sum, name) => {
    try {
      const stat = statSync(join(directory, name));
      return sum + (stat.isFile() ? stat.size : 0);
    } catch {
      return sum; // a link whose file has gone
    }
  }, 0);
  return { directory, entries: names.length, bytes };
}

function etcdFacts({ directory, whole }: CleanPlaces["etcd"][number], record: CleanRecord): EtcdFacts {
  const files = fileSet(directory, whole);
  // A member that is several levels deep is one of several: each is backed up, and the sizes add up.
  const databases = databasesIn(directory).map((path) => ({ path, stat: statSync(path) }));
  if (databases.length === 0) return { ...files, database: undefined };
  return {
    ...files,
    database: {
      path: databases.map(({ path }) => path).join(", "),
      bytes: databases.reduce((sum, { stat }) => sum + stat.size, 0),
      backedUp: databases.every(({ path, stat }) =>
        record.backups.some(
          (each) =>
            each.database === path && each.bytes === stat.size && each.modified === stat.mtimeMs && isThere(each.file),
        ),
      ),
    },
  };
}

/** The well-known places, those of static pods, and those of running containers, each once: what lies in another is that one's. */
function findEtcd(manifests: string, list: readonly NodeContainer[]): CleanPlaces["etcd"] {
  const wellKnown = ETCD.filter((directory) => isThere(directory)).map((directory) => ({ directory, whole: true }));
  const found = [...etcdOfManifests(manifests), ...etcdOfContainers(list)];
  return mergeEtcd(
    wellKnown,
    found.map((directory) => ({ directory, whole: false })),
  );
}

function mergeEtcd(a: CleanPlaces["etcd"], b: CleanPlaces["etcd"]): CleanPlaces["etcd"] {
  const merged = [...a];
  for (const each of b) {
    if (merged.some(({ directory }) => isSameOrInside(each.directory, directory))) continue;
    merged.push(each);
  }
  return merged;
}

/** Also where one of the two is the other one's file system, mounted at another place. */
function isSameOrInside(path: string, directory: string): boolean {
  if (path === directory || isBelow(path, directory)) return true;
  const wanted = statSync(directory, { throwIfNoEntry: false });
  if (wanted === undefined) return false;
  for (let at = path; ; at = dirname(at)) {
    const stat = statSync(at, { throwIfNoEntry: false });
    if (stat?.dev === wanted.dev && stat.ino === wanted.ino) return true;
    if (at === dirname(at)) return false;
  }
}

function etcdOfManifests(directory: string): string[] {
  return entriesOf(directory)
    .filter((name) => /\.(ya?ml|json)$/.test(name) && !name.startsWith("."))
    .flatMap((name) => {
      const path = join(directory, name);
      if (!statSync(path).isFile() || statSync(path).size > MOST_MANIFEST_BYTES) return [];
      try {
        return etcdDirectoriesOfPod(readYaml(readFileSync(path, "utf8")) as JsonValue);
      } catch {
        return []; // the kubelet cannot read it either
      }
    });
}

/** Of the processes that run in the runtime's containers: others are not the kubelet's to start. */
function etcdOfContainers(list: readonly NodeContainer[]): string[] {
  const ids = new Set(list.map(({ id }) => id));
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        if (!isOfContainers(Number(pid), ids)) return [];
        const words = zeroSeparated(`/proc/${pid}/cmdline`);
        if (!/^etcd/.test(basename(words[0] ?? ""))) return [];
        const environment = Object.fromEntries(
          zeroSeparated(`/proc/${pid}/environ`).map((pair) => [
            pair.slice(0, pair.indexOf("=")),
            pair.slice(pair.indexOf("=") + 1),
          ]),
        );
        const inside = etcdDirectories(words, environment);
        return [inside?.dataDir, inside?.walDir].flatMap((path) => {
          if (path === undefined) return [];
          const outside = hostPathOf(path, readMountTable(Number(pid)), readMountTable());
          return outside === undefined ? [] : [outside];
        });
      } catch (error) {
        if (systemCode(error) !== undefined) return []; // ended in the meantime
        throw error;
      }
    });
}

function isOfContainers(pid: number, ids: ReadonlySet<string>): boolean {
  const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8");
  return [...groups.matchAll(/[0-9a-f]{64}/g)].some(([id]) => ids.has(id));
}

function zeroSeparated(path: string): string[] {
  return readFileSync(path, "utf8")
    .split("\0")
    .filter((word) => word !== "");
}

/** An etcd that no container runs, such as a service of the machine's, is not stopped, so its data must stay where it is. */
function checkUsers(places: CleanPlaces, list: readonly NodeContainer[]): void {
  const ids = new Set(list.map(({ id }) => id));
  for (const { directory } of places.etcd) {
    const users = findDataDirUsers(directory, places.manifests).filter(({ kind, pid }) => {
      try {
        return kind === "process" && pid !== undefined && !isOfContainers(pid, ids);
      } catch {
        return false; // ended in the meantime
      }
    });
    if (users.length === 0) continue;
    const names = users.map(({ name }) => name).join(", ");
    throw new MendError("data-dir-in-use", `"${directory}" is in use by ${names}, which the kubelet has not started`, {
      where: directory,
      hint: `pass ${input("keepEtcd")} to leave etcd alone; or ${stopHint(users)}`,
    });
  }
}
