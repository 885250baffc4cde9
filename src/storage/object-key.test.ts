import { expect, test } from "vitest";
import { RESOURCE_TYPES, readObjectKey, resourceAtPath } from "./object-key.ts";

test("no two resources share a path, and none a name within a group", () => {
  const unique = (words: readonly string[]) => expect(words.filter((word, i) => words.indexOf(word) !== i)).toEqual([]);
  unique(RESOURCE_TYPES.map((resource) => resource.path));
  unique(RESOURCE_TYPES.flatMap(({ plural, groups }) => groups.map((group) => `${plural}.${group}`)));
  unique(RESOURCE_TYPES.flatMap(({ kind, groups }) => groups.map((group) => `${kind}.${group}`)));
  unique(RESOURCE_TYPES.flatMap((resource) => resource.shortNames));
  expect(resourceAtPath("minions")).toMatchObject({ plural: "nodes", namespaced: false });
});

test.each([
  ["/registry/pods/default/web", "pods", [""], "default/web"],
  ["/registry/services/specs/default/web", "services", [""], "default/web"],
  ["/registry/services/endpoints/default/web", "endpoints", [""], "default/web"],
  ["/registry/minions/node1", "nodes", [""], "node1"],
  ["/registry/deployments/shop/web", "deployments", ["apps", "extensions"], "shop/web"],
  ["/registry/ingress/shop/web", "ingresses", ["networking.k8s.io", "extensions"], "shop/web"],
  [
    "/registry/apiextensions.k8s.io/customresourcedefinitions/w.example.com",
    "customresourcedefinitions",
    ["apiextensions.k8s.io"],
    "w.example.com",
  ],
  ["/registry/example.com/widgets/shop/one", "widgets", ["example.com"], "shop/one"],
  ["/registry/example.com/globals/one", "globals", ["example.com"], "one"],
  ["/registry/clusterroles/a.b:c", "clusterroles", ["rbac.authorization.k8s.io"], "a.b:c"],
  ["/registry/masterleases/192.0.2.1", "masterleases", [""], "192.0.2.1"],
])("%s", (key, resource, groups, rest) => {
  expect(readObjectKey(key)).toMatchObject({ resource, groups, rest });
});

test("a prefix of several parts", () => {
  expect(readObjectKey("/clusters/one/pods/default/web", "/clusters/one")).toMatchObject({
    resource: "pods",
    rest: "default/web",
  });
  expect(readObjectKey("/elsewhere/pods/default/web", "/clusters/one")).toBeUndefined();
});

test.each(["", "/", "compact_rev_key", "/registry", "/registry/"])("%j names no object", (key) => {
  expect(readObjectKey(key)).toBeUndefined();
});
