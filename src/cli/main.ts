#!/usr/bin/env node
/**
 * The executable: makes a {@link ProcessHost} from the real process, runs the command line, and sets the exit code. The only file that
 * touches `process`.
 */
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import packageJson from "../../package.json" with { type: "json" };
import { EXIT, type ExitCode } from "./command.ts";
import type { ProcessHost } from "./host.ts";
import type { TextSink } from "./terminal/printer.ts";

const TURN_MS = 50;

function sink(stream: NodeJS.WriteStream): TextSink {
  // A file takes everything at once, and whoever prints in a loop would never hear Ctrl-C.
  let last = performance.now();
  return {
    isTTY: stream.isTTY === true,
    columns: stream.columns,
    async write(text) {
      if (!stream.write(text)) await once(stream, "drain");
      if (performance.now() - last < TURN_MS) return;
      await setImmediate();
      last = performance.now();
    },
    async writeBytes(bytes) {
      await new Promise<void>((resolve, reject) => {
        stream.write(bytes, (error) => (error ? reject(error) : resolve()));
      });
    },
  };
}

const interruption = new AbortController();
let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (interrupted) process.exit(130); // the second one means now
    interrupted = true;
    interruption.abort();
  });
}
// `kubemend ... | head` closes the pipe early: that is not an error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}

async function ask(question: string): Promise<string> {
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // A terminal that is read key by key hands Ctrl-C over as a key.
  terminal.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    const closed = once(terminal, "close").then(() => "");
    return await Promise.race([terminal.question(question, { signal: interruption.signal }), closed]);
  } catch (error) {
    return noAnswer(error);
  } finally {
    terminal.close();
  }
}

/** A question that ends without an answer, by Ctrl-D, is answered with nothing; an interrupted one stays interrupted. */
function noAnswer(error: unknown): string {
  if (interruption.signal.aborted || (error as NodeJS.ErrnoException).code !== "ABORT_ERR") throw error;
  return "";
}

async function askSecret(question: string): Promise<string> {
  const [{ createInterface }, { Writable }] = await Promise.all([
    import("node:readline/promises"),
    import("node:stream"),
  ]);
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: unseen, terminal: true });
  process.stderr.write(question);
  // A terminal that is read key by key hands Ctrl-C over as a key.
  terminal.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    return await terminal.question("", { signal: interruption.signal });
  } catch (error) {
    return noAnswer(error);
  } finally {
    terminal.close();
    process.stderr.write("\n");
  }
}

/** Root's runs on a machine are recorded in a file, and those in a pod in its log. */
function auditLog(): Pick<ProcessHost, "auditLog"> {
  const { KUBERNETES_SERVICE_HOST, POD_NAME, NODE_NAME } = process.env;
  if (KUBERNETES_SERVICE_HOST || POD_NAME || NODE_NAME) return { auditLog: "stderr" };
  const isRoot = process.platform === "linux" && process.geteuid?.() === 0;
  return isRoot ? { auditLog: "/var/log/kubemend/audit.log" } : {};
}

const host: ProcessHost = {
  stdout: sink(process.stdout),
  stderr: sink(process.stderr),
  env: process.env,
  cwd: process.cwd(),
  now: Date.now,
  startedAt: performance.timeOrigin,
  ...auditLog(),
  signal: interruption.signal,
  // Opened where it is read: that takes milliseconds.
  get stdin() {
    return process.stdin;
  },
  ...(process.stderr.isTTY && process.stdin.isTTY && { ask, askSecret }),
};

/** As package.json asks for, which a package manager only warns about. */
const OLDEST_NODE = [22, 12] as const;

async function main(): Promise<ExitCode> {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [oldest, least] = OLDEST_NODE;
  if (major > oldest || (major === oldest && minor >= least)) return runTyped(process.argv.slice(2));
  await host.stderr.write(`error: this is Node ${process.versions.node}, and kubemend needs ${OLDEST_NODE.join(".")} or newer
hint: install a newer Node, or use the executable, which brings its own (docs/install.md)
`);
  return EXIT.failed;
}

/** The version alone is printed without loading what reads command lines. */
async function runTyped(typed: readonly string[]): Promise<ExitCode> {
  if (typed.length === 1 && typed[0] === "--version") {
    await host.stdout.write(`${packageJson.version}\n`);
    return EXIT.done;
  }
  const { run } = await import("./run.ts");
  return run(typed, host);
}

process.exitCode = EXIT.failed; // until the end is reached
// Not awaited at the top level: the single executable is a CommonJS bundle, which cannot.
void main().then(async (code) => {
  process.exitCode = code;
  // The answer is known: whatever a peer still keeps open, such as a name that nobody resolves, is not waited for.
  for (const stream of [process.stdout, process.stderr])
    await new Promise<void>((flushed) => void stream.write("", () => flushed()));
  process.exit();
});
