/**
 * Objects given back to a real API server, beside kubectl create and kubectl apply of the same objects in one file, in one run on one machine.
 * `node bench/objects-restore.ts [OBJECTS]`; needs root, and Kubernetes as the end-to-end tests do (docs/testbed.md).
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { editSnapshot } from "../src/operations/snapshot/edit.ts";
import { Workplace } from "../test/e2e/giving-back.ts";
import { startControlPlane } from "../testbed/control-plane.ts";
import { waitFor } from "../testbed/wait.ts";

const count = Number(process.argv[2] ?? 10_000);
const directory = mkdtempSync(join(tmpdir(), "kubemend-bench-"));
await using plane = await startControlPlane();
using place = new Workplace(plane);
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
  writeFileSync(small, JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
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
  const timed = async (what: string, run: () => Promise<unknown>) => {
    const began = performance.now();
    await run();
    const seconds = (performance.now() - began) / 1000;
    console.log(`${what}: ${count} objects in ${seconds.toFixed(1)} s, ${Math.round(count / seconds)} a second`);
    const found = (await plane.kubectl("get", "configmaps", "-n", "bench", "-o", "name")).split("\n").length;
    if (found < count) throw new Error(`${what} made ${found} of ${count} objects`);
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
    await timed(`kubectl ${verb}`, () => plane.kubectl(verb, "-f", small));
  }
} finally {
  rmSync(directory, { recursive: true });
}
