/**
 * Other machines by the system's own `ssh`, with the user's configuration, keys and agent. A command runs there as
 * root: as it is for root, by `sudo -n` for others. Nothing is asked on the terminal (`BatchMode`), and a connection
 * that dies is noticed within half a minute.
 */
import { spawn } from "node:child_process";
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
/** OpenSSH's own failures end with this. */
const SSH_FAILED = 255;

/** Runs a command of the remote shell to its end. Throws `ssh-failed` with what ssh or the command said last. */
export async function runRemote(
  host: string,
  command: readonly string[],
  { program, user }: SshOptions,
  { input, output, signal }: RemoteRun,
): Promise<void> {
  signal.throwIfAborted();
  const target = user === undefined ? host : `${user}@${host}`;
  const asRoot = user === undefined || user === "root" ? command : ["sudo", "-n", ...command];
  const words = [...program.slice(1), ...KEEP_ALIVE, target, "--", asRoot.map(quote).join(" ")];
  const child = spawn(program[0] ?? "ssh", words, { stdio: ["pipe", "pipe", "pipe"] });
  const abort = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", abort, { once: true });
  const failed = new Promise<Error>((resolve) => child.once("error", resolve));
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000);
  });
  const outputEnd = deliver(child.stdout, output);
  const ended = once(child, "close") as Promise<[number | null]>;
  try {
    child.stdin.on("error", () => {}); // an end of the far side shows in its exit code
    const writing = write(child.stdin, input);
    const result = await Promise.race([ended, failed]);
    signal.throwIfAborted();
    if (result instanceof Error) {
      throw new MendError("ssh-failed", `cannot run "${program[0]}": ${result.message}`, {
        hint: "install an ssh client, or use kubemend cluster bundle and apply",
        cause: result,
      });
    }
    await Promise.all([writing, outputEnd]);
    const [code] = result;
    if (code === 0) return;
    const last = errors.trim().split("\n").slice(-3).join(" / ");
    const what = code === SSH_FAILED ? `no connection to ${target}` : `the command on ${target} ended with ${code}`;
    throw new MendError("ssh-failed", `${what}${last === "" ? "" : `: ${last}`}`, {
      where: target,
      hint: `try it by hand: ${[...program, target].join(" ")} true`,
    });
  } finally {
    signal.removeEventListener("abort", abort);
    child.kill("SIGTERM");
  }
}

function deliver(stdout: Readable, output: RemoteRun["output"]): Promise<unknown> {
  if (typeof output !== "function") return forward(stdout, output);
  const lines = createInterface({ input: stdout, crlfDelay: Number.POSITIVE_INFINITY });
  lines.on("line", output);
  return once(lines, "close");
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

/** Waits until there is room for more. Whether the stream still takes anything. */
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
