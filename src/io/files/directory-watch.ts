/** Tells when a file comes, goes or changes in some directories (inotify). Hidden files, which are what is being written, do not count. */
import { type FSWatcher, watch } from "node:fs";
import { fromSystemError } from "../../errors/system-error.ts";

/** `changed` gets an error when a directory can be watched no more. */
export function watchDirectories(paths: readonly string[], changed: (error?: unknown) => void): { close(): void } {
  const watchers: FSWatcher[] = [];
  for (const path of paths) {
    try {
      const watcher = watch(path, (_, name) => {
        if (typeof name !== "string" || !name.startsWith(".")) changed();
      });
      watcher.on("error", (error) => changed(fromSystemError(error, "watch", path)));
      watchers.push(watcher);
    } catch (error) {
      for (const watcher of watchers) watcher.close();
      throw fromSystemError(error, "watch", path);
    }
  }
  return {
    close() {
      for (const watcher of watchers) watcher.close();
    },
  };
}
