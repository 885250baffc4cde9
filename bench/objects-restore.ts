/**
 * Objects given back to a real API server, beside kubectl create and kubectl apply of the same objects in one file, in
 * one run on one machine, with the CPU time that each program of the control plane took for them. `node
 * bench/objects-restore.ts [OBJECTS [OBJECTS-OF-KUBECTL [MILLISECONDS]]]`: with MILLISECONDS each answer of the API
 * server is that much later for both, as if it were in another place, or its disk slower. Needs root, and Kubernetes as
 * the end-to-end tests do (docs/testbed.md).
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { editSnapshot } from "../src/operations/snapshot/edit.ts";
import { Workplace } from "../test/e2e/giving-back.ts";
import { startSlowProxy } from "../test/slow-proxy.ts";
import { startControlPlane } from "../testbed/control-plane.ts";
import { markedProcesses, run } from "../testbed/processes.ts";
import { waitFor } from "../testbed/wait.ts";

const count = Number(process.argv[2] ?? 10_000);
const kubectlCount = Number(process.argv[3] ?? count);
const directory = mkdtempSync(join(tmpdir(), "kubemend-bench-"));
const delay = Number(process.argv[4] ?? 0);
await using plane = await startControlPlane();
const proxy = await startSlowProxy(Number(new URL(serverOf(plane.kubeconfig)).port), delay);
const kubeconfig = join(directory, "kubeconfig");
const direct = readFileSync(plane.kubeconfig, "utf8");
writeFileSync(kubeconfig, direct.replace(serverOf(plane.kubeconfig), `https://127.0.0.1:${proxy.port}`));
using place = new Workplace(plane, kubeconfig);
const kubectl = (...words: string[]) =>
  run([plane.kubernetes.program("kubectl"), `--kubeconfig=${kubeconfig}`, ...words]);
try {
  const objects = Array.from({ length: count }, (_, i) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `map-${i}`, namespace: "bench" },
    data: { text: `${i} `.repeat(100) },
  }));
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "bench" } };
  const file = join(directory, "objects.yaml");
  writeFileSync(file, [namespace, ...objects].map((each) => JSON.stringify(each)).join("\n---\n"));
  const small = join(directory, "objects.json");
  writeFileSync(small, JSON.stringify({ apiVersion: "v1", kind: "List", items: objects.slice(0, kubectlCount) }));
  const backup = join(directory, "backup.db");
  const request = { remove: [], set: [file], from: [], namespace: "bench", selector: "" };
  await editSnapshot(await place.backup(), backup, { request, isDryRun: false, now: Date.now });

  const deleted = async () => {
    await plane.api.delete("/api/v1/namespaces/bench");
    const path = "/api/v1/namespaces";
    await waitFor(
      "the namespace to be gone",
      async () => (await plane.api.list(path)).every(({ metadata }) => metadata.name !== "bench"),
      { seconds: 900 },
    );
  };
  const timed = async (what: string, run: () => Promise<unknown>, number = count) => {
    const before = cpuSeconds();
    const began = performance.now();
    await run();
    const seconds = (performance.now() - began) / 1000;
    const cpu = [...cpuSeconds()].map(([name, after]) => `${name} ${(after - (before.get(name) ?? 0)).toFixed(1)} s`);
    console.log(`${what}: ${number} objects in ${seconds.toFixed(1)} s, ${Math.round(number / seconds)} a second`);
    console.log(
      `  CPU: ${cpu.join(", ")}; answers of 429 so far: ${throttled(await kubectl("get", "--raw", "/metrics"))}`,
    );
    const found = (await kubectl("get", "configmaps", "-n", "bench", "-o", "name")).split("\n").length;
    if (found < number) throw new Error(`${what} made ${found} of ${number} objects`);
  };
  await timed("kubemend objects restore", async () => {
    const ran = await place.objects("restore", backup, "-n", "bench", "--yes");
    if (ran.code !== 0) throw new Error(`${ran.stdout}${ran.stderr}`);
  });
  await timed("kubemend objects restore, all there already", () =>
    place.objects("restore", backup, "-n", "bench", "--yes"),
  );
  for (const verb of ["create", "apply"]) {
    await deleted();
    await plane.api.post("/api/v1/namespaces", { metadata: { name: "bench" } });
    await timed(`kubectl ${verb}`, () => kubectl(verb, "-f", small), kubectlCount);
  }
} finally {
  await proxy.close();
  rmSync(directory, { recursive: true });
}

/** How many requests the API server has refused because it was too busy. */
function throttled(metrics: string): number {
  const lines = metrics.split("\n").filter((line) => /^apiserver_request_total\{.*code="429"/.test(line));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

function serverOf(kubeconfig: string): string {
  return /server: (\S+)/.exec(readFileSync(kubeconfig, "utf8"))![1]!;
}

/**
 * User and system seconds so far: of the programs of the bed by name, of this process, and of the programs that it has
 * run and that have ended.
 */
function cpuSeconds(): Map<string, number> {
  const [own, children] = statOf("self");
  const found = new Map([
    ["this process", own],
    ["its children", children],
  ]);
  for (const { pid, name } of markedProcesses(plane.bed.id)) found.set(name, (found.get(name) ?? 0) + statOf(pid)[0]);
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
