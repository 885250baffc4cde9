/**
 * A path that leads to what a descriptor of this process is open on, whatever its name is by now: only Linux has one,
 * and only with `/proc`.
 */
import { existsSync } from "node:fs";

/** Undefined where there is none: whoever needs it then has the descriptor, or the name. */
export function descriptorPath(descriptor: number): string | undefined {
  if (process.platform !== "linux") return undefined;
  const path = `/proc/self/fd/${descriptor}`;
  return existsSync(path) ? path : undefined;
}
