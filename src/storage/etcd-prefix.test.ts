import { expect, test } from "vitest";
import { findEtcdPrefixes, normalizeEtcdPrefix } from "./etcd-prefix.ts";

const bytes = (keys: readonly string[]) => keys.map((key) => new TextEncoder().encode(key));
const cluster = (prefix: string) => [
  `${prefix}/configmaps/kube-system/extension-apiserver-authentication`,
  `${prefix}/namespaces/default`,
  `${prefix}/namespaces/kube-system`,
  `${prefix}/ranges/serviceips`,
  `${prefix}/services/specs/default/kubernetes`,
];

test.each(["/registry", "/kubernetes.io", "/clusters/blue/k8s", ""])("the prefix %j", (prefix) => {
  expect(findEtcdPrefixes(bytes(["/other/key", ...cluster(prefix)]))).toEqual([{ prefix, signs: 4 }]);
});

test("two clusters in one etcd, the fuller one first", () => {
  const keys = [...cluster("/blue"), ...cluster("/green"), "/green/namespaces/kube-public"];
  expect(findEtcdPrefixes(bytes(keys)).map((found) => found.prefix)).toEqual(["/green", "/blue"]);
});

test("a custom resource that looks like a namespace is no cluster", () => {
  const keys = [...cluster("/registry"), "/registry/example.com/widgets/namespaces/default"];
  expect(findEtcdPrefixes(bytes(keys)).map((found) => found.prefix)).toEqual(["/registry"]);
});

test("something that is not Kubernetes", () => {
  expect(findEtcdPrefixes(bytes(["/config/db", "namespaces", "/vault/core/leader"]))).toEqual([]);
  expect(findEtcdPrefixes([])).toEqual([]);
});

test.each([
  ["registry", "/registry"],
  ["/registry/", "/registry"],
  ["//a//b", "/a/b"],
  ["/", ""],
  ["", ""],
])("the flag %j means %j", (flag, prefix) => expect(normalizeEtcdPrefix(flag)).toBe(prefix));
