/** What is recorded of files: those that got or lost their names, and not what is put together before that. */
import { basename, dirname, sep } from "node:path";
import { recordChange } from "../../audit/audit-trail.ts";
import { shownPath } from "./shown-path.ts";
import { temporaryDirectories } from "./temporary-directory.ts";

/**
 * Names of what a run stages, locks, or keeps until it is done: `.NAME.kubemend-RANDOM`, `.NAME.kubemend`, `NAME.draft`,
 * `NAME.part`, `NAME.partial`.
 */
const OWN_NAME = /\.(?:draft|part|partial)$/;
/** Of a file, and of a directory with all that is in it. */
const OWN_TREE = /^\.(?:.*\.?kubemend\b.*|.*\.partial-[0-9a-f]+)$/;

export function recordFileChange(action: "create" | "write" | "remove", path: string): void {
  const target = shownPath(path);
  if (!isOwnWork(target)) recordChange({ action, target });
}

/** What was staged is written by it; what had a name is moved. */
export function recordRename(from: string, to: string): void {
  const [source, target] = [shownPath(from), shownPath(to)];
  if (!isOwnWork(target)) recordChange({ action: "write", target, ...(isOwnWork(source) ? {} : { from: source }) });
  else if (!isOwnWork(source)) recordChange({ action: "move aside", target: source });
}

function isOwnWork(path: string): boolean {
  if (OWN_NAME.test(basename(path)) || path.split("/").some((name) => OWN_TREE.test(name))) return true;
  for (let at = dirname(path); at.includes(sep) && at !== dirname(at); at = dirname(at)) {
    if (temporaryDirectories.has(at)) return true;
  }
  return false;
}
