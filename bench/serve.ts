/**
 * `serve` on a large snapshot: how long until the first answer, what a search and a whole list take, how long another
 * client waits meanwhile, and how much memory that needs.
 *
 * usage: npm run build && node bench/serve.ts [--snapshot FILE] [--memory MIB] [--kubectl PROGRAM] [--json FILE]
 *
 * bench/generate-snapshot.ts writes a snapshot. `--memory` limits what the server may use, pages of the file included
 * (Linux, as root), so that a file is larger than memory. `--kubectl` has it list all pods, too.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { limitMemory } from "./memory-limit.ts";
import { recordTable } from "./record.ts";

const PROGRAM = join(import.meta.dirname, "../dist/kubemend.js");
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
/** Between two requests of the client that waits. Milliseconds. */
const PROBE_MS = 100;
const MIB = 1 << 20;
/** How `/proc` counts CPU time. */
const TICKS_A_SECOND = 100;

const { values } = parseArgs({
  options: {
    snapshot: {
      type: "string",
      default: join(process.env.KUBEMEND_BENCH_DIR ?? ".cache/bench", "snapshot-1500mb.db"),
    },
    memory: { type: "string" },
    kubectl: { type: "string" },
    json: { type: "string" },
  },
});
const record = recordTable(["what", "s", "another client waits at most, ms", "CPU s of the server"], {
  file: values.json,
});

interface Printed {
  readonly page: string;
  readonly kubeconfig: string;
}

const limit = values.memory === undefined ? undefined : limitMemory(Number(values.memory) * MIB);
// Pages of the file that were read before are nobody's that is limited.
if (limit !== undefined) spawnSync("dd", [`if=${values.snapshot}`, "iflag=nocache", "count=0"]);
const started = performance.now();
const command = [...(limit?.command ?? []), process.execPath, PROGRAM, "serve", values.snapshot, "-o", "json"];
const child = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
try {
  await measure(child);
} finally {
  child.kill("SIGINT");
  if (child.exitCode === null) await once(child, "exit");
  if (limit !== undefined) {
    const { peak, killed } = limit.read();
    console.log(`of ${values.memory} MiB used ${Math.round(peak / MIB)} MiB at most, ${killed} processes killed`);
    limit.remove();
  }
}

async function measure({ stdout, pid }: ChildProcess): Promise<void> {
  let printed = "";
  for await (const part of stdout!) {
    printed += String(part);
    if (printed.includes("\n")) break;
  }
  const { page: address, kubeconfig } = JSON.parse(printed) as Printed;
  const page = new URL(address);
  const authorization = `Bearer ${page.searchParams.get("token")}`;
  const ask = (path: string, accept = "application/json") =>
    fetch(new URL(path, page.origin), { headers: { authorization, accept, "accept-encoding": "identity" } });
  const timed = async (path: string, accept?: string): Promise<readonly [ms: number, body: string]> => {
    const begin = performance.now();
    const body = await (await ask(path, accept)).text();
    return [performance.now() - begin, body];
  };
  const cpu = (): number => cpuSeconds(pid!);
  await timed("/version");
  print("first answer, from the start of the program", performance.now() - started);
  print("a page of 500 pods as a table", (await timed("/api/v1/pods?limit=500", TABLE))[0]);
  print("the overview of the page", (await timed("/ui/data/overview"))[0]);
  const selection = await besides(timed, () =>
    timed("/api/v1/pods?fieldSelector=status.phase%3DNothing&limit=500", TABLE),
  );
  print("a selection that no pod matches", selection.ms, selection.waited);
  const whole = await besides(timed, async () => {
    for await (const _ of (await ask("/api/v1/pods")).body!);
  });
  print("all pods in one answer, as JSON", whole.ms, whole.waited);
  const watch = await besides(timed, async () => {
    const from = Number(JSON.parse((await timed("/api/v1/namespaces?limit=1"))[1]).metadata.resourceVersion) - 20_000;
    const path = `/api/v1/pods?watch=true&resourceVersion=${from}&timeoutSeconds=1`;
    for await (const _ of (await ask(path)).body!);
  });
  print("a watch that replays 20,000 revisions", watch.ms, watch.waited);
  const [begin, before] = [performance.now(), cpu()];
  await timed("/ui/data/about");
  while ((JSON.parse((await timed("/ui/data/search?words=kube"))[1]) as { indexed: number }).indexed < 1)
    await sleep(100);
  print("the index of contents", performance.now() - begin, undefined, cpu() - before);
  for (const words of ["po", "zq", "zzzz-no-such-name", "orders-backend"]) {
    const before = cpu();
    const ms = (await timed(`/ui/data/search?limit=40&words=${words}`))[0];
    print(`search of names: ${words}`, ms, undefined, cpu() - before);
  }
  for (const words of [
    "no",
    "zq",
    "Zq",
    "Ωx",
    "zzq",
    "qqqq",
    "10.99.98.97",
    "app=no-such-app",
    "registry.example.org/nothing",
  ])
    await searchContents(words);
  if (values.kubectl !== undefined) await listWithKubectl(values.kubectl, kubeconfig, cpu);
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
  const { size } = statSync(values.snapshot);
  record.end(`A snapshot of ${(size / 1e9).toFixed(2)} GB; peak memory of the server ${Math.round(peak / 1024)} MiB`);

  /** As the page does it: asks until all is looked through, or a hundred are found. */
  async function searchContents(words: string): Promise<void> {
    const [begin, before] = [performance.now(), cpu()];
    let cursor = 0;
    let found = 0;
    for (;;) {
      const path = `/ui/data/search-contents?limit=100&cursor=${cursor}&words=${encodeURIComponent(words)}`;
      const answer = JSON.parse((await timed(path))[1]) as { found: unknown[]; cursor: number; done: boolean };
      found += answer.found.length;
      cursor = answer.cursor;
      if (answer.done || found >= 100) break;
    }
    const what = `search of contents: ${words} (${found} found)`;
    print(what, performance.now() - begin, undefined, cpu() - before);
  }
}

/** Every pod of every namespace, to the end. */
async function listWithKubectl(kubectl: string, kubeconfig: string, cpu: () => number): Promise<void> {
  const [begin, before] = [performance.now(), cpu()];
  const script = '"$0" get pods -A | wc -l && times';
  const env = { ...process.env, KUBECONFIG: kubeconfig };
  const { stdout } = spawnSync("/bin/sh", ["-c", script, kubectl], { env, encoding: "utf8" });
  const [lines, , children = ""] = stdout.trim().split("\n");
  const [user = 0, system = 0] = [...children.matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, m, s]) => 60 * Number(m) + Number(s),
  );
  print(`kubectl get pods -A, ${lines?.trim()} lines`, performance.now() - begin, undefined, cpu() - before);
  console.log(`  of kubectl itself ${(user + system).toFixed(1)} s of CPU time`);
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
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

function print(what: string, ms: number, waited?: number, cpu?: number): void {
  record.add(
    what,
    (ms / 1000).toFixed(2),
    waited === undefined ? "" : String(Math.round(waited)),
    cpu === undefined ? "" : cpu.toFixed(2),
  );
}
