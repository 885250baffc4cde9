/** This program as one file that can be carried to another machine. */
import { isSea } from "node:sea";

/** Its path where it runs as the single executable file; undefined where Node runs it from its sources or from `dist`. */
export function ownExecutable(): string | undefined {
  return isSea() ? process.execPath : undefined;
}
