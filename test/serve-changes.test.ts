/**
 * "What changed" of a custom resource follows the schema of its definition: a list with keys is compared element by
 * element, in whatever order.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { clusterEntries, madeSnapshot } from "./made-snapshot.ts";
import { serveFile } from "./serving.ts";

const item = { type: "object", properties: { name: { type: "string" }, port: { type: "integer" } } };
const definition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "gadgets.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "gadgets", singular: "gadget", kind: "Gadget", listKind: "GadgetList" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                type: "object",
                properties: {
                  ports: {
                    type: "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    items: item,
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

test("elements are known by the keys that the schema names", async () => {
  const directory = mkdtempSync(join(tmpdir(), "changes-"));
  const gadget = (name: string, ports: readonly object[]): [string, string] => [
    `/registry/example.com/gadgets/default/${name}`,
    JSON.stringify({
      apiVersion: "example.com/v1",
      kind: "Gadget",
      metadata: { name, namespace: "default", uid: name },
      spec: { ports },
    }),
  ];
  const [a, b] = [
    { name: "a", port: 1 },
    { name: "b", port: 2 },
  ];
  const entries: [string, string][] = [
    ...clusterEntries([]),
    [`/registry/apiextensions.k8s.io/customresourcedefinitions/gadgets.example.com`, JSON.stringify(definition)],
    gadget("same", [a, b]),
    gadget("other", [a, b]),
    gadget("same", [b, a]),
    gadget("other", [{ name: "b", port: 3 }, a]),
  ];
  const file = join(directory, "gadgets.db");
  writeFileSync(file, madeSnapshot(entries));
  const server = await serveFile(file);
  try {
    const since = server.lastRevision - 2;
    const answer = await server.fetch(`/ui/data/changes?since=${since}`);
    const { changes } = (await answer.json()) as { changes: { name: string; fields: { path: string }[] }[] };
    expect(changes.map(({ name }) => name)).toEqual(["other"]);
    expect(changes[0]!.fields).toEqual([
      { path: expect.stringMatching(/^spec\.ports\[name="?b"?\]\.port$/), before: "2", after: "3" },
    ]);
    const history = await server.fetch(
      "/ui/data/history?group=example.com&version=v1&plural=gadgets&namespace=default&name=other",
    );
    const { revisions } = (await history.json()) as { revisions: { fields: { path: string }[] }[] };
    expect(revisions[0]!.fields.map(({ path }) => path)).toEqual(changes[0]!.fields.map(({ path }) => path));
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
});
