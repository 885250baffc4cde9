/**
 * What the largest snapshots take: one run of each command on each file, with wall time, CPU time and peak memory.
 *
 * usage: npm run bench:scale -- --json bench/scale.json NAME=FILE...
 *
 * Makes no files: `bench/generate-snapshot.ts` does, and its arguments belong to the name. Runs what `npm run build`
 * made; `--add` keeps the rows of other names that the JSON file holds. `--only "get;get, again"` chooses commands.
 * `--other FILE` is what "diff, with another" compares with.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { measure } from "./measure.ts";
import type { ScaleResults, ScaleRow } from "./scale-table.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "string", default: join(import.meta.dirname, "scale.json") },
    only: { type: "string", default: "" },
    other: { type: "string", default: "" },
    add: { type: "boolean", default: false },
  },
});
const program = join(import.meta.dirname, "../dist/kubemend.js");
if (!existsSync(program)) throw new Error(`${program} is missing: run npm run build first`);

/** A self-hosted control plane is not recovered without one; nobody is asked. */
const KUBECONFIG = `apiVersion: v1
kind: Config
clusters: [{ name: bench, cluster: { server: "https://127.0.0.1:6443", insecure-skip-tls-verify: true } }]
users: [{ name: bench, user: { token: bench } }]
contexts: [{ name: bench, context: { cluster: bench, user: bench } }]
current-context: bench
`;

const only = values.only === "" ? undefined : values.only.split(";");
const before = loadavg()[0]!;
const rows: ScaleRow[] = [];
for (const given of positionals) {
  const cut = given.indexOf("=");
  if (cut < 1) throw new Error(`"${given}" is not NAME=FILE`);
  const [snapshot, file] = [given.slice(0, cut), given.slice(cut + 1)];
  const work = mkdtempSync(join(dirname(file), "scale-"));
  const cache = mkdtempSync(join(tmpdir(), "kubemend-scale-"));
  process.env.KUBEMEND_CACHE = cache;
  try {
    for (const [name, command] of commandsOn(file, work)) {
      if (only !== undefined && !only.includes(name)) continue;
      const cost = measure(commandLine(command), 1);
      rmSync(join(work, "data"), { recursive: true, force: true });
      if (typeof cost === "string") console.error(`${snapshot}: ${name}: ${cost}`);
      else {
        const { wallSeconds: wall, cpuSeconds: cpu, peakMemory } = cost;
        rows.push({ snapshot, bytes: statSync(file).size, command: name, wall, cpu, peakMemory });
        console.error(
          `${snapshot}: ${name}: ${wall.toFixed(1)} s, CPU ${cpu.toFixed(1)} s, ${peakMemory.toFixed(0)} MiB`,
        );
      }
    }
  } finally {
    rmSync(work, { recursive: true });
    rmSync(cache, { recursive: true });
  }
}
const old =
  values.add && existsSync(values.json) ? (JSON.parse(readFileSync(values.json, "utf8")) as ScaleResults) : undefined;
const isNew = (row: ScaleRow): boolean =>
  !rows.some((each) => each.snapshot === row.snapshot && each.command === row.command);
const processors = [...new Set([...(old?.processor.split(" and ") ?? []), cpus()[0]?.model.trim() ?? "unknown"])];
const results: ScaleResults = {
  day: new Date().toISOString().slice(0, 10),
  processor: processors.join(" and "),
  cores: cpus().length,
  node: process.version.slice(1),
  load: [Math.min(before, old?.load[0] ?? before), Math.max(loadavg()[0]!, old?.load[1] ?? 0)],
  rows: [...(old?.rows.filter(isNew) ?? []), ...rows],
};
writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);

/** Exit code 1 of a diff says that there are differences. */
function commandLine(words: readonly string[]): readonly string[] {
  const line = [process.execPath, program, ...words];
  return words[0] === "objects" ? ["sh", "-c", '"$@"; test $? -le 1', "sh", ...line] : line;
}

function commandsOn(file: string, work: string): [string, string[]][] {
  const member = ["--name", "m1", "--initial-cluster", "m1=http://127.0.0.1:2380"];
  const peer = ["--initial-advertise-peer-urls", "http://127.0.0.1:2380"];
  const get = ["snapshot", "get", file, "configmaps", "-n", "kube-system", "-o", "name"];
  const recover = ["recover", "--etcd-backup-file", file];
  const restore = ["snapshot", "restore", file, "--data-dir"];
  const kubeconfig = join(work, "kubeconfig");
  writeFileSync(kubeconfig, KUBECONFIG);
  const commands: [string, string[]][] = [
    ["status", ["snapshot", "status", file]],
    ["status, hash unverified", ["snapshot", "status", file, "--skip-hash-check"]],
    ["verify", ["snapshot", "verify", file]],
    ["get", get],
    ["get, again", get],
    ["restore", [...restore, join(work, "data"), ...member, ...peer]],
    ["restore, without history", [...restore, join(work, "data"), ...member, ...peer, "--compact"]],
    ["stats", ["snapshot", "stats", file]],
    ["export", ["snapshot", "export", file, "-o", "jsonl"]],
    ["recover", [...recover, "--kubeconfig", kubeconfig, "--recovery-dir", join(work, "recovered")]],
    ["diff, with itself", ["objects", "diff", file, file]],
  ];
  if (values.other !== "") commands.push(["diff, with another", ["objects", "diff", file, values.other, "-o", "json"]]);
  return commands;
}
