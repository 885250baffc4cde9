import { describe, expect, test } from "vitest";
import { MendError } from "../errors/errors.ts";
import type { KubeObject } from "../kube/object.ts";
import { type CustomResource, compareVersions, readCustomResource } from "./custom-resource.ts";
import { needsDefinitions, readObjectRequests, resolveResources } from "./resource-argument.ts";

function definition(group: string, plural: string, more: object = {}, spec: object = {}): CustomResource {
  const kind = plural[0]!.toUpperCase() + plural.slice(1, -1);
  return readCustomResource({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural, singular: plural.slice(0, -1), kind, ...more },
      versions: [{ name: "v1", served: true, storage: true }],
      ...spec,
    },
  } as KubeObject)!;
}

const custom = [
  definition("example.com", "widgets", { shortNames: ["wd", "po"], categories: ["all", "toys"] }),
  definition("other.org", "secrets"),
  definition("volcano.sh", "podgroups"),
  definition("other.org", "balls", { categories: ["toys"] }, { scope: "Cluster" }),
];
const places = (argument: string) => resolveResources(argument, custom).map((each) => each.path);

test.each([
  ["pods", ["pods"]],
  ["pod", ["pods"]],
  ["po", ["pods"]],
  ["Pod", ["pods"]],
  ["PODS", ["pods"]],
  ["nodes", ["minions"]],
  ["no", ["minions"]],
  ["svc", ["services/specs"]],
  ["ep", ["services/endpoints"]],
  ["deploy", ["deployments"]],
  ["deployments.apps", ["deployments"]],
  ["deployment.extensions", ["deployments"]],
  ["deploy.v1.apps", ["deployments"]],
  ["deployments.v1beta1.extensions", ["deployments"]],
  ["pods.v1.", ["pods"]],
  ["ing", ["ingress"]],
  ["crd", ["apiextensions.k8s.io/customresourcedefinitions"]],
  ["apiservices", ["apiregistration.k8s.io/apiservices"]],
  ["psp", ["podsecuritypolicy"]],
  ["po,svc,po", ["pods", "services/specs"]],
  ["widgets", ["example.com/widgets"]],
  ["widget", ["example.com/widgets"]],
  ["wd", ["example.com/widgets"]],
  ["widgets.example.com", ["example.com/widgets"]],
  ["widgets.example", ["example.com/widgets"]],
  ["widgets.v1.example.com", ["example.com/widgets"]],
  ["toys", ["example.com/widgets", "other.org/balls"]],
  ["secrets", ["secrets"]],
  ["secrets.other.org", ["other.org/secrets"]],
  // Kubernetes' own are alpha, so a custom resource is meant.
  ["podgroups", ["volcano.sh/podgroups"]],
  ["podgroups.scheduling.k8s.io", ["podgroups"]],
  // Its definition is gone.
  ["ghosts.gone.example.net", ["gone.example.net/ghosts"]],
])("%s", (argument, expected) => {
  expect(places(argument)).toEqual(expected);
});

test("all is what users deploy", () => {
  const all = places("all");
  expect(all.slice(0, 3)).toEqual(["pods", "controllers", "services/specs"]);
  expect(all).toContain("jobs");
  expect(all.at(-1)).toBe("example.com/widgets");
  expect(all).not.toContain("configmaps");
});

test.each([
  ["podz", "pods"],
  ["deplyment", "deployment"],
  ["widgts", "widgets"],
  ["pods.v9.", undefined],
  ["xyzzyplugh", undefined],
])("%s is unknown", (argument, likely) => {
  try {
    resolveResources(argument, custom);
  } catch (error) {
    expect(error).toBeInstanceOf(MendError);
    expect((error as MendError).code).toBe("kind-unknown");
    if (likely !== undefined) expect((error as MendError).hint).toBe(`did you mean "${likely}"?`);
    return;
  }
  expect.unreachable();
});

test.each([
  ["pods", false],
  ["po,svc", false],
  ["all", true],
  ["widgets", true],
  ["podgroups", true],
  ["pods,widgets", true],
])("%s needs definitions: %o", (argument, needed) => {
  expect(needsDefinitions(argument)).toBe(needed);
});

describe("words of a command line", () => {
  test.each([
    [["pods"], [{ resources: "pods", names: [] }]],
    [["pods", "a", "b"], [{ resources: "pods", names: ["a", "b"] }]],
    [["po,svc", "a"], [{ resources: "po,svc", names: ["a"] }]],
    [
      ["po/a", "po/b", "svc/a"],
      [
        { resources: "po", names: ["a", "b"] },
        { resources: "svc", names: ["a"] },
      ],
    ],
  ])("%j", (words, expected) => {
    expect(readObjectRequests(words)).toEqual(expected);
  });

  test.each([[["po", "po/a"]], [["po/a/b"]], [["/a"]], [["po/"]]])("%j is wrong", (words) => {
    expect(() => readObjectRequests(words)).toThrow(MendError);
  });
});

test("versions in Kubernetes' order", () => {
  const sorted = ["v1alpha1", "foo", "v10", "v2beta2", "v1", "v2beta10", "v2", "bar"].sort(compareVersions);
  expect(sorted).toEqual(["v10", "v2", "v1", "v2beta10", "v2beta2", "v1alpha1", "bar", "foo"]);
});

test("printer columns are those of the preferred version", () => {
  const column = (name: string) => ({ name, type: "string", jsonPath: ".a" });
  const resource = definition(
    "example.com",
    "things",
    {},
    {
      versions: [
        { name: "v1beta1", served: true, additionalPrinterColumns: [column("Old")] },
        { name: "v2", served: false, additionalPrinterColumns: [column("Unserved")] },
        { name: "v1", served: true, additionalPrinterColumns: [column("New")] },
      ],
    },
  );
  expect(resource.versions).toEqual(["v1", "v1beta1"]);
  expect(resource.printerColumns.map((each) => each.name)).toEqual(["New"]);
  const old = definition(
    "example.com",
    "olds",
    {},
    {
      version: "v1",
      versions: undefined,
      additionalPrinterColumns: [{ name: "A", type: "date", JSONPath: ".metadata.x", priority: 1 }],
    },
  );
  expect(old.printerColumns).toEqual([{ name: "A", type: "date", jsonPath: ".metadata.x", priority: 1 }]);
});
