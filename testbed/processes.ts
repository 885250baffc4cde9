/** The programs of a bed: started in their namespaces, logged to a file, found again by their environment, and ended as a group. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The variable that marks a process as a bed's, inherited by all it starts. */
const BED_VARIABLE = "KUBEMEND_TESTBED_ID";
/** The variable that says which of the bed's programs it is. */
const NAME_VARIABLE = "KUBEMEND_TESTBED_PROCESS";

/** A process that cannot be mistaken for a later one with the same id. */
export interface ProcessIdentity {
  readonly pid: number;
  /** In clock ticks since boot: field 22 of /proc/PID/stat. */
  readonly startTime: string;
}

export function processIdentity(pid: number): ProcessIdentity | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : { pid, startTime: fields[19] ?? "" };
  } catch {
    return null;
  }
}

export function isSameProcess(identity: ProcessIdentity): boolean {
  return processIdentity(identity.pid)?.startTime === identity.startTime;
}

/** A running process of a bed, as /proc tells. */
export interface MarkedProcess {
  readonly pid: number;
  readonly bed: string;
  readonly name: string;
}

/** Every process on the machine that carries a bed's mark. */
export function markedProcesses(bed?: string): MarkedProcess[] {
  const found: MarkedProcess[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    let variables: string[];
    try {
      variables = readFileSync(`/proc/${entry}/environ`, "utf8").split("\0");
    } catch {
      continue; // it has just ended
    }
    const value = (name: string) => variables.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
    const id = value(BED_VARIABLE);
    if (id === undefined || (bed !== undefined && id !== bed)) continue;
    found.push({ pid: Number(entry), bed: id, name: value(NAME_VARIABLE) ?? "" });
  }
  return found;
}

/** The process that started it, or has adopted it; 0 where it has ended. */
export function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return 0;
  }
}

/** The direct children of a process. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

export interface StartRequest {
  readonly name: string;
  readonly bed: string;
  /** The words that lead into the namespaces, ending before the program. */
  readonly enter: readonly string[];
  readonly command: readonly string[];
  /** Start it again a second after it ends, as systemd does. */
  readonly restart: boolean;
  readonly log: string;
}

/** A program that was started and is expected to stay. */
export class BedProcess {
  readonly name: string;
  readonly pid: number;
  readonly log: string;
  readonly #child: ChildProcess;

  constructor(name: string, child: ChildProcess, log: string) {
    this.name = name;
    this.pid = child.pid ?? 0;
    this.log = log;
    this.#child = child;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The last lines that it printed. */
  lastLines(count = 15): string {
    return readFileSync(this.log, "utf8").trimEnd().split("\n").slice(-count).join("\n");
  }

  /** Sends a signal to it and all that it started. */
  signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // it has ended already
    }
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended();
  }

  /** Asks it to end, and ends it when it has not after `seconds`. */
  async stop(seconds = 10): Promise<void> {
    this.signal("SIGTERM");
    await Promise.race([this.ended(), sleep(seconds * 1000, undefined, { ref: false })]);
    if (this.running) await this.kill();
  }

  async ended(): Promise<void> {
    if (!this.running) return;
    this.#child.ref(); // somebody waits for it, so this process must not end
    await once(this.#child, "exit");
  }
}

const RESTART = 'while :; do "$@"; echo "testbed: ended with $?, starting it again" >&2; sleep 1; done';

export function startProcess(request: StartRequest): BedProcess {
  mkdirSync(dirname(request.log), { recursive: true });
  const log = openSync(request.log, "a");
  const program = request.restart ? ["sh", "-c", RESTART, "sh", ...request.command] : request.command;
  const [file, ...args] = [...request.enter, ...program];
  const child = spawn(file!, args, {
    detached: true, // a group of its own: Ctrl-C in the terminal must not reach it before the bed is removed in order
    stdio: ["ignore", log, log],
    env: markedEnvironment(request.bed, request.name),
  });
  child.on("error", () => {}); // shows as a process that does not run
  child.unref();
  closeSync(log);
  return new BedProcess(request.name, child, request.log);
}

/** What programs of a bed see of the environment: nothing of the developer's but the search path. */
export function markedEnvironment(bed: string, name: string): Record<string, string> {
  return {
    PATH: `/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: "/root",
    LANG: "C.UTF-8",
    [BED_VARIABLE]: bed,
    [NAME_VARIABLE]: name,
  };
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutSeconds?: number;
  readonly signal?: AbortSignal;
}

/** Marks a program that is run to its end, so that it goes when its bed is removed. */
export function marked(bed: string, options: RunOptions): RunOptions {
  return { ...options, env: { [BED_VARIABLE]: bed, [NAME_VARIABLE]: "run", ...options.env } };
}

/** How a program that was run to its end came out. */
export interface RunResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. Never throws for its exit code: a test may want the failure. */
export async function runForResult(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [file, ...args] = command;
  const child = spawn(file!, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    detached: true, // a group, because a program that enters namespaces leaves another process outside
  });
  const end = () => {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  };
  const timer = setTimeout(end, (options.timeoutSeconds ?? 120) * 1000);
  options.signal?.addEventListener("abort", end);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on("error", () => {}); // it ended without reading everything
  child.stdin.end(options.input ?? "");
  const [code, signal] = (await once(child, "close").finally(() => {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", end);
  })) as [number | null, NodeJS.Signals | null];
  const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString("utf8");
  return { code, signal, stdout: text(stdout), stderr: text(stderr) };
}

/** Runs a program to its end and returns what it printed; throws with its stderr when it failed. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, signal, stdout, stderr } = await runForResult(command, options);
  if (code !== 0) {
    throw new Error(`"${command.join(" ")}" ended with ${code ?? signal}: ${(stderr || stdout).trim()}`);
  }
  return stdout;
}
