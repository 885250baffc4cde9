/** Reads of what may go away at any moment, such as a process: nothing is an answer. */
import { readdirSync, readFileSync } from "node:fs";

/** The entries of a directory; none where there is no such directory. */
export function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Empty for what has just gone. */
export function readQuietly(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
