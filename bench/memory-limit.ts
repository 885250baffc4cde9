/** A group of processes that may use so much memory and no more, pages of files included. Linux, as root. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface MemoryLimit {
  /** What to start a program with, so that it is in the group. */
  readonly command: readonly string[];
  /** What the group has used at most, in bytes, and how many of its processes were killed for want of memory. */
  read(): { readonly peak: number; readonly killed: number };
  /** Once no process is in it. */
  remove(): void;
}

/** The memory controller of cgroup v1, or the folder of v2. */
const V1 = "/sys/fs/cgroup/memory";
const V2 = "/sys/fs/cgroup";

export function limitMemory(bytes: number): MemoryLimit {
  const isV1 = existsSync(join(V1, "memory.limit_in_bytes"));
  const directory = join(isV1 ? V1 : V2, `kubemend-bench-${process.pid}`);
  mkdirSync(directory);
  writeFileSync(join(directory, isV1 ? "memory.limit_in_bytes" : "memory.max"), String(bytes));
  const read = (name: string): string => readFileSync(join(directory, name), "utf8");
  const killed = (text: string): number => Number(/^oom_kill (\d+)/m.exec(text)?.[1] ?? 0);
  return {
    command: ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', join(directory, "cgroup.procs")],
    read: () =>
      isV1
        ? { peak: Number(read("memory.max_usage_in_bytes")), killed: killed(read("memory.oom_control")) }
        : { peak: Number(read("memory.peak")), killed: killed(read("memory.events")) },
    remove: () => rmdirSync(directory),
  };
}
