/** An API server that carries out what it then reports as failed: nobody may lose sight of what was made. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { JsonObject, KubeObject } from "../src/kube/object.ts";
import { ApiServerStandIn, type StandInAnswer, type StandInRequest, status } from "./api-server-stand-in.ts";
import { kubemend } from "./kubemend.ts";
import { clusterEntries, madeSnapshot } from "./made-snapshot.ts";

const map = (name: string): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data: { name },
});
const namespace = (name: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, uid: `uid-${name}` },
});

const RESOURCES = [
  { name: "configmaps", kind: "ConfigMap", namespaced: true },
  { name: "namespaces", kind: "Namespace", namespaced: false },
  { name: "persistentvolumes", kind: "PersistentVolume", namespaced: false },
  { name: "persistentvolumeclaims", kind: "PersistentVolumeClaim", namespaced: true },
].map((each) => ({ ...each, singularName: "", verbs: ["create", "delete", "get", "list", "update"] }));

function discovery(path: string): StandInAnswer | undefined {
  if (path === "/api") return { status: 200, body: { kind: "APIVersions", versions: ["v1"] } };
  if (path === "/apis") return { status: 200, body: { kind: "APIGroupList", apiVersion: "v1", groups: [] } };
  if (path !== "/api/v1") return undefined;
  return { status: 200, body: { kind: "APIResourceList", groupVersion: "v1", resources: RESOURCES } };
}

/** As kubemend writes it. */
function stored(body: JsonObject): KubeObject {
  const object = body as KubeObject;
  const managedFields = [{ manager: "kubemend", operation: "Update", time: new Date().toISOString() }];
  return { ...object, metadata: { ...object.metadata, uid: `uid-${object.metadata.name}`, managedFields } };
}

test("an object that was made although the API server said that it failed is known, and taken back", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-faults-"));
  const failed = new Set<string>();
  const answer = ({ method, path, body }: StandInRequest): StandInAnswer | undefined => {
    if (method !== "POST") return discovery(path);
    const { name } = (body as KubeObject).metadata;
    const isFirst = !failed.has(name);
    failed.add(name);
    // Nothing was made of "c" at first; "b" was made, and etcd did not say so in time.
    if (name === "c" && isFirst) return status(500, "InternalError", "failed calling webhook: no endpoints available");
    const made = server.put(stored(body!));
    if (name === "b") return status(500, "InternalError", "etcdserver: request timed out");
    return { status: 201, body: made };
  };
  const server = await ApiServerStandIn.start(directory, {
    version: "v1.20.2",
    objects: [namespace("kube-system"), namespace("default")],
    answer,
  });
  try {
    writeFileSync(join(directory, "backup.db"), madeSnapshot(clusterEntries(["a", "b", "c"].map(map))));
    const env = { KUBECONFIG: server.kubeconfig };
    const words = ["objects", "restore", "backup.db", "configmaps", "--undo-file", "undo.jsonl", "--yes"];
    const ran = await kubemend(directory, words, env);
    expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain("3 created, 0 changed, 3 of 3 read back as sent");
    const undone = await kubemend(directory, ["objects", "undo", "undo.jsonl", "--yes"], env);
    expect(undone, undone.stdout + undone.stderr).toMatchObject({ code: 0 });
    for (const name of ["a", "b", "c"]) expect(server.get("ConfigMap", `default/${name}`), name).toBeUndefined();
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
});

test("a run that ends on the way says how it continues, and does", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-faults-"));
  let isFoolish = true;
  const answer = ({ method, path, body }: StandInRequest): StandInAnswer | undefined => {
    if (method !== "POST") return discovery(path);
    const { name } = (body as KubeObject).metadata;
    if (name === "b" && isFoolish) return { status: 201, body: { kind: "Pod", apiVersion: "v1" } };
    return { status: 201, body: server.put(stored(body!)) };
  };
  const server = await ApiServerStandIn.start(directory, {
    version: "v1.20.2",
    objects: [namespace("kube-system"), namespace("default")],
    answer,
  });
  try {
    writeFileSync(join(directory, "backup.db"), madeSnapshot(clusterEntries(["a", "b", "c"].map(map))));
    const env = { KUBECONFIG: server.kubeconfig };
    const ran = await kubemend(directory, ["objects", "restore", "backup.db", "configmaps", "--yes"], env);
    expect(ran.code).toBe(1);
    const [, undoFile] = /^to continue: kubemend objects restore --resume (\S+)$/m.exec(ran.stderr) ?? [];
    expect(ran.stderr).toContain(`to take back what was done until now: kubemend objects undo ${undoFile}\n`);
    isFoolish = false;
    const resumed = await kubemend(directory, ["objects", "restore", "--resume", undoFile!, "--yes"], env);
    expect(resumed, resumed.stdout + resumed.stderr).toMatchObject({ code: 0 });
    const undone = await kubemend(directory, ["objects", "undo", undoFile!, "--yes"], env);
    expect(undone, undone.stdout + undone.stderr).toMatchObject({ code: 0 });
    for (const name of ["a", "b", "c"]) expect(server.get("ConfigMap", `default/${name}`), name).toBeUndefined();
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
});

test("a volume is not taken from the claim that has it now; a run killed after it freed the volume is undone", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-faults-"));
  const volume = (claim?: string): KubeObject => ({
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: "data", uid: "v" },
    spec: {
      persistentVolumeReclaimPolicy: "Retain",
      hostPath: { path: "/data" },
      claimRef: { kind: "PersistentVolumeClaim", namespace: "default", name: "data", ...(claim && { uid: claim }) },
    },
  });
  const claim: KubeObject = {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "data", namespace: "default", uid: "somebody" },
    spec: { volumeName: "data" },
  };
  const answer = ({ method, path, body }: StandInRequest): StandInAnswer | undefined => {
    if (method === "GET") return discovery(path);
    if (method === "POST") return { status: 201, body: server.put({ ...stored(body!), metadata: ownOf(body!) }) };
    // No manager is recorded for what only takes a field away.
    return method === "PUT" ? { status: 200, body: server.put(body as KubeObject) } : undefined;
  };
  const ownOf = (body: JsonObject) => ({ ...(body as KubeObject).metadata, uid: "run" });
  const server = await ApiServerStandIn.start(directory, {
    version: "v1.20.2",
    objects: [namespace("kube-system"), namespace("default"), volume("lost")],
    answer,
  });
  try {
    const backup = clusterEntries([volume("old"), { ...claim, metadata: { ...claim.metadata, uid: "old" } }]);
    writeFileSync(join(directory, "backup.db"), madeSnapshot(backup));
    const env = { KUBECONFIG: server.kubeconfig };
    const words = ["objects", "restore", "backup.db", "pvc", "--undo-file", "undo.jsonl", "--yes"];
    const ran = await kubemend(directory, words, env);
    expect(ran.stdout, ran.stdout + ran.stderr).toContain("1 created, 1 changed");
    expect(server.get("PersistentVolume", "data")!.spec).toEqual(volume().spec);
    // As if it had been killed when the volume was freed, and before it heard of that.
    const lines = readFileSync(join(directory, "undo.jsonl"), "utf8").split("\n");
    writeFileSync(join(directory, "undo.jsonl"), `${lines.slice(0, 2).join("\n")}\n`);
    expect(JSON.parse(lines[1]!)).toMatchObject({ op: "update", id: { path: "persistentvolumes" } });
    server.put(claim);
    server.put(volume("somebody"));
    const undo = () => kubemend(directory, ["objects", "undo", "undo.jsonl", "--yes"], env);
    const kept = await undo();
    expect(kept, kept.stdout + kept.stderr).toMatchObject({ code: 1 });
    expect(kept.stdout).toContain('claim "default/data" is bound to it');
    expect(server.get("PersistentVolume", "data")!.spec).toEqual(volume("somebody").spec);
    server.remove(claim);
    const undone = await undo();
    expect(undone, undone.stdout + undone.stderr).toMatchObject({ code: 0 });
    expect(server.get("PersistentVolume", "data")!.spec).toEqual(volume("lost").spec);
    // Twice changes nothing more.
    const before = server.writes.length;
    expect(await undo()).toMatchObject({ code: 0, stderr: expect.stringContaining("nothing was changed") });
    expect(server.writes).toHaveLength(before);
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
});

test("two runs of one second have undo files of their own", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-faults-"));
  const answer = ({ method, path, body }: StandInRequest): StandInAnswer | undefined =>
    method === "POST" ? { status: 201, body: server.put(stored(body!)) } : discovery(path);
  const objects = [namespace("kube-system"), namespace("default")];
  const server = await ApiServerStandIn.start(directory, { version: "v1.20.2", objects, answer });
  try {
    writeFileSync(join(directory, "backup.db"), madeSnapshot(clusterEntries(["a", "b"].map(map))));
    const now = () => Date.parse("2026-11-29T12:00:00Z");
    for (const name of ["a", "b"]) {
      const words = ["objects", "restore", "backup.db", `configmap/${name}`, "--yes"];
      const ran = await kubemend(directory, words, { KUBECONFIG: server.kubeconfig }, { now });
      expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
    }
    const files = readdirSync(directory).filter((name) => name.startsWith("kubemend-undo-"));
    expect(files.sort()).toEqual(["kubemend-undo-20261129T120000Z.jsonl", "kubemend-undo-20261129T120000Z_2.jsonl"]);
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
});
