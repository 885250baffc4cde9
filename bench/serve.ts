/**
 * `serve` on a large snapshot: how long until the first answer, what a search and a whole list take, how long another
 * client waits meanwhile, and how much memory that needs.
 *
 * usage: npm run build && node bench/serve.ts [--snapshot FILE]     (bench/generate-snapshot.ts writes one)
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

const PROGRAM = join(import.meta.dirname, "../dist/kubemend.js");
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
/** Between two requests of the client that waits. Milliseconds. */
const PROBE_MS = 100;

const { values } = parseArgs({
  options: {
    snapshot: {
      type: "string",
      default: join(process.env.KUBEMEND_BENCH_DIR ?? ".cache/bench", "snapshot-1500mb.db"),
    },
  },
});

const started = performance.now();
const child = spawn(process.execPath, [PROGRAM, "serve", values.snapshot, "-o", "json"], {
  stdio: ["ignore", "pipe", "inherit"],
});
try {
  await measure(child);
} finally {
  child.kill("SIGINT");
  await once(child, "exit");
}

async function measure({ stdout, pid }: ChildProcess): Promise<void> {
  let printed = "";
  for await (const part of stdout!) {
    printed += String(part);
    if (printed.includes("\n")) break;
  }
  const page = new URL((JSON.parse(printed) as { page: string }).page);
  const authorization = `Bearer ${page.searchParams.get("token")}`;
  const ask = (path: string, accept = "application/json") =>
    fetch(new URL(path, page.origin), { headers: { authorization, accept, "accept-encoding": "identity" } });
  const timed = async (path: string, accept?: string): Promise<readonly [ms: number, body: string]> => {
    const begin = performance.now();
    const body = await (await ask(path, accept)).text();
    return [performance.now() - begin, body];
  };
  await timed("/version");
  print("first answer, from the start of the program", performance.now() - started);
  print("a page of 500 pods as a table", (await timed("/api/v1/pods?limit=500", TABLE))[0]);
  const selection = await besides(timed, () =>
    timed("/api/v1/pods?fieldSelector=status.phase%3DNothing&limit=500", TABLE),
  );
  print("a selection that no pod matches", selection.ms, selection.waited);
  const whole = await besides(timed, async () => {
    for await (const _ of (await ask("/api/v1/pods")).body!);
  });
  print("all pods in one answer, as JSON", whole.ms, whole.waited);
  const begin = performance.now();
  await timed("/ui/data/about");
  while ((JSON.parse((await timed("/ui/data/search?words=kube"))[1]) as { indexed: number }).indexed < 1)
    await sleep(100);
  print("the index of contents", performance.now() - begin);
  for (const words of ["zzzz-no-such-name", "orders-backend"])
    print(`search of names: ${words}`, (await timed(`/ui/data/search?limit=40&words=${words}`))[0]);
  for (const words of ["10.99.98.97", "app=no-such-app", "registry.example.org/nothing"])
    print(
      `search of contents: ${words}`,
      (await timed(`/ui/data/search-contents?limit=100&words=${encodeURIComponent(words)}`))[0],
    );
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
  console.log(`peak memory ${Math.round(peak / 1024)} MiB`);
}

/** Runs `work` while another client asks again and again; the longest that it waited. */
async function besides(
  probe: (path: string) => Promise<readonly [number, string]>,
  work: () => Promise<unknown>,
): Promise<{ readonly ms: number; readonly waited: number }> {
  let isOver = false;
  let waited = 0;
  const probing = (async () => {
    while (!isOver) {
      waited = Math.max(waited, (await probe("/version"))[0]);
      await sleep(PROBE_MS);
    }
  })();
  const begin = performance.now();
  await work();
  const ms = performance.now() - begin;
  isOver = true;
  await probing;
  return { ms, waited };
}

function print(what: string, ms: number, waited?: number): void {
  const rest = waited === undefined ? "" : ` (another client waited ${Math.round(waited)} ms at most)`;
  console.log(`${what.padEnd(48)} ${(ms / 1000).toFixed(2).padStart(7)} s${rest}`);
}
