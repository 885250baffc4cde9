/**
 * Opens the directory that something is written into, when nobody but root, ourselves and the user that `sudo` was
 * called by can exchange a part of its path: as sshd checks the files that it trusts. All that is done in it then goes
 * by its descriptor (`/proc/self/fd/N`, which is what openat(2) would be), so that it stays that directory.
 */

import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { dirname, join, parse, resolve, sep } from "node:path";
import { defined } from "../../../errors/defined.ts";
import { MendError } from "../../../errors/errors.ts";
import { fromSystemError, systemCode } from "../../../errors/system-error.ts";
import { descriptorPath } from "../descriptor-path.ts";
import { isOursAlone } from "./ours-alone.ts";
import { showAs } from "./shown-path.ts";

export interface TrustedDirectory extends Disposable {
  /** Without links. What is named to the user. */
  readonly path: string;
  /** The same directory, whatever is done to its path. */
  readonly anchor: string;
}

export interface TrustOptions {
  /** Also refuse a directory that a group or everybody may write to, unless it is sticky: for files that others trust. */
  readonly strict?: boolean;
  /** Users that may own the directory itself besides: such as the one whose data is in it. */
  readonly alsoOwner?: (owner: number) => boolean;
  /**
   * Directories may belong to anybody, as those of a store may, whose contents are trusted no more than a bucket's; but no
   * link of theirs is followed out of it.
   */
  readonly anyOwner?: boolean;
}

const MOST_LINKS = 40;
const STICKY = 0o1000;
const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;

/** Throws `directory-untrusted`, with the part of the path and the reason, and what the system says. */
export function openTrustedDirectory(directory: string, options: TrustOptions = {}): TrustedDirectory {
  const { path, stat } = walk(resolve(directory), options);
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    throw fromSystemError(error, "open directory", path);
  }
  const opened = fstatSync(descriptor);
  if (opened.ino !== stat.ino || opened.dev !== stat.dev) {
    closeSync(descriptor);
    throw new MendError("directory-untrusted", `"${path}" was exchanged while it was opened`, { where: path });
  }
  return anchored(descriptor, path);
}

function anchored(descriptor: number, path: string): TrustedDirectory {
  const anchor = descriptorPath(descriptor) ?? path;
  const forget = showAs(anchor, path);
  return {
    path,
    anchor,
    [Symbol.dispose]() {
      forget();
      closeSync(descriptor);
    },
  };
}

/**
 * A directory that we have just made, in one that may be another user's: what is done in it then goes by its descriptor.
 * Throws `directory-untrusted` where something else has got its name meanwhile.
 */
export function openOwnDirectory(path: string): TrustedDirectory {
  const descriptor = ((): number => {
    try {
      return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    } catch (error) {
      throw fromSystemError(error, "open directory", path);
    }
  })();
  if (!isOursAlone(fstatSync(descriptor))) {
    closeSync(descriptor);
    throw untrusted(path, "it is not the one that was made");
  }
  return anchored(descriptor, path);
}

/** Follows the path part by part, links too, and judges each directory on the way. */
function walk(path: string, options: TrustOptions): { readonly path: string; readonly stat: Stats } {
  const { root } = parse(path);
  const partsOf = (whole: string): string[] =>
    whole
      .slice(parse(whole).root.length)
      .split(sep)
      .filter((part) => part !== "");
  const rest = partsOf(path);
  let at = root;
  let stat = look(at);
  let links = 0;
  judge(at, stat, rest.length === 0, options);
  while (rest.length > 0) {
    const next = join(at, defined(rest.shift()));
    const found = look(next);
    if (found.isSymbolicLink()) {
      // In a sticky directory anybody may make one.
      if (((stat.mode & STICKY) !== 0 || options.anyOwner === true) && !isTrusted(found.uid))
        throw untrusted(next, `the link belongs to ${userName(found.uid)}`);
      if (++links > MOST_LINKS) throw untrusted(path, "it has too many links");
      const target = resolve(dirname(next), readlinkSync(next));
      rest.unshift(...partsOf(target));
      at = parse(target).root;
      stat = look(at);
      continue;
    }
    if (!found.isDirectory()) throw new MendError("not-found", `"${next}" is not a directory`, { where: path });
    judge(next, found, rest.length === 0, options);
    at = next;
    stat = found;
  }
  return { path: at, stat };
}

function judge(path: string, { uid, gid, mode }: Stats, isLast: boolean, options: TrustOptions): void {
  const isOwnerKnown = options.anyOwner === true || isTrusted(uid) || (isLast && options.alsoOwner?.(uid) === true);
  if (!isOwnerKnown) throw untrusted(path, `it belongs to ${userName(uid)}`);
  if (options.strict !== true || (mode & STICKY) !== 0) return;
  if ((mode & OTHERS_WRITE) !== 0) throw untrusted(path, `everybody may write to it (mode ${octal(mode)})`);
  // The group of root, and one with the number of the owner, are theirs alone.
  if ((mode & GROUP_WRITES) !== 0 && gid !== 0 && gid !== uid)
    throw untrusted(path, `group ${gid} may write to it (mode ${octal(mode)})`);
}

/** Root's, ours, or that of the user who called `sudo`. */
function isTrusted(uid: number): boolean {
  const own = process.geteuid?.();
  if (own === undefined || uid === 0 || uid === own) return true;
  if (own === 0 && process.env.SUDO_UID === String(uid)) return true;
  return uid === UNMAPPED && isUserNamespace();
}

/** How a container's user namespace shows whoever is not of it: nobody in it can act as that. */
const UNMAPPED = 65534;

function isUserNamespace(): boolean {
  try {
    return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));
  } catch {
    return false;
  }
}

function untrusted(path: string, why: string): MendError {
  return new MendError("directory-untrusted", `"${path}" cannot be trusted: ${why}`, {
    where: path,
    hint: "write to a directory that only root or you can change, or correct its owner and mode",
  });
}

const userName = (uid: number): string => `user ${uid}`;
const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, "0");

function look(path: string): Stats {
  try {
    return lstatSync(path);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    throw fromSystemError(error, "open directory", path);
  }
}
