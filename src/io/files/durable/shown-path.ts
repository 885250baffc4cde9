/** Paths by descriptor (`/proc/self/fd/9/new`) as the user knows them: for messages. */
import { defined } from "../../../errors/defined.ts";

const known = new Map<string, string>();

/** Until the returned function is called, `anchor` and what is below it are shown as `path`. */
export function showAs(anchor: string, path: string): () => void {
  if (anchor === path) return () => {};
  known.set(anchor, path);
  return () => known.delete(anchor);
}

export function shownPath(path: string): string {
  const anchor = /^\/proc\/self\/fd\/\d+/.exec(path)?.[0];
  const shown = anchor === undefined ? undefined : known.get(anchor);
  return shown === undefined ? path : shown + path.slice(defined(anchor).length);
}
