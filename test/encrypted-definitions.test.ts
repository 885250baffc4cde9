/**
 * CustomResourceDefinitions that are encrypted at rest, as `*.*` and `*.apiextensions.k8s.io` make them: their short
 * names and columns are known all the same.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { kubemend } from "./kubemend.ts";
import { clusterEntries, encryptAesCbc, madeSnapshot } from "./made-snapshot.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-definitions-"));
afterAll(() => rmSync(directory, { recursive: true }));

const SECRET = Buffer.alloc(32, "k");
const DEFINITION = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "widgets", singular: "widget", kind: "Widget", shortNames: ["wd"] },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        additionalPrinterColumns: [{ name: "Size", type: "string", jsonPath: ".spec.size" }],
      },
    ],
  },
};
const WIDGET = {
  apiVersion: "example.com/v1",
  kind: "Widget",
  metadata: { name: "one", namespace: "default" },
  spec: { size: "large" },
};
const seal = (value: object) => encryptAesCbc(JSON.stringify(value), "k", SECRET);
const PLACE = "/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com";
const FILE = join(directory, "backup.db");
writeFileSync(
  FILE,
  madeSnapshot([
    ...clusterEntries([]),
    [PLACE, seal(DEFINITION)],
    ["/registry/example.com/widgets/default/one", seal(WIDGET)],
  ]),
);

function config(resource: string): string {
  const file = join(directory, `${resource.replaceAll("*", "all")}.yaml`);
  const keys = `{keys: [{name: k, secret: ${SECRET.toString("base64")}}]}`;
  writeFileSync(
    file,
    `kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
- resources: ["${resource}", "*.example.com"]
  providers: [{aescbc: ${keys}}, {identity: {}}]
`,
  );
  return file;
}

test.each(["*.*", "*.apiextensions.k8s.io", "customresourcedefinitions.apiextensions.k8s.io"])(
  "with keys for %s",
  async (resource) => {
    const flags = ["--encryption-config", config(resource)];
    const get = await kubemend(directory, ["snapshot", "get", FILE, "wd", ...flags]);
    expect(get).toEqual({ code: 0, stdout: "NAME   SIZE\none    large\n", stderr: "" });
    const lines = await kubemend(directory, ["snapshot", "export", FILE, "wd", "-o", "jsonl", "-q", ...flags]);
    expect(JSON.parse(lines.stdout)).toMatchObject({ kind: "Widget", object: WIDGET });
    expect(lines).toMatchObject({ code: 0, stderr: "" });
  },
);

test.each([
  ["snapshot", "get", FILE, "wd"],
  ["snapshot", "export", FILE, "wd", "-o", "jsonl"],
])("without keys, %s %s says why the kind is not known", async (...argv) => {
  const { code, stderr } = await kubemend(directory, argv);
  expect(code).toBe(1);
  expect(stderr).toContain('error: the snapshot doesn\'t have a resource type "wd"');
  expect(stderr).toContain("hint: a CustomResourceDefinition is encrypted, and may define it");
});
