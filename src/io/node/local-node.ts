/** What this machine itself knows, without an API server: its kubelet, its listening ports, the containers that really run, their logs. */

import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { basename, isAbsolute, join } from "node:path";
import { defined } from "../../errors/defined.ts";
import { readYaml } from "../../kube/read-yaml.ts";
import { names, readQuietly } from "../files/quiet-reads.ts";
import { readTextFile } from "../files/read-file.ts";

const POD_LOGS = "/var/log/pods";
const CONTAINER_LOGS = "/var/log/containers";

export interface LocalKubelet {
  readonly pid: number;
  /** Where it looks for static pods; null where it looks for none, undefined where that cannot be determined. */
  readonly staticPods: string | null | undefined;
  /** The name it registers its node by, as far as its flags show. */
  readonly nodeName: string;
  /** Where its state is, pods among it: `/var/lib/kubelet` unless set otherwise. */
  readonly rootDirectory: string;
  /** Where its configuration says that the container runtime listens, such as `unix:///run/containerd/containerd.sock`. */
  readonly runtimeEndpoint: string | undefined;
}

/**
 * The kubelet that runs here, by its process. Those of containers that are nodes themselves, with processes of their
 * own, are not this node's.
 */
export function findKubelet(): LocalKubelet | undefined {
  for (const pid of processes()) {
    if (!sharesNetwork(pid)) continue;
    const words = commandLine(pid);
    const program =
      basename(words[0] ?? "") === "kubelet" || (basename(words[0] ?? "") === "hyperkube" && words[1] === "kubelet");
    if (!program) continue;
    const flag = (name: string) => {
      const at = words.findIndex((word) => word === `--${name}` || word.startsWith(`--${name}=`));
      return at < 0
        ? undefined
        : defined(words[at]).includes("=")
          ? defined(words[at]).slice(name.length + 3)
          : words[at + 1];
    };
    const path = flag("config");
    const config = path === undefined ? {} : kubeletConfig(pid, path);
    const dropIns = dropInPaths(pid, flag("config-dir")).map((each) => kubeletConfig(pid, each));
    return {
      pid,
      staticPods: flag("pod-manifest-path") ?? staticPodPath([config, ...dropIns]),
      nodeName: (flag("hostname-override") ?? hostname()).toLowerCase(),
      rootDirectory: flag("root-dir") ?? "/var/lib/kubelet",
      runtimeEndpoint: flag("container-runtime-endpoint") ?? stringOf(config?.containerRuntimeEndpoint),
    };
  }
  return undefined;
}

/**
 * What the last of its configuration files that sets it says: null where none does, undefined where that one may be a file
 * that cannot be read.
 */
export function staticPodPath(
  files: readonly ({ readonly staticPodPath?: unknown } | undefined)[],
): string | null | undefined {
  const last = files.findLast((file) => file === undefined || stringOf(file.staticPodPath) !== undefined);
  if (last !== undefined) return stringOf(last.staticPodPath);
  return files.includes(undefined) ? undefined : null;
}

/** Files beside its configuration, which the kubelet takes in the order of their names; those that do not end in `.conf` are none. */
function dropInPaths(pid: number, directory: string | undefined): string[] {
  if (directory === undefined) return [];
  const path = isAbsolute(directory) ? directory : join(`/proc/${pid}/cwd`, directory);
  return names(path)
    .filter((name) => name.endsWith(".conf"))
    .sort()
    .map((name) => join(path, name));
}

/**
 * Undefined where it is not readable from here: whoever needs something of it says that it is not known. A relative
 * path is the process's.
 */
function kubeletConfig(
  pid: number,
  path: string,
): { staticPodPath?: unknown; containerRuntimeEndpoint?: unknown } | undefined {
  try {
    return readYaml(readTextFile(isAbsolute(path) ? path : join(`/proc/${pid}/cwd`, path))) ?? {};
  } catch {
    return undefined;
  }
}

function stringOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Whether two paths are the same directory. */
export function isSameDirectory(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return false;
  }
}

/** Who listens on a TCP port: the program's name, `another program` where it cannot be determined, undefined where nobody does. */
export function listenerOf(port: number): string | undefined {
  return findListener(port)?.name;
}

/** As {@link listenerOf}, with its process where that can be determined. The process that is likely is asked before all others. */
export function findListener(
  port: number,
  likely?: number,
): { readonly name: string; readonly pid: number | undefined } | undefined {
  const inodes = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) => listeningInodes(table, port)));
  if (inodes.size === 0) return undefined;
  for (const pid of likely === undefined ? processes() : [likely, ...processes()]) {
    if (socketsOf(pid).some((inode) => inodes.has(inode)))
      return { name: basename(commandLine(pid)[0] ?? "") || "another program", pid };
  }
  return { name: "another program", pid: undefined };
}

/**
 * Whether a process has this machine's network, as kubelets and control planes have: others are of a container, or of
 * another machine made of namespaces.
 */
export function sharesNetwork(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync("/proc/self/ns/net");
  } catch {
    return true; // only root may look: nothing speaks against it
  }
}

function listeningInodes(table: string, port: number): string[] {
  if (!existsSync(table)) return [];
  return readFileSync(table, "utf8")
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === "0A" && Number.parseInt(local?.split(":")[1] ?? "", 16) === port)
    .map((fields) => fields[9] ?? "");
}

function socketsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return []; // closed in the meantime
      }
    });
  } catch {
    return []; // ended in the meantime
  }
}

/** Ids of the containers that have a process here now: their cgroups carry them, whatever the runtime. */
export function runningContainers(): Set<string> {
  const ids = new Set<string>();
  for (const pid of processes()) {
    for (const [id] of readQuietly(`/proc/${pid}/cgroup`).matchAll(/[0-9a-f]{64}/g)) ids.add(id);
  }
  return ids;
}

/** Whether a program such as `kube-scheduler` runs here, by that name or as a part of hyperkube, outside of these containers. */
export function programRuns(name: string, except: ReadonlySet<string>): boolean {
  const names = new Set([name, name.replace(/^kube-/, "")]);
  return processes().some((pid) => {
    const words = commandLine(pid).slice(0, 2);
    if (!words.some((word) => names.has(basename(word)))) return false;
    const ids = readQuietly(`/proc/${pid}/cgroup`).match(/[0-9a-f]{64}/g) ?? [];
    return !ids.some((id) => except.has(id));
  });
}

/** This machine's addresses, without those of the loopback. */
export function ownAddresses(): Set<string> {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return new Set(all.filter(({ internal }) => !internal).map(({ address }) => address));
}

/**
 * The last lines that a static pod's containers have logged, newest attempt, without the runtime's time stamps;
 * undefined when none has started yet. What ended before `since`, in milliseconds since the epoch, is another time's:
 * an older container's last words say nothing of one that has not started. The kubelet's directories are
 * `NAMESPACE_POD-NODE_UID/CONTAINER/ATTEMPT.log`.
 */
export function staticPodLog(
  namespace: string,
  pod: string,
  nodeName: string,
  lines: number,
  since = 0,
): string[] | undefined {
  const running = runningContainers();
  const runs = staticPodContainers(namespace, `${pod}-${nodeName}`).some((id) => running.has(id));
  return lastLogged(`${namespace}_${pod}-${nodeName}_`, lines, runs ? 0 : since);
}

/** The same of any pod that the API server knows. */
export function podLog(namespace: string, pod: string, uid: string, lines: number): string[] | undefined {
  return lastLogged(`${namespace}_${pod}_${uid}`, lines);
}

/** Of the pods whose directory's name begins so. */
function lastLogged(prefix: string, lines: number, since = 0): string[] | undefined {
  const files = names(POD_LOGS)
    .filter((name) => name.startsWith(prefix))
    .flatMap((name) => names(join(POD_LOGS, name)).flatMap((container) => logFiles(join(POD_LOGS, name, container))));
  const newest = newestLog(files, since);
  if (newest === undefined) return undefined;
  const text = readQuietly(newest.path).trimEnd();
  return text === ""
    ? []
    : text
        .split("\n")
        .slice(-lines)
        .map((line) => line.replace(/^\S+ (?:stdout|stderr) [FP] /, ""));
}

/** The newest that says something, else the newest; undefined where none was written since. */
export function newestLog<T extends { readonly time: number; readonly size: number }>(
  files: readonly T[],
  since: number,
): T | undefined {
  const fresh = files.filter(({ time }) => time >= since).sort((a, b) => b.time - a.time);
  return fresh.find(({ size }) => size > 0) ?? fresh[0];
}

/** Ids of the containers that a static pod has had here: the kubelet links their logs as `POD-NODE_NAMESPACE_CONTAINER-ID.log`. */
export function staticPodContainers(namespace: string, mirrorPod: string): string[] {
  const prefix = `${mirrorPod}_${namespace}_`;
  return names(CONTAINER_LOGS).flatMap((name) =>
    name.startsWith(prefix) ? (/-([0-9a-f]{64})\.log$/.exec(name)?.[1] ?? []) : [],
  );
}

/** Whether a container of a static pod that runs now has logged something since it started. */
export function hasLogged(namespace: string, mirrorPod: string, what: RegExp): boolean {
  const running = runningContainers();
  const prefix = `${mirrorPod}_${namespace}_`;
  return names(CONTAINER_LOGS).some((name) => {
    const id = name.startsWith(prefix) ? /-([0-9a-f]{64})\.log$/.exec(name)?.[1] : undefined;
    return id !== undefined && running.has(id) && what.test(readQuietly(join(CONTAINER_LOGS, name)));
  });
}

function logFiles(directory: string): { path: string; time: number; size: number }[] {
  return names(directory).flatMap((name) => {
    try {
      const { mtimeMs, size } = statSync(join(directory, name));
      return name.endsWith(".log") ? [{ path: join(directory, name), time: mtimeMs, size }] : [];
    } catch {
      return []; // rotated away
    }
  });
}

/**
 * When a process was started: field 22 of /proc/PID/stat, in hundredths of a second since boot on every Linux that
 * Kubernetes runs on. It tells the process from a later one of the same number. Undefined where there is none.
 */
function startOf(pid: number | "self"): number | undefined {
  const stat = readQuietly(`/proc/${pid}/stat`);
  const field = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return field === undefined ? undefined : Number(field);
}

/** How long a process has run, in milliseconds. */
export function ageOf(pid: number): number {
  const started = startOf(pid) ?? Number.NaN;
  const uptime = Number(readQuietly("/proc/uptime").split(" ")[0]);
  return Math.max(0, uptime * 1000 - started * 10) || 0;
}

/** Ids of all processes that can be seen. */
export function processes(): number[] {
  return names("/proc").flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

/** The words of a process; empty for what has just gone. */
export function commandLine(pid: number): string[] {
  return readQuietly(`/proc/${pid}/cmdline`)
    .split("\0")
    .filter((word) => word !== "");
}
