/** On what kind of file system a path lies. */
import { readFileSync, realpathSync } from "node:fs";
import { parseMountTable } from "../../nodes/mount-table.ts";

/** Such as `ext4` or `nfs4`; undefined where it cannot be learned, as outside of Linux. */
export function fileSystemType(path: string): string | undefined {
  try {
    const real = realpathSync(path);
    const holding = parseMountTable(readFileSync("/proc/self/mountinfo", "utf8")).filter(
      ({ point }) => point === "/" || real === point || real.startsWith(`${point}/`),
    );
    // The innermost, and of those on one place the newest.
    return holding.reduce((best, each) => (each.point.length >= best.point.length ? each : best)).type;
  } catch {
    return undefined;
  }
}
