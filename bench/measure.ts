/** Runs a program and says what it cost: wall time by our own clock, CPU time and peak memory by GNU time, which asks the kernel. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Cost {
  readonly wallSeconds: number;
  /** User and system; NaN where GNU time is missing. */
  readonly cpuSeconds: number;
  /** MiB; NaN where GNU time is missing. */
  readonly peakMemory: number;
}

const TIME = "/usr/bin/time";

/** The run with the shortest wall time of `runs`, or what went wrong. Output is thrown away. `before` is not measured. */
export function measure(command: readonly string[], runs: number, before: () => void = () => {}): Cost | string {
  let best: Cost | undefined;
  for (let i = 0; i < runs; i++) {
    before();
    const cost = once(command);
    if (typeof cost === "string") return cost;
    if (best === undefined || cost.wallSeconds < best.wallSeconds) best = cost;
  }
  return best ?? "not run";
}

function once(command: readonly string[]): Cost | string {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-bench-"));
  try {
    const report = join(directory, "time");
    const timed = existsSync(TIME) ? [TIME, "-q", "-o", report, "-f", "%U %S %M", ...command] : command;
    const start = performance.now();
    const { status, stderr, error } = spawnSync(timed[0]!, timed.slice(1), {
      stdio: ["ignore", "ignore", "pipe"],
      encoding: "utf8",
    });
    const wallSeconds = (performance.now() - start) / 1000;
    if (error !== undefined) return error.message;
    if (status !== 0) return `exit code ${status}: ${stderr.trim().split("\n")[0] ?? ""}`;
    if (timed === command) return { wallSeconds, cpuSeconds: Number.NaN, peakMemory: Number.NaN };
    const [user, system, kibibytes] = readFileSync(report, "utf8").trim().split(" ").map(Number);
    return { wallSeconds, cpuSeconds: user! + system!, peakMemory: kibibytes! / 1024 };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
