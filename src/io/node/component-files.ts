/** Files that a component's flags name: its container may see them at another place than this machine does. */
import { existsSync } from "node:fs";
import { join } from "node:path";

/** The path on this machine, else through the component's process; undefined where neither is there. */
export function reachableFile(path: string, pid: number | undefined): string | undefined {
  const inside = pid === undefined ? undefined : join(`/proc/${pid}/root`, path);
  // Its own view counts first where it has another: a container's /etc/kubernetes need not be the machine's.
  if (inside !== undefined && existsSync(inside) && !existsSync(path)) return inside;
  return existsSync(path) ? path : undefined;
}
