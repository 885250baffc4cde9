/** An API server that carries out what it then reports as failed: nobody may lose sight of what was made. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
