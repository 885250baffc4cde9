import { expect, test } from "vitest";
import type { JsonObject } from "../kube/object.ts";
import { dropScheduling } from "./drop-scheduling.ts";

function dropped(podSpec: JsonObject) {
  const notes: [code: string, text: string][] = [];
  const spec = dropScheduling(podSpec, { note: (code, text) => void notes.push([code, text]) });
  return { spec, notes };
}

test.each<[string, JsonObject, string]>([
  ["csi", { csi: { driver: "d", nodePublishSecretRef: { name: "s" } } }, "nodePublishSecretRef"],
  ["iscsi", { iscsi: { targetPortal: "p", secretRef: { name: "s" } } }, "secretRef"],
  ["rbd", { rbd: { secretRef: { name: "s" } } }, "secretRef"],
  ["azureFile", { azureFile: { secretName: "s" } }, "secretName"],
])("a volume of %s that needs a secret is reported beforehand", (kind, source, field) => {
  const { notes } = dropped({ volumes: [{ name: "v", ...source }], containers: [] });
  expect(notes).toEqual([
    ["volume-secret", expect.stringContaining(`its volume "v" (${kind}) needs the secret "s" by ${field}`)],
  ]);
});

test("one that needs none is not", () => {
  const volumes = [
    { name: "a", csi: { driver: "d" } },
    { name: "b", iscsi: { targetPortal: "p" } },
    { name: "c", secret: { secretName: "s" } },
  ];
  expect(dropped({ volumes, containers: [] }).notes).toEqual([]);
});

test("a claim that is made for the pod is one all the same", () => {
  const volumes = [{ name: "v", ephemeral: { volumeClaimTemplate: { spec: {} } } }];
  expect(dropped({ volumes, containers: [] }).notes.map(([code]) => code)).toEqual(["volume-claim"]);
});

test("resource claims are dropped with the pod's, and everything else of resources is kept", () => {
  const container = { name: "c", resources: { claims: [{ name: "gpu" }], limits: { cpu: "1" } } };
  const { spec, notes } = dropped({
    resourceClaims: [{ name: "gpu", resourceClaimName: "g" }],
    containers: [container],
    initContainers: [{ name: "i", resources: { claims: [{ name: "gpu" }] } }],
  });
  expect(spec).toEqual({
    containers: [{ name: "c", resources: { limits: { cpu: "1" } } }],
    initContainers: [{ name: "i", resources: {} }],
  });
  expect(notes).toEqual([["resource-claims-dropped", expect.stringContaining('the resource claims "gpu"')]]);
});
