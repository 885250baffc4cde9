import { expect, test } from "vitest";
import { creationOrder, objectTitle, parseManifest } from "./manifest-objects.ts";

const named = (kind: string, name: string, apiVersion = "v1") =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: ${name}}\n`;
const titles = (text: string) => parseManifest("m.yaml", text).map(({ object }) => objectTitle(object));

test("a file may hold many documents, empty ones and lists", () => {
  const list = `apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: c, namespace: d}}\n`;
  expect(titles(`---\n${named("ConfigMap", "a")}---\n# nothing\n---\n---\n${list}`)).toEqual([
    'ConfigMap "a"',
    'Secret "d/c"',
  ]);
  expect(titles("")).toEqual([]);
  expect(titles("# only a comment\n")).toEqual([]);
});

test("JSON is YAML, and YAML is read as Kubernetes reads it", () => {
  expect(titles(JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name: "n" } }))).toEqual([
    'Namespace "n"',
  ]);
  const [parsed] = parseManifest("m.yaml", `${named("Pod", "p")}spec: {hostNetwork: yes}\n`);
  expect(parsed?.object.spec).toEqual({ hostNetwork: true });
});

test.each([
  ["a: [", /"m.yaml" is no manifest/],
  ["- a", /it holds no object/],
  ["kind: Pod", /no apiVersion or no kind/],
  ["apiVersion: v1\nkind: Pod", /no metadata.name/],
  [`${named("Pod", "a")}---\nkind: Pod`, /"m.yaml document 2"/],
])("what is no manifest is refused: %j", (text, message) => {
  expect(() => parseManifest("m.yaml", text)).toThrow(message);
});

test("namespaces come first, then definitions, then the rest by file", () => {
  const crd = named("CustomResourceDefinition", "crd", "apiextensions.k8s.io/v1");
  const objects = parseManifest(
    "m",
    [named("Foo", "foo", "x.io/v1"), crd, named("Pod", "pod"), named("Namespace", "ns")].join("---\n"),
  );
  expect(creationOrder(objects).map(({ object }) => object.metadata.name)).toEqual(["ns", "crd", "foo", "pod"]);
});
