/** As whom, and by which Node, this process runs. */

/** `v26.1.0`. */
export function nodeVersion(): string {
  return process.version;
}

export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

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
