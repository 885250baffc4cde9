/** Objects of any shape, as a damaged or a hostile snapshot may hold them: selecting and rendering ends in a result or in a `MendError`. */

import { expect, test } from "vitest";
import { renderBootstrap } from "../src/bootstrap/render.ts";
import { selectControlPlane } from "../src/controlplane/select.ts";
import { MendError } from "../src/errors/errors.ts";
import type { JsonObject, KubeObject } from "../src/kube/object.ts";
import { companions, configMap, mirrorPod, node, object, secret, workload } from "./cluster-objects.ts";
import { fc } from "./properties.ts";

const volumes = [
  { name: "s", secret: { secretName: "s", items: [{ key: "k", path: "p" }] } },
  { name: "c", configMap: { name: "c" } },
  { name: "p", projected: { sources: [{ secret: { name: "s" } }] } },
];
const container = {
  env: [{ name: "E", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }],
  envFrom: [{ configMapRef: { name: "c" } }],
  volumeMounts: [{ name: "s", mountPath: "/s" }],
};
const SELF_HOSTED = [
  workload("kube-apiserver", { spec: { volumes }, container }),
  ...companions(),
  secret("kube-system/s", { k: "v" }),
  configMap("kube-system/c", { k: "v" }),
  object("etcd.database.coreos.com/v1beta2", "EtcdCluster", "kube-system/kube-etcd", { spec: { TLS: {} } }),
  node("n1", { "node-role.kubernetes.io/master": "" }),
];
const STATIC = [
  ...["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"].map((name) =>
    mirrorPod(name, "n1", {
      spec: {
        containers: [{ name, command: [name, "--x=/s/f"], ...container }],
        volumes: [{ name: "s", hostPath: { path: "/h" } }],
      },
    }),
  ),
  node("n1"),
];

/** Every place in a value, as a path. */
function places(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [[...path]];
  return [[...path], ...Object.entries(value).flatMap(([key, each]) => places(each, [...path, key]))];
}

function replaced(value: unknown, path: readonly string[], by: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return by;
  if (Array.isArray(value)) return value.map((each, i) => (String(i) === first ? replaced(each, rest, by) : each));
  return { ...(value as object), [first]: replaced((value as JsonObject)[first], rest, by) };
}

test.each([
  ["self-hosted", SELF_HOSTED],
  ["static pods", STATIC],
])("%s, with anything anywhere", (_, objects) => {
  // A value without apiVersion and kind is no object: whoever decodes it has seen to that. Anything else may be of any type.
  const all = places(objects).filter(([, field]) => field !== undefined && !["apiVersion", "kind"].includes(field));
  const backup = { path: "/backup.db", hasHash: true, etcdPrefix: "/registry", clusterToken: "t" };
  const anything = fc.oneof(
    fc.constantFrom(null, 0, "", "x", true, [], {}, [null], [[]], ["--a"], { a: null }),
    fc.json().map((text) => JSON.parse(text)),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...all), anything), { minLength: 1, maxLength: 3 }), (changes) => {
      let damaged: unknown = objects;
      for (const [path, by] of changes) {
        if (places(damaged).some((each) => each.join("/") === path.join("/"))) damaged = replaced(damaged, path, by);
      }
      try {
        const plane = selectControlPlane(damaged as KubeObject[]);
        const { assets } = renderBootstrap(plane, { kubeconfig: new Uint8Array(), etcdBackup: backup });
        for (const { path } of assets) expect(path).not.toMatch(/(^|\/)\.\.?(\/|$)|^\/|\p{Cc}/u);
      } catch (error) {
        if (!(error instanceof MendError) || error.code === "internal") throw error;
      }
    }),
    { numRuns: 1000 },
  );
});
