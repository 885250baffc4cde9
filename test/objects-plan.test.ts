/** Plans of restores into a cluster as it was earlier: `serve` stands for it, which answers as an API server does, and takes no writes. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { kubemend } from "./kubemend.ts";
import { serveFile, type TestServer } from "./serving.ts";

const BACKUP = join(import.meta.dirname, "fixtures/k120-broad/snapshot.db.gz");
let server: TestServer;

beforeAll(async () => {
  server = await serveFile(BACKUP, { atRevision: 700 });
});
afterAll(() => server.stop());

interface Item {
  readonly action: string;
  readonly resource: string;
  readonly namespace: string | null;
  readonly name: string;
  readonly reason?: string;
  readonly notes: readonly string[];
}

async function plan(...words: readonly string[]): Promise<{ code: number; items: readonly Item[]; stderr: string }> {
  const argv = ["objects", "restore", BACKUP, ...words, "--dry-run", "-o", "json"];
  const { code, stdout, stderr } = await kubemend(import.meta.dirname, argv, { KUBECONFIG: server.kubeconfig });
  return { code, items: stdout === "" ? [] : JSON.parse(stdout).items, stderr };
}

test("a copy in another namespace leaves behind what belongs to none, and says so", async () => {
  const { code, items } = await plan("-n", "shop", "--into-namespace", "copy", "--with-dependents");
  expect(code).toBe(0);
  const written = items.filter(({ action }) => action === "create");
  expect(written.map(({ namespace }) => namespace ?? "none")).toEqual([
    "none",
    ...Array(written.length - 1).fill("copy"),
  ]);
  expect(written[0]).toMatchObject({ resource: "namespaces", name: "copy" });
  const left = items.filter(({ reason }) => reason?.startsWith("it belongs to no namespace"));
  expect(left.map(({ resource }) => resource)).toContain("storageclasses.storage.k8s.io");
  const claim = items.find(({ name }) => name === "data-store-0");
  expect(claim?.notes.join()).toContain('a copy: its volume is new and empty, "pv-manual-2" stays with');
});

test("nothing is made for an object that is not given back itself", async () => {
  // All that is left of widgets in the namespace was being deleted.
  const { items } = await plan("widgets", "-n", "shop");
  expect(items.map(({ action, name }) => `${action} ${name}`)).toEqual(["skip deep.nesting"]);
  const widgets = await plan("widgets", "-n", "fx");
  expect(widgets.items.find(({ name }) => name === "widgets.things.fx.example.com")?.notes).toEqual([
    'defines "things.fx.example.com/widgets"',
  ]);
});

test("kinds by any of their names, labels by any of their operators, and objects of no namespace with -n", async () => {
  const names = async (...words: string[]) =>
    (await plan(...words)).items.map(({ resource, name }) => `${resource}/${name}`);
  const expected = ["deployments.apps/web"];
  for (const word of ["deploy", "deployment", "Deployments", "deployments.apps", "deployments.v1.apps"]) {
    expect(await names(`${word}/web`, "-n", "shop"), word).toEqual(expected);
  }
  expect(await names("deploy", "-n", "shop", "-l", "app in (web, other),app notin (db),!missing")).toEqual(expected);
  expect(await names("clusterrole/fx:everything", "-n", "shop")).toEqual([
    "clusterroles.rbac.authorization.k8s.io/fx:everything",
  ]);
  const { code, stderr } = await plan("deploy/nothing", "-n", "shop");
  expect(code).toBe(1);
  expect(JSON.parse(stderr).error.message).toBe('"deployments.apps/nothing" not found');
});

test("a renamed workload says what selects both, and a namespace is not renamed", async () => {
  const { items } = await plan("deploy/web", "-n", "shop", "--rename", "web=web2");
  expect(items).toMatchObject([{ action: "create", name: "web2" }]);
  expect(items[0]!.notes.join()).toContain("what selects those selects both");
  const refused = await plan("-n", "shop", "--rename", "shop=other");
  expect(refused.code).toBe(2);
  expect(JSON.parse(refused.stderr).error.message).toBe('namespace "shop" cannot be renamed');
});
