import { expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import type { KubeObject } from "../kube/object.ts";
import { objectPath, safeName } from "./object-path.ts";

const object = (apiVersion: string, kind: string, name: string, namespace?: string): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
});

test.each([
  [object("v1", "Pod", "web", "shop"), "shop/Pod/web.yaml"],
  [object("apps/v1", "Deployment", "web", "shop"), "shop/Deployment.apps/web.yaml"],
  [
    object("rbac.authorization.k8s.io/v1", "ClusterRole", "system:node"),
    "_cluster/ClusterRole.rbac.authorization.k8s.io/system:node.yaml",
  ],
  [object("v1", "Pod", "../../etc/passwd", ".."), "%2E./Pod/%2E.%2F..%2Fetc%2Fpasswd.yaml"],
  [object("v1", "Pod", "", "a"), "a/Pod/fallback.yaml"],
])("%j", (value, path) => expect(objectPath(value, "fallback").join("/")).toBe(path));

test("any text is a safe file name, and different texts have different ones", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 400 }),
      fc.string({ unit: "binary", maxLength: 400 }),
      (a, b) => {
        const name = safeName(a, 5);
        expect(name).toMatch(/^[\w:%~-][\w.:%~-]*$/);
        expect(name.length).toBeLessThanOrEqual(250);
        if (a.toWellFormed() !== b.toWellFormed()) expect(safeName(b, 5)).not.toBe(name);
      },
    ),
  );
});
