/** As whom, and by which Node, this process runs. */
import { readFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";

/** `v26.1.0`. */
export function nodeVersion(): string {
  return process.version;
}

export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** The one who runs this, as far as the system knows. */
export interface WhoRuns {
  readonly host: string;
  readonly pid: number;
  readonly uid?: number;
  readonly user?: string;
  /** Who called sudo. */
  readonly sudoUser?: string;
  /** Who logged in, whichever user it became then (`/proc/self/loginuid`). */
  readonly loginUid?: number;
  /** NAMESPACE/NAME, by the downward API. */
  readonly pod?: string;
}

export function whoRuns(env: Readonly<Record<string, string | undefined>>): WhoRuns {
  const { SUDO_USER: sudoUser, POD_NAMESPACE: namespace, POD_NAME: pod } = env;
  const uid = process.geteuid?.();
  const user = ownName();
  const loginUid = loginUser();
  return {
    host: hostname(),
    pid: process.pid,
    ...(uid !== undefined && { uid }),
    ...(user !== undefined && { user }),
    ...(sudoUser && { sudoUser }),
    ...(loginUid !== undefined && { loginUid }),
    ...(pod && { pod: namespace ? `${namespace}/${pod}` : pod }),
  };
}

/** Undefined for a number that has no name. */
function ownName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

/** Undefined where nobody has logged in, as for a service, and where the system does not say. */
function loginUser(): number | undefined {
  try {
    const uid = Number(readFileSync("/proc/self/loginuid", "utf8"));
    return uid === NOBODY_LOGGED_IN ? undefined : uid;
  } catch {
    return undefined;
  }
}

/** Source: `pam_loginuid(8)`, the kernel's AUDIT_UID_UNSET. */
const NOBODY_LOGGED_IN = 0xffff_ffff;

/** Undefined where the system has no such numbers. */
export function ownUid(): number | undefined {
  return process.geteuid?.();
}

/** Whom files belong to that this process makes; 0 and 0 where the system has no such numbers. */
export function ownOwner(): { readonly uid: number; readonly gid: number } {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
}

/** Whom a new file of ours belongs to: only root may give files away. */
export function newOwner(wanted: { readonly uid: number; readonly gid: number }): {
  readonly uid: number;
  readonly gid: number;
} {
  if (isRoot()) return wanted;
  return { uid: process.geteuid?.() ?? wanted.uid, gid: process.getegid?.() ?? wanted.gid };
}
