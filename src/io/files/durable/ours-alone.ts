/** Everything is, where the system has no users by number. */
export function isOursOrRoots(uid: number): boolean {
  const own = process.geteuid?.();
  return own === undefined || uid === 0 || uid === own;
}

/** Whether a file or a directory is ours alone: neither the user of `sudo` nor a group may have put something there. */
export function isOursAlone(stat: { readonly uid: number; readonly mode: number }): boolean {
  return stat.uid === process.geteuid?.() && (stat.mode & 0o077) === 0;
}
