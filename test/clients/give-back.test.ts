/**
 * Objects given back to a real API server 1.20, and taken back again: what was deleted, what was overwritten, and what
 * somebody else made meanwhile. No controllers run, so that every difference is ours.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Host } from "../../src/cli/host.ts";
import { clusterFlags } from "../../src/cli/options/cluster-flags.ts";
import { watchNodeStatus } from "../../src/operations/node-status/node-status.ts";
import { FIXTURES } from "../kubectl-tables.ts";
import { kubemend } from "../kubemend.ts";
import { HAS_API_SERVER, type RealApiServer, startRealApiServer } from "./real-api-server.ts";

const SNAPSHOT = join(FIXTURES, "k120-broad/snapshot.db.gz");

describe.skipIf(!HAS_API_SERVER)("given back to a real API server", () => {
  const directory = mkdtempSync(join(tmpdir(), "give-back-"));
  let real: RealApiServer;
  beforeAll(async () => {
    real = await startRealApiServer(SNAPSHOT);
  }, 120_000);
  afterAll(async () => {
    await real?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const kubectl = (...args: readonly string[]) =>
    execFileSync(real.kubectl, ["--kubeconfig", real.kubeconfig, ...args], { encoding: "utf8", timeout: 30_000 });
  const read = (what: string) => JSON.parse(kubectl("get", ...what.split(" "), "-n", "shop", "-o", "json"));
  const run = (...args: readonly string[]) => kubemend(directory, [...args, "--kubeconfig", real.kubeconfig]);
  const undoFile = (name: string) => join(directory, `${name}.jsonl`);
  const restore = (name: string, ...args: readonly string[]) =>
    run("objects", "restore", SNAPSHOT, ...args, "-n", "shop", "--yes", "--undo-file", undoFile(name));
  const gone = async (what: string) => {
    while (kubectl("get", what, "--ignore-not-found", "-o", "name") !== "")
      await new Promise((r) => setTimeout(r, 200));
  };
  const undo = (name: string) => run("objects", "undo", undoFile(name), "--yes", "--wait=5s");

  test("an overwritten config map, with --changed only, and its undo", async () => {
    const before = read("configmap web-conf");
    kubectl("patch", "configmap", "web-conf", "-n", "shop", "--type=merge", "-p", '{"data":{"added":"by mistake"}}');
    const overwritten = read("configmap web-conf");
    const missing = await restore("missing", "configmap/web-conf");
    expect(missing.stdout + missing.stderr).toContain("0 to change");
    expect(read("configmap web-conf")).toEqual(overwritten);
    const changed = await restore("changed", "configmap/web-conf", "--changed");
    expect([changed.code, changed.stderr]).toEqual([0, expect.any(String)]);
    expect(read("configmap web-conf").data).toEqual(before.data);
    expect((await undo("changed")).code).toBe(0);
    expect(read("configmap web-conf").data).toEqual(overwritten.data);
  });

  test("a deleted config map and Service, and their undo", async () => {
    const [settings, service] = [read("configmap web-conf"), read("service web")];
    kubectl("delete", "configmap/web-conf", "service/web", "-n", "shop");
    const given = await restore("deleted", "configmap/web-conf", "service/web", "--with-dependents");
    expect([given.code, given.stderr]).toEqual([0, expect.any(String)]);
    expect(read("configmap web-conf").data).not.toEqual(settings.data); // that of the backup: it had been overwritten
    expect(service.spec).toMatchObject(read("service web").spec); // with what this server fills in when it reads it
    const again = await restore("again", "configmap/web-conf", "service/web");
    expect(again.stdout + again.stderr).toContain("0 to create");
    expect((await undo("deleted")).code).toBe(0);
    expect(kubectl("get", "configmap,service", "-n", "shop", "-o", "name")).not.toMatch(/\/web(-conf)?$/m);
    expect((await restore("back", "configmap/web-conf", "service/web")).code).toBe(0);
  });

  test("a Service whose address and node port another one has taken gets others", async () => {
    const { spec } = read("service web");
    kubectl("delete", "service", "web", "-n", "shop");
    const file = join(directory, "taken.json");
    const taken = { clusterIP: spec.clusterIP, ports: [{ port: 80 }] };
    writeFileSync(
      file,
      JSON.stringify({ apiVersion: "v1", kind: "Service", metadata: { name: "taker" }, spec: taken }),
    );
    kubectl("create", "-n", "shop", "-f", file);
    const given = await restore("address", "service/web");
    expect(given.code).toBe(0);
    expect(given.stdout + given.stderr).toContain(spec.clusterIP);
    const now = read("service web").spec;
    expect(now.clusterIP).not.toBe(spec.clusterIP);
    expect(now.selector).toEqual(spec.selector);
  });

  test("what the API server refuses is reported, the rest is given, and undo takes only that", async () => {
    kubectl(
      "patch",
      "configmap",
      "web-conf",
      "-n",
      "shop",
      "--type=merge",
      "-p",
      '{"immutable":true,"data":{"a":"b"}}',
    );
    const frozen = read("configmap web-conf");
    kubectl("delete", "serviceaccount/web", "-n", "shop");
    const given = await restore("refused", "configmap/web-conf", "serviceaccount/web", "--changed");
    expect(given.code).toBe(1);
    expect(given.stdout + given.stderr).toMatch(/web-conf.*immutable/i);
    expect(read("serviceaccount web").metadata.name).toBe("web");
    expect(read("configmap web-conf")).toEqual(frozen);
    expect((await undo("refused")).code).toBe(0);
    expect(kubectl("get", "serviceaccounts", "-n", "shop", "-o", "name")).not.toMatch(/\/web$/m);
    expect(read("configmap web-conf")).toEqual(frozen);
  });

  test("a deleted definition with its objects, and its undo", async () => {
    const all = () =>
      kubectl("get", "clusterthings.fx.example.com", "-A", "-o", "name").split("\n").filter(Boolean).sort();
    const before = all();
    expect(before.length).toBeGreaterThan(0);
    kubectl("delete", "crd", "clusterthings.fx.example.com", "--wait=false");
    await gone("crd/clusterthings.fx.example.com");
    const file = undoFile("definition");
    const objects = before.map((each) => `clusterthings.fx.example.com/${each.split("/")[1]}`);
    const wanted = ["crd/clusterthings.fx.example.com", ...objects];
    const given = await run("objects", "restore", SNAPSHOT, ...wanted, "-A", "--yes", "--undo-file", file);
    expect([given.code, given.stderr]).toEqual([0, expect.any(String)]);
    expect(all()).toEqual(before);
    expect((await undo("definition")).code).toBe(0);
    await gone("crd/clusterthings.fx.example.com");
  });

  test("a run that did not hear what came of its last writes continues, and is undone whole", async () => {
    kubectl("delete", "serviceaccount/web", "service/web", "-n", "shop", "--ignore-not-found");
    expect((await restore("killed", "serviceaccount/web", "service/web")).code).toBe(0);
    const lines = readFileSync(undoFile("killed"), "utf8").split("\n").filter(Boolean);
    const announced = lines.filter((line) => !line.startsWith('{"outcome"'));
    expect(announced.length).toBeLessThan(lines.length);
    writeFileSync(undoFile("killed"), announced.map((line) => `${line}\n`).join(""));
    const resumed = await run("objects", "restore", "--resume", undoFile("killed"), "--yes");
    expect([resumed.code, resumed.stderr]).toEqual([0, expect.any(String)]);
    expect((await undo("killed")).code).toBe(0);
    expect(kubectl("get", "serviceaccount,service", "-n", "shop", "-o", "name")).not.toMatch(/\/web$/m);
  });

  test("the state of nodes is shown again when it changes", async () => {
    const over = new AbortController();
    const shown: (readonly string[])[] = [];
    const targets = { names: [], selector: undefined };
    const cluster = clusterFlags({ env: {}, cwd: directory } as unknown as Host, {
      kubeconfig: real.kubeconfig,
      context: undefined,
      requestTimeout: 5000,
    });
    const options = { cluster, targets, podEvictionTimeoutSeconds: undefined, signal: over.signal, now: Date.now };
    const watching = watchNodeStatus(options, 500, async ({ nodes }) => {
      shown.push(nodes.filter(({ cordoned }) => cordoned).map(({ name }) => name));
      if (shown.length === 1) kubectl("cordon", "hollow-1");
      if (shown.at(-1)?.includes("hollow-1")) over.abort();
    });
    await expect(watching).rejects.toThrow();
    expect(shown[0]).not.toContain("hollow-1");
    expect(shown.at(-1)).toContain("hollow-1");
  });
});
