/**
 * Objects given back to a real API server, beside kubectl create and kubectl apply of the same objects in one file, in
 * one run on one machine, with the CPU time that each program took for them: kubectl first, then kubemend, then kubectl
 * again, each into an empty namespace of its own. `node bench/objects-restore.ts [OBJECTS [OBJECTS-OF-KUBECTL
 * [MILLISECONDS]]] [--json FILE]`: with MILLISECONDS each answer of the API server is that much later for both, as if it
 * were in another place, or its disk slower. kubectl creates fewer of the objects where all of them would take too long;
 * what counts is the rate. Needs root, and Kubernetes as the end-to-end tests do (docs/testbed.md).
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { editSnapshot } from "../src/operations/snapshot/edit.ts";
import { Workplace } from "../test/e2e/giving-back.ts";
import { startSlowProxy } from "../test/slow-proxy.ts";
import { startControlPlane } from "../testbed/control-plane.ts";
import { markedProcesses } from "../testbed/processes.ts";
import { RESTORE, type RestoredObjects, type RestoreRun } from "./restored-objects.ts";

const { values, positionals } = parseArgs({ options: { json: { type: "string" } }, allowPositionals: true });
const [count = 10_000, kubectlCount = count, delay = 0] = positionals.map(Number);
const directory = mkdtempSync(join(tmpdir(), "kubemend-bench-"));
const load = loadavg()[0]!;
await using plane = await startControlPlane();
const server = /server: (\S+)/.exec(readFileSync(plane.kubeconfig, "utf8"))![1]!;
// A proxy costs time of its own: it is in the way only where it is to delay.
const proxy = delay > 0 ? await startSlowProxy(Number(new URL(server).port), delay) : undefined;
const kubeconfig = join(directory, "kubeconfig");
const direct = readFileSync(plane.kubeconfig, "utf8");
writeFileSync(kubeconfig, proxy ? direct.replace(server, `https://127.0.0.1:${proxy.port}`) : direct);
using place = new Workplace(plane, kubeconfig);
const kubectl = [plane.kubernetes.program("kubectl"), `--kubeconfig=${kubeconfig}`];
const restore = [process.execPath, join(import.meta.dirname, "../src/cli/main.ts"), "objects", "restore"];
const runs: RestoreRun[] = [];
/** A file of more than 64 MiB is not read as YAML. */
const OBJECTS_A_FILE = 10_000;
try {
  const made = (length: number, namespace: string) =>
    Array.from({ length }, (_, i) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: `map-${i}`, namespace },
      data: { text: `${i} `.repeat(100) },
    }));
  const objects = made(count, "bench");
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "bench" } };
  const all = [namespace, ...objects];
  const files = Array.from({ length: Math.ceil(all.length / OBJECTS_A_FILE) }, (_, i) => {
    const file = join(directory, `objects-${i}.yaml`);
    const part = all.slice(i * OBJECTS_A_FILE, (i + 1) * OBJECTS_A_FILE);
    writeFileSync(file, part.map((each) => JSON.stringify(each)).join("\n---\n"));
    return file;
  });
  const backup = join(directory, "backup.db");
  const request = { remove: [], set: files, from: [], namespace: "bench", selector: "" };
  await editSnapshot(await place.backup(), backup, { request, isDryRun: false, now: Date.now });

  const words = [backup, "-n", "bench", "--yes", "--progress=plain"];
  const byKubectl = async (verb: string, into: string) => {
    const list = join(directory, `${into}.json`);
    writeFileSync(list, JSON.stringify({ apiVersion: "v1", kind: "List", items: made(kubectlCount, into) }));
    await plane.api.post("/api/v1/namespaces", { metadata: { name: into } });
    await timed(`kubectl ${verb}`, kubectlCount, into, [...kubectl, verb, "-f", list]);
  };
  await byKubectl("create", "created-before");
  await byKubectl("apply", "applied-before");
  await timed(RESTORE, count, "bench", [...restore, ...words]);
  await timed("the same again: all is there", count, "bench", [...restore, ...words]);
  await byKubectl("apply", "applied-after");
  await byKubectl("create", "created-after");
  const results: RestoredObjects = {
    day: new Date().toISOString().slice(0, 10),
    processor: cpus()[0]!.model,
    cores: cpus().length,
    kubernetes: plane.kubernetes.version,
    bytes: Math.round(objects.reduce((sum, each) => sum + JSON.stringify(each).length, 0) / count),
    load: [load, loadavg()[0]!],
    throttled: await throttled(),
    runs,
  };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
} finally {
  await proxy?.close();
  rmSync(directory, { recursive: true });
}

/** Runs a client as a process of its own. Of kubemend, also how long it planned, wrote, and read back. */
async function timed(what: string, number: number, into: string, [program, ...args]: string[]): Promise<void> {
  const before = cpuSeconds();
  const began = performance.now();
  const env = { ...process.env, KUBECONFIG: kubeconfig };
  const child = spawn(program!, args, { cwd: directory, stdio: ["ignore", "ignore", "pipe"], env });
  child.stderr.setEncoding("utf8");
  const since = () => (performance.now() - began) / 1000;
  let [planned, written]: (number | undefined)[] = [];
  const said: string[] = [];
  const lines = createInterface({ input: child.stderr });
  lines.on("line", (line) => {
    said.push(line);
    if (/\d to create, /.test(line)) planned = since();
    if (/^restoring +100%/.test(line)) written = since();
  });
  const [code] = await once(child, "close");
  const seconds = since();
  if (code !== 0) throw new Error(`${what}: ${said.slice(-20).join("\n")}`);
  const after = cpuSeconds();
  const spent = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
  const run: RestoreRun = {
    what,
    objects: number,
    seconds,
    ...(planned !== undefined && written !== undefined && { parts: [planned, written - planned, seconds - written] }),
    cpu: { client: spent("client"), apiServer: spent("kube-apiserver"), etcd: spent("etcd") },
  };
  runs.push(run);
  console.log(JSON.stringify(run), `${Math.round(number / seconds)} a second; 429: ${await throttled()}`);
  const { length } = await plane.api.list(`/api/v1/namespaces/${into}/configmaps`);
  if (length < number) throw new Error(`${what} made ${length} of ${number} objects`);
}

/** How many requests the API server has refused so far because it was too busy. */
async function throttled(): Promise<number> {
  const metrics = await plane.kubectl("get", "--raw", "/metrics");
  const lines = metrics.split("\n").filter((line) => /^apiserver_request_total\{.*code="429"/.test(line));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

/** User and system seconds so far: of the programs of the bed by name, and of the clients that have ended. */
function cpuSeconds(): Map<string, number> {
  const found = new Map([["client", statOf("self")[1]]]);
  for (const { pid, name } of markedProcesses(plane.bed.id)) {
    const program = name.replace(/\d+$/, ""); // members of etcd are numbered
    found.set(program, (found.get(program) ?? 0) + statOf(pid)[0]);
  }
  return found;
}

/** Seconds of a process, and of its children that have ended. Source: proc(5), fields 14 to 17 in hundredths of a second. */
function statOf(pid: number | "self"): readonly [number, number] {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  return [(fields[11]! + fields[12]!) / 100, (fields[13]! + fields[14]!) / 100];
}
