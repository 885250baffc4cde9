/**
 * Programs in containers of their own, which share nothing but the file system: namespaces for processes, mounts and
 * host names, and for the network where nothing outside is to be reached.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { recordedRows, recordFigures } from "./reliability.ts";

/**
 * How many races of the test that runs came out as they should, for docs/reliability.md; nothing unless
 * `KUBEMEND_RECORD_RACES=1`. For one file of tests at a time.
 */
export function recordRaces(name: string, count: number): void {
  if (process.env.KUBEMEND_RECORD_RACES !== "1") return;
  const rows = new Map(recordedRows("races")).set(name, [count, 0]);
  const cells = [...rows].map(([what, figures]) => `| ${what} | ${figures.join(" | ")} |`);
  recordFigures("races", ["| what | races | failures |", "| --- | ---: | ---: |", ...cells]);
}

const MAIN = join(import.meta.dirname, "../src/cli/main.ts");
/** Root in a container may not. */
export const canUnshare =
  process.geteuid?.() === 0 && spawnSync("unshare", ["--mount", "--pid", "--fork", "true"]).status === 0;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Contained {
  /** Words of kubemend; or, where `program` is given, of that module. */
  readonly args: readonly string[];
  readonly program?: string;
  /** Run first, in the container. */
  readonly before?: string;
  /** Whether the loopback of this machine is reached from it. */
  readonly sharesNetwork?: boolean;
  /** What is written to its stdin. */
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with what comes on its stderr. */
  readonly heard?: (text: string) => void;
}

/** A shell in a container, which waits for the file `go`, and then becomes the program. */
async function contain(go: string, host: string, contained: Contained): Promise<Ended> {
  const { args, program = MAIN, before = "true", sharesNetwork = false, stdin = "", env = {}, heard } = contained;
  const words = [process.execPath, program, ...args].map((word) => `'${word}'`).join(" ");
  const script = `hostname ${host}; ${before}; until [ -e '${go}' ]; do sleep 0.01; done; exec ${words}`;
  const flags = ["--pid", "--fork", "--mount", "--uts", "--ipc", "--mount-proc", "--kill-child"];
  const child = spawn("unshare", [...flags, ...(sharesNetwork ? [] : ["--net"]), "sh", "-c", script], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
    heard?.(stderr);
  });
  child.stdin.on("error", () => {}); // one that reads nothing
  child.stdin.end(stdin);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

/** Lets them begin at once; their hosts are `node-1`, `node-2`, … `directory` is one that all of them see. */
export async function race(directory: string, commands: readonly Contained[]): Promise<readonly Ended[]> {
  const go = join(directory, "go");
  rmSync(go, { force: true });
  const runs = commands.map((command, i) => contain(go, `node-${i + 1}`, command));
  await new Promise((resolve) => setTimeout(resolve, 300)); // all wait for it by then, or are late and the race is an easier one
  writeFileSync(go, "");
  return Promise.all(runs);
}
