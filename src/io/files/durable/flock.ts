/**
 * An exclusive flock(2) on an open file. Node has no function for it, so it is called by `node:ffi` (Node 26 and newer,
 * the executable too), else by the program `flock` of util-linux or BusyBox: the lock belongs to the open file
 * description that the child inherits, so it is ours after the child has ended. The kernel keeps it until our
 * descriptor is closed, however this process ends, and it holds between containers, because it is the file's and not a
 * process id's.
 */
import { spawnSync } from "node:child_process";

/** `ours`: taken. `others`: somebody else has it. `unsupported`: there is no way to take one here. */
export type LockAttempt = "ours" | "others" | "unsupported";

/** Of <sys/file.h>. */
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

type Flock = (descriptor: number, operation: number) => number;

interface ForeignFunctions {
  dlopen(
    path: null,
    definitions: { readonly flock: { readonly arguments: readonly string[]; readonly return: string } },
  ): { readonly functions: { readonly flock: Flock } };
}

/** Takes the lock if it is free, and does not wait. */
export function tryLock(descriptor: number, flock: Flock | null = nativeFlock()): LockAttempt {
  if (process.platform !== "linux") return "unsupported";
  return flock === null ? tryByProgram(descriptor) : tryByCall(descriptor, flock);
}

/** The error number is lost on the way back. What a file system without locks refuses as well is to give a lock back. */
function tryByCall(descriptor: number, flock: Flock): LockAttempt {
  if (flock(descriptor, LOCK_EX | LOCK_NB) === 0) return "ours";
  return flock(descriptor, LOCK_UN) === 0 ? "others" : "unsupported";
}

/** The child's descriptor 3 is ours. It ends with 1 where the lock is taken, and with another code for everything else (flock(1)). */
function tryByProgram(descriptor: number): LockAttempt {
  const { status } = spawnSync("flock", ["-n", "3"], { stdio: ["ignore", "ignore", "ignore", descriptor] });
  return status === 0 ? "ours" : status === 1 ? "others" : "unsupported";
}

let native: Flock | null | undefined;

/** Null where `node:ffi` is not there. */
export function nativeFlock(): Flock | null {
  if (native === undefined) native = loadFlock();
  return native;
}

function loadFlock(): Flock | null {
  if (process.platform !== "linux") return null;
  const { emitWarning } = process;
  try {
    process.emitWarning = () => {}; // that the module is experimental: there is another way where it fails
    const ffi = process.getBuiltinModule("node:ffi") as ForeignFunctions | undefined;
    const definition = { arguments: ["int32", "int32"], return: "int32" };
    return ffi?.dlopen(null, { flock: definition }).functions.flock ?? null;
  } catch {
    return null; // a Node that was built without it, or has it changed
  } finally {
    process.emitWarning = emitWarning;
  }
}
