/**
 * Other machines by the system's own `ssh`, with the user's configuration, keys and agent. A command runs there as
 * root: as it is for root, by `sudo -n` for others. Nothing is asked on the terminal (`BatchMode`), and a connection
 * that dies is noticed within half a minute.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { MendError } from "../../errors/errors.ts";

export interface SshOptions {
  /** Words of the program, such as `["ssh"]` or `["ssh", "-F", "FILE"]`. */
  readonly program: readonly string[];
  /** Undefined for whom the configuration of ssh names. */
  readonly user: string | undefined;
}

export interface RemoteRun {
  /** Written to stdin, which is closed then. */
  readonly input: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Each line of stdout, or where all of it goes as it is. */
  readonly output: ((line: string) => void) | NodeJS.WritableStream;
  readonly signal: AbortSignal;
  /** How long the command may take, in milliseconds; no limit unless given. */
  readonly timeoutMs?: number;
}

const KEEP_ALIVE = [
  "-o",
  "BatchMode=yes",
  "-o",
  "ConnectTimeout=10",
  "-o",
  "ServerAliveInterval=5",
  "-o",
  "ServerAliveCountMax=5",
];
/** A program that was asked to end and has not by then is ended. */
const DEAF_MS = 2000;
/** Longer than any answer of a step. */
const LONGEST_LINE = 64 << 20;
/** OpenSSH's own failures end with this. */
const SSH_FAILED = 255;

/**
 * Runs a command of the remote shell to its end. Throws `ssh-failed` with what ssh or the command said last, and `timeout`. Once it
 * is interrupted nothing is waited for: neither a program that does not end, nor what it has started.
 */
export async function runRemote(
  host: string,
  command: readonly string[],
  { program, user }: SshOptions,
  { input, output, signal: interruption, timeoutMs }: RemoteRun,
): Promise<void> {
  interruption.throwIfAborted();
  const deadline = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const ends = new AbortController();
  const signal = AbortSignal.any([interruption, ends.signal, ...(deadline === undefined ? [] : [deadline])]);
  const target = user === undefined ? host : `${user}@${host}`;
  const asRoot = user === undefined || user === "root" ? command : ["sudo", "-n", ...command];
  const words = [...program.slice(1), ...KEEP_ALIVE, target, "--", asRoot.map(quote).join(" ")];
  const child = spawn(program[0] ?? "ssh", words, { stdio: ["pipe", "pipe", "pipe"] });
  const aborted = new Promise<"aborted">((resolve) => {
    signal.addEventListener("abort", () => resolve("aborted"), { once: true });
  });
  const failed = new Promise<Error>((resolve) => child.once("error", resolve));
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000);
  });
  const outputEnd = deliver(child.stdout, output, (error) => ends.abort(error));
  outputEnd.catch(() => {}); // where nobody waits for it any more
  const ended = once(child, "close") as Promise<[number | null]>;
  try {
    child.stdin.on("error", () => {}); // an end of the far side shows in its exit code
    const writing = write(child.stdin, input);
    writing.catch(() => {});
    const result = await Promise.race([ended, failed, aborted]);
    interruption.throwIfAborted();
    if (deadline?.aborted) throw late(target, timeoutMs);
    if (result === "aborted") throw ends.signal.reason;
    if (result instanceof Error) {
      throw new MendError("ssh-failed", `cannot run "${program[0]}": ${result.message}`, {
        hint: "install an ssh client, or use kubemend cluster bundle and apply",
        cause: result,
      });
    }
    // What is not written by then, nobody reads any more.
    await Promise.all([Promise.race([writing, ended]), outputEnd]);
    const [code] = result;
    if (code === 0) return;
    const last = errors.trim().split("\n").slice(-3).join(" / ");
    const what = code === SSH_FAILED ? `no connection to ${target}` : `the command on ${target} ended with ${code}`;
    throw new MendError("ssh-failed", `${what}${last === "" ? "" : `: ${last}`}`, {
      where: target,
      hint: `try it by hand: ${[...program, target].join(" ")} true`,
    });
  } finally {
    if (signal.aborted) endNow(child);
    else child.kill("SIGTERM");
  }
}

function late(target: string, timeoutMs = 0): MendError {
  return new MendError("timeout", `the command on ${target} has not ended after ${timeoutMs / 1000} s`, {
    where: target,
    hint: "see what that machine waits for: its disk, a mount of the network, sudo",
  });
}

/** Its pipes are closed here, because what it has started may hold their other ends. */
function endNow(child: ChildProcess): void {
  child.kill("SIGTERM");
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
  const timer = setTimeout(() => child.kill("SIGKILL"), DEAF_MS);
  child.once("exit", () => clearTimeout(timer));
  child.unref();
}

function deliver(stdout: Readable, output: RemoteRun["output"], fail: (error: MendError) => void): Promise<unknown> {
  if (typeof output !== "function") return forward(stdout, output);
  const lines = createInterface({ input: limitLines(stdout, fail), crlfDelay: Number.POSITIVE_INFINITY });
  lines.on("line", output);
  return once(lines, "close");
}

/** What has no line feed for too long is no answer: it is not kept. */
function limitLines(stdout: Readable, fail: (error: MendError) => void): Readable {
  let length = 0;
  stdout.on("data", (chunk: Buffer) => {
    const last = chunk.lastIndexOf(0x0a);
    length = last < 0 ? length + chunk.length : chunk.length - last - 1;
    if (length <= LONGEST_LINE) return;
    stdout.destroy();
    fail(
      new MendError("ssh-failed", "a line of the command's output has no end", {
        hint: "check what the shell there prints",
      }),
    );
  });
  return stdout;
}

/**
 * Whoever reads may end before the last byte, as tar does behind its end mark: whether it got enough, its own end says.
 * The rest is read and dropped.
 */
async function forward(stdout: Readable, output: NodeJS.WritableStream): Promise<void> {
  output.on("error", () => {});
  for await (const chunk of stdout) await writeChunk(output, chunk as Uint8Array);
  output.end();
}

async function write(
  stdin: NodeJS.WritableStream,
  input: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  for await (const chunk of input) if (!(await writeChunk(stdin, chunk))) return;
  stdin.end();
}

/** Waits until there is space for more. Whether the stream still takes anything. */
async function writeChunk(to: NodeJS.WritableStream, chunk: Uint8Array): Promise<boolean> {
  const stream = to as NodeJS.WritableStream & { readonly destroyed?: boolean };
  const isOpen = (): boolean => stream.destroyed !== true;
  if (!isOpen()) return false;
  if (stream.write(chunk)) return true;
  const { promise, resolve } = Promise.withResolvers<void>();
  const events = ["drain", "error", "close"] as const;
  for (const event of events) stream.on(event, resolve);
  await promise;
  for (const event of events) stream.off(event, resolve);
  return isOpen();
}

/** A word of the remote shell. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
