import { expect, test } from "vitest";
import { findJsonPath, parseJsonPath } from "./json-path.ts";

const object = {
  spec: {
    replicas: 3,
    list: ["a", "b", "c"],
    "dashed-name": true,
    ports: [
      { name: "http", port: 80 },
      { name: "dns", port: 53 },
    ],
  },
  metadata: { labels: { "a.b/c": "x", plain: "y" } },
  status: {
    conditions: [
      { type: "Ready", status: "True" },
      { type: "Other", status: "False" },
    ],
    nothing: null,
  },
};

const find = (path: string) => {
  const parsed = parseJsonPath(path);
  return parsed === undefined ? undefined : findJsonPath(parsed, object);
};

test.each([
  [".spec.replicas", [3]],
  ["{.spec.replicas}", [3]],
  [".spec.dashed-name", [true]],
  [".spec.list[0]", ["a"]],
  [".spec.list[-1]", ["c"]],
  [".spec.list[5]", []],
  [".spec.list[*]", ["a", "b", "c"]],
  [".spec.list[1:]", ["b", "c"]],
  [".spec.list[:2]", ["a", "b"]],
  [".spec.list[-1:]", ["c"]],
  [".spec.list", [["a", "b", "c"]]],
  [".spec.ports[*].name", ["http", "dns"]],
  [".metadata.labels.*", ["x", "y"]],
  [".metadata.labels['a.b/c']", ["x"]],
  ['.metadata.labels["a.b/c"]', ["x"]],
  [".metadata.labels.a\\.b/c", ["x"]],
  ['.status.conditions[?(@.type=="Ready")].status', ["True"]],
  [".status.conditions[?(@.type=='Other')].status", ["False"]],
  ['.status.conditions[?(@.type!="Ready")].status', ["False"]],
  [".spec.ports[?(@.port>60)].name", ["http"]],
  [".spec.ports[?(@.port<=53)].name", ["dns"]],
  [".spec.ports[?(@.missing)].name", []],
  [".spec.ports[?(@.name)].port", [80, 53]],
  [".spec..name", ["http", "dns"]],
  [".spec['replicas','dashed-name']", [3, true]],
  [".spec.list[0,2]", ["a", "c"]],
  [".spec.list[0:3:2]", ["a", "c"]],
  [".status.nothing", []],
  [".spec.list.x", []],
  [".missing.deeper", []],
  [".__proto__.toString", []],
])("%s", (path, expected) => {
  expect(find(path)).toEqual(expected);
});

test.each(["spec", ".spec...list", ".spec[", ".spec[?(@.a==]", "[?(@)]]", ".a".repeat(3000)])(
  "%s is not understood",
  (path) => {
    expect(find(path)).toBeUndefined();
  },
);
