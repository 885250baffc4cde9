/**
 * Who uses an etcd data dir or WAL dir: processes of this machine that have it open or on their command line, and
 * static pod manifests that mount it.
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { basename, join, resolve, sep } from "node:path";

export const STATIC_POD_DIRECTORY = "/etc/kubernetes/manifests";

export interface DataDirUser {
  readonly kind: "process" | "manifest";
  /** Such as `etcd (process 812)` or the manifest's path. */
  readonly name: string;
  /** Of a process. */
  readonly pid?: number;
  /** What to do about it, in the imperative. */
  readonly stop: string;
}

/** Processes of other users are seen as far as the system shows them. Never throws. */
export function findDataDirUsers(dataDir: string, manifests = STATIC_POD_DIRECTORY): DataDirUser[] {
  const path = realPath(dataDir);
  const users: DataDirUser[] = [];
  for (const pid of list("/proc").filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    const words = text(`/proc/${pid}/cmdline`)
      .split("\0")
      .filter((word) => word !== "");
    if (opensFileIn(pid, path) || isEtcdOn(words, path)) {
      const name = `${basename(words[0] ?? "process")} (process ${pid})`;
      users.push({ kind: "process", name, pid: Number(pid), stop: `stop process ${pid}` });
    }
  }
  for (const file of list(manifests).filter((name) => /\.(ya?ml|json)$/.test(name) && !name.startsWith("."))) {
    const manifest = join(manifests, file);
    if (!mentions(text(manifest), path)) continue;
    users.push({
      kind: "manifest",
      name: `static pod manifest "${manifest}"`,
      stop: `move "${manifest}" out of that directory`,
    });
  }
  return users;
}

/** What to stop, as a hint. */
export function stopHint(users: readonly DataDirUser[]): string {
  // The kubelet starts a static pod again, so its manifest comes first.
  const ordered = [...users].sort((a, b) => (a.kind === b.kind ? 0 : a.kind === "manifest" ? -1 : 1));
  return `${ordered.map((user) => user.stop).join(", then ")}, then run this again`;
}

function opensFileIn(pid: string, path: string): boolean {
  return list(`/proc/${pid}/fd`).some((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(path + sep);
    } catch {
      return false; // closed meanwhile
    }
  });
}

/** An etcd that is starting has opened nothing yet. */
function isEtcdOn(words: readonly string[], path: string): boolean {
  if (!/^etcd/.test(basename(words[0] ?? ""))) return false;
  return words.some((word, i) => {
    const flag = /^--?(?:data|wal)-dir(?:=(.*))?$/s.exec(word);
    const value = flag?.[1] ?? (flag === null ? undefined : words[i + 1]);
    return value !== undefined && realPath(value) === path;
  });
}

function mentions(manifest: string, path: string): boolean {
  const at = manifest.indexOf(path);
  return at >= 0 && !/[\w.-]/.test(manifest.charAt(at + path.length));
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // gone, or not ours to see
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
