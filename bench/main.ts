/**
 * kubemend beside the tools that people use today: on a snapshot of about 1.5 GB, with the file in the page cache, and
 * at starting a cluster.
 *
 * usage: npm run bench -- [--runs N] [--only WORD,…] [--dir DIR] [--json FILE]
 * Tools that do the same work take turns. FILE gets the figures, which `npm run bench:page` writes into
 * docs/performance.md. DIR (or KUBEMEND_BENCH_DIR, else .cache/bench) holds the snapshot, which is made when it is
 * missing. ETCDUTL and AUGER name those programs; etcdutl is looked for in the test programs and on the PATH too.
 * `save` is asked of a real etcd that holds the snapshot, the newest of the test programs. Runs what `npm run build`
 * made. `--only start` starts clusters on the test bed (docs/testbed.md), some minutes a run, and `--only rescue` takes
 * its scheduler and controller manager away; both run the sources. `--only diagnose` makes a cluster of 100 hollow
 * nodes and 3,000 pods there.
 */
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { delimiter, join } from "node:path";
import { parseArgs } from "node:util";
import { findProgram } from "../test/programs.ts";
import { benchDiagnose } from "./diagnose.ts";
import { generateSnapshot, LARGE, podOf } from "./generate-snapshot.ts";
import { measure } from "./measure.ts";
import { type Results, resultsTable } from "./page.ts";
import { podKey } from "./pod-template.ts";
import { benchRescue } from "./rescue.ts";
import { serveSnapshot } from "./serve-snapshot.ts";
import { benchStart } from "./start.ts";
import { type Contender, inTurns } from "./turns.ts";

interface Case extends Contender {
  readonly name: string;
}

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "3" },
    only: { type: "string", default: "" },
    json: { type: "string" },
    dir: { type: "string", default: process.env.KUBEMEND_BENCH_DIR ?? ".cache/bench" },
  },
});
if (values.only === "start") {
  await benchStart(Number(values.runs), values.json);
  process.exit();
}
if (values.only === "diagnose") {
  await benchDiagnose(Number(values.runs), values.json);
  process.exit();
}
if (values.only === "rescue") {
  await benchRescue(Number(values.runs), values.json);
  process.exit();
}
const program = join(import.meta.dirname, "../dist/kubemend.js");
if (!existsSync(program)) {
  console.error("error: dist/kubemend.js is missing\nhint: run npm run build");
  process.exit(1);
}
mkdirSync(values.dir, { recursive: true });
const snapshot = join(values.dir, "snapshot-1500mb.db");
if (!existsSync(snapshot)) {
  console.error(`making ${snapshot}`);
  generateSnapshot(snapshot, LARGE);
}

const kubemend = [process.execPath, program];
const etcdutl = process.env.ETCDUTL ?? findProgram("trixie", "etcdutl") ?? onPath("etcdutl");
const auger = process.env.AUGER;
const pod = podOf(LARGE, LARGE.pods / 2);
const podName = `${pod.workload}-${pod.hash}-${pod.suffix}`;
const prefix = `/registry/pods/${pod.namespace}/`;
const restored = join(values.dir, "restored");

const saved = join(values.dir, "saved.db");
const wantsSave = isWanted("save");
const server = wantsSave && etcdutl !== undefined ? await serveSnapshot(etcdutl, snapshot, values.dir) : undefined;
const fromServer = (...args: string[]): string[] => [...args, saved, "--endpoints", server?.endpoint ?? ""];

const cases = [
  own("status", "snapshot", "status", snapshot),
  peer("status", "etcdutl", etcdutl, "snapshot", "status", snapshot),
  own("status, hash unverified", "snapshot", "status", "--skip-hash-check", snapshot),
  peer("status, hash unverified", "etcdutl", etcdutl, "snapshot", "status", snapshot),
  own("one object", "snapshot", "get", snapshot, `pod/${podName}`, "-n", pod.namespace, "-o", "yaml"),
  peer("one object", "auger", auger, "extract", "-f", snapshot, "-k", podKey(pod)),
  own("keys under a prefix", "snapshot", "keys", snapshot, prefix),
  peer("keys under a prefix", "auger", auger, "extract", "-f", snapshot, "--keys-by-prefix", prefix),
  own("objects by kind", "snapshot", "stats", snapshot),
  peer("objects by kind", "auger", auger, "analyze", "-f", snapshot),
  own("verify", "snapshot", "verify", snapshot),
  own("export", "snapshot", "export", snapshot, "-o", "jsonl"),
  own("all pods as a table", "snapshot", "get", snapshot, "pods", "-A"),
  own("restore", "snapshot", "restore", snapshot, "--data-dir", restored),
  peer("restore", "etcdutl", etcdutl, "snapshot", "restore", snapshot, "--data-dir", restored),
  own("restore, objects unchecked", "snapshot", "restore", snapshot, "--data-dir", restored, "--skip-object-check"),
  peer("restore, objects unchecked", "etcdutl", etcdutl, "snapshot", "restore", snapshot, "--data-dir", restored),
  ...(server === undefined
    ? []
    : [
        own("save", ...fromServer("snapshot", "save")),
        peer("save", "etcdctl", server.etcdctl, ...fromServer("snapshot", "save")),
      ]),
];
const chosen = cases.filter((one) => one !== undefined).filter(({ name }) => isWanted(name));

// Once through, so that every run finds the file in the page cache.
measure(["cat", snapshot], 1);
const before = loadavg()[0]!;
const clear = (): void => {
  for (const path of [restored, saved]) rmSync(path, { recursive: true, force: true });
};
const measuredCases: Results["cases"][number][] = [];
for (const [name, contenders] of Map.groupBy(chosen, (one) => one.name)) {
  const measured = inTurns(contenders, Number(values.runs), clear).filter((each, i) => {
    if (typeof each === "string") console.error(`${name}, ${contenders[i]!.tool}: ${each}`);
    return typeof each !== "string";
  });
  clear();
  measuredCases.push({ name, measured });
}
await server?.stop();
const results: Results = {
  day: new Date().toISOString().slice(0, 10),
  processor: cpus()[0]?.model ?? "unknown processor",
  cores: cpus().length,
  node: process.versions.node,
  runs: Number(values.runs),
  load: [before, loadavg()[0]!],
  size: statSync(snapshot).size,
  cases: measuredCases,
};
console.log(resultsTable(results));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`);

/** `--only` takes words with commas between them. */
function isWanted(name: string): boolean {
  return values.only.split(",").some((word) => name.includes(word));
}

function own(name: string, ...args: string[]): Case {
  return { name, tool: "kubemend", command: [...kubemend, ...args] };
}

function peer(name: string, tool: string, path: string | undefined, ...args: string[]): Case | undefined {
  return path === undefined ? undefined : { name, tool, command: [path, ...args] };
}

function onPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}
