/**
 * Something that a run writes: a file or a directory that is to have its name when it is whole. While it is open it is
 * locked by the kernel against another run, also of another container that shares nothing but the disk, and the
 * directory that it lies in cannot be exchanged.
 */
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statfsSync,
  statSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { MendError } from "../../../errors/errors.ts";
import { fromSystemError, systemCode } from "../../../errors/system-error.ts";
import { parseMountTable } from "../../../nodes/mount-table.ts";
import { descriptorPath } from "../descriptor-path.ts";
import { type HeldLock, type LockHolder, removeDeadLocks, takeLockFile } from "./lock-file.ts";
import { openTrustedDirectory, type TrustedDirectory, type TrustOptions } from "./trusted-directory.ts";

export interface TargetOptions extends TrustOptions {
  /** Who writes, such as `snapshot restore`: another run names it. */
  readonly command: string;
  /**
   * `tree`: many files, which another run must not touch meanwhile: refused where there is no lock. `file`: one, which
   * a rename gives its name in any case.
   */
  readonly kind: "file" | "tree";
  /**
   * When this run began, in milliseconds since the epoch: what has come to a directory since is another run's, which
   * began at about the same time.
   */
  readonly startedAt?: number;
  /** Write to where a link at the path leads, instead of replacing the link. */
  readonly followLinks?: boolean;
}

export interface Target extends Disposable {
  /** Absolute, without links but perhaps the last part. For messages. */
  readonly path: string;
  readonly name: string;
  readonly parent: TrustedDirectory;
  /** The path of the target by its parent's descriptor; with a name, that of a neighbour. */
  at(name?: string): string;
}

const LOCK_INSIDE = ".kubemend-lock";
const MOST_LINKS = 40;

/** Whether a name in a directory is of a lock or of something staged, and so no content. */
export function isOwnName(name: string): boolean {
  return name === LOCK_INSIDE || /^\..*\.kubemend-(lock|[0-9a-f]{16})$/.test(name);
}

/**
 * Throws `target-locked` while another run writes it, `directory-untrusted`, and `unsupported` for a tree where nothing
 * can be locked. The parent must exist.
 */
export function openTarget(path: string, options: TargetOptions): Target {
  const { parent, name } = find(path, options);
  const locks: HeldLock[] = [];
  const close = (): void => {
    for (const lock of locks.splice(0).reverse()) lock.release();
    parent[Symbol.dispose]();
  };
  try {
    const target: Target = {
      path: join(parent.path, name),
      name,
      parent,
      at: (neighbour = name) => join(parent.anchor, neighbour),
      [Symbol.dispose]: close,
    };
    lock(target, options, locks);
    removeDeadLocks(parent.anchor);
    return target;
  } catch (error) {
    close();
    throw error;
  }
}

function find(path: string, options: TargetOptions): { readonly parent: TrustedDirectory; readonly name: string } {
  let at = resolve(path);
  for (let links = 0; links < MOST_LINKS; links++) {
    const parent = openTrustedDirectory(dirname(at), options);
    const name = basename(at);
    try {
      const found = lstatSync(join(parent.anchor, name), { throwIfNoEntry: false });
      if (options.followLinks !== true || found?.isSymbolicLink() !== true) return { parent, name };
      at = resolve(parent.path, readlinkSync(join(parent.anchor, name)));
    } catch (error) {
      parent[Symbol.dispose]();
      throw fromSystemError(error, "look at", at);
    }
    parent[Symbol.dispose]();
  }
  throw new MendError("io", `"${path}" leads through too many links`, { where: path });
}

/**
 * The file lies beside the target. But one container may see as a mount point what another sees as a plain directory,
 * and then they have no other directory in common: so a directory that is there is locked by a file in it as well. Not
 * the directory itself: whoever may read it could hold that.
 */
function lock(target: Target, options: TargetOptions, locks: HeldLock[]): void {
  const isDirectory = (): boolean => lstatSync(target.at(), { throwIfNoEntry: false })?.isDirectory() === true;
  const isMounted = isDirectory() && isMountPoint(target.path);
  const take = (path: string): void => {
    if (options.kind === "tree") refuseRemote(target, dirname(path));
    const result = takeLockFile(path, target.path, options.command);
    if (result.state === "others") throw locked(target, result.holder, result.owner);
    if (result.state === "ours") locks.push(result.lock);
    else if (options.kind === "tree" && process.platform === "linux") throw noLocks(target);
  };
  if (!isMounted) take(target.at(`.${target.name}.kubemend-lock`));
  if (!isDirectory()) return;
  if (options.startedAt !== undefined && lstatSync(target.at()).ctimeMs > options.startedAt) throw changed(target);
  // By its descriptor: it may have another name when the lock is given back.
  const descriptor = openDirectory(target);
  locks.push({ release: () => closeSync(descriptor) });
  take(join(descriptorPath(descriptor) ?? target.path, LOCK_INSIDE));
}

function openDirectory(target: Target): number {
  try {
    return openSync(target.at(), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    throw fromSystemError(error, "lock", target.path);
  }
}

function locked(target: Target, holder: LockHolder | undefined, owner: number | undefined): MendError {
  const by =
    holder === undefined
      ? `another run${owner === undefined || owner === process.geteuid?.() ? "" : ` of user ${owner}`}`
      : `process ${holder.pid} on "${holder.host}" (kubemend ${holder.command}), since ${holder.since}`;
  return new MendError("target-locked", `"${target.path}" is being written by ${by}`, {
    where: target.path,
    hint: "wait until it has ended, or end it, then run this again",
  });
}

function changed(target: Target): MendError {
  return new MendError("target-locked", `"${target.path}" was changed by another run after this one had begun`, {
    where: target.path,
    hint: "look at what is there now, then run this again if it is still to be replaced",
  });
}

function noLocks(target: Target): MendError {
  return new MendError("unsupported", `"${target.path}" cannot be locked against another run`, {
    where: target.path,
    hint: "use kubemend's executable or Node 26, install util-linux (the program flock), or choose a directory on a local disk",
  });
}

/** Types of file systems that other machines share, whose locks they may not see (statfs(2), f_type). */
const REMOTE: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "SMB"],
  [0xfe534d42, "SMB"],
  [0x01021997, "9P"],
  [0x5346414f, "AFS"],
  [0x00c36400, "Ceph"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
  [0x73757245, "Coda"],
]);

/** The name of a file system whose locks other machines may not see; undefined for others. `type` is statfs(2)'s. */
export function remoteFileSystem(type: number): string | undefined {
  return REMOTE.get(type >>> 0);
}

function refuseRemote(target: Target, directory: string): void {
  const name = process.platform === "linux" ? remoteFileSystem(statfsSync(directory).type) : undefined;
  if (name === undefined) return;
  throw new MendError(
    "unsupported",
    `"${target.path}" is on ${name}, where another machine may not see that it is locked`,
    {
      where: target.path,
      hint: "choose a directory on a local disk, and copy the result",
    },
  );
}

/** Also of a directory of the same file system (a bind mount). */
export function isMountPoint(path: string): boolean {
  const real = realpathSync(path);
  if (real === "/" || statSync(real).dev !== statSync(dirname(real)).dev) return true;
  return mountPoints().includes(real);
}

function mountPoints(): string[] {
  try {
    return parseMountTable(readFileSync("/proc/self/mountinfo", "utf8")).map(({ point }) => point);
  } catch (error) {
    if (systemCode(error) !== undefined) return [];
    throw error;
  }
}
