/** Runs a program and says what it cost: wall time by our own clock, CPU time and peak memory by GNU time, which asks the kernel. */
import { spawn, spawnSync } from "node:child_process";
import { once as next } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
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
    const [program, ...words] = underTime(command, directory);
    const start = performance.now();
    const { status, stderr, error } = spawnSync(program!, words, {
      stdio: ["ignore", "ignore", "pipe"],
      encoding: "utf8",
    });
    const wallSeconds = (performance.now() - start) / 1000;
    if (error !== undefined) return error.message;
    if (status !== 0) return `exit code ${status}: ${stderr.trim().split("\n")[0] ?? ""}`;
    return { wallSeconds, ...reported(directory) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/**
 * One run of a program while this process goes on, which plays a part of what is measured. `stdout` is a file that gets
 * what it prints; thrown away unless told.
 */
export async function measureMeanwhile(command: readonly string[], stdout = "/dev/null"): Promise<Cost | string> {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-bench-"));
  const output = openSync(stdout, "w");
  try {
    const [program, ...words] = underTime(command, directory);
    const start = performance.now();
    const child = spawn(program!, words, { stdio: ["ignore", output, "pipe"] });
    const stderr: Buffer[] = [];
    child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
    const [code] = (await next(child, "close")) as [number | null];
    const wallSeconds = (performance.now() - start) / 1000;
    if (code !== 0) return `exit code ${code}: ${Buffer.concat(stderr).toString().trim().split("\n").at(-1) ?? ""}`;
    return { wallSeconds, ...reported(directory) };
  } finally {
    closeSync(output);
    rmSync(directory, { recursive: true });
  }
}

function underTime(command: readonly string[], directory: string): readonly string[] {
  return existsSync(TIME) ? [TIME, "-q", "-o", join(directory, "time"), "-f", "%U %S %M", ...command] : command;
}

function reported(directory: string): Pick<Cost, "cpuSeconds" | "peakMemory"> {
  if (!existsSync(TIME)) return { cpuSeconds: Number.NaN, peakMemory: Number.NaN };
  const [user, system, kibibytes] = readFileSync(join(directory, "time"), "utf8").trim().split(" ").map(Number);
  return { cpuSeconds: user! + system!, peakMemory: kibibytes! / 1024 };
}
