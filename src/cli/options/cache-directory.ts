/** Where kubemend keeps what can be made again at any time. */
import { isAbsolute, join } from "node:path";

/**
 * `KUBEMEND_CACHE` (a directory, or `off`), else `kubemend` in `XDG_CACHE_HOME`, else in `~/.cache`. Undefined where
 * nothing is to be kept, and where no home is known. Relative paths do not count, as the XDG base directory specification has it.
 */
export function cacheDirectory(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const { KUBEMEND_CACHE: own = "", XDG_CACHE_HOME: caches = "", HOME: home = "" } = env;
  if (own !== "") return isAbsolute(own) ? own : undefined;
  if (isAbsolute(caches)) return join(caches, "kubemend");
  return isAbsolute(home) ? join(home, ".cache", "kubemend") : undefined;
}
