/** Which of a node's files have changed since they were kept, as its shell finds out. */

/** The agent looks every 5 minutes, and a file is stored a moment after it was read. */
const KEPT_WITHIN_MS = 10 * 60_000;

/**
 * A command of a POSIX shell that prints the path of each file below `paths` that changed later; what is not there is
 * left out. It fails where `find` has no `-newermt`. `keptAt` is in milliseconds since the epoch.
 */
export function newerFiles(paths: readonly string[], keptAt: number): string {
  const since = new Date(keptAt + KEPT_WITHIN_MS).toISOString();
  const print = `find "$path" -type f -newermt ${since} -print || exit 1`;
  return `for path in ${paths.join(" ")}; do if [ -e "$path" ]; then ${print}; fi; done`;
}
