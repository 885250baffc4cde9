import { expect, test } from "vitest";
import { ApiError } from "../../../io/api-server/cluster-api.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { KubeletNudge } from "./nudge-kubelets.ts";

function pod(uid: string, started = true): KubeObject {
  const annotations = { "kubernetes.io/config.mirror": "a" };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `etcd-${uid}`, namespace: "kube-system", uid, annotations },
    spec: { nodeName: "m1", containers: [{ name: "etcd" }] },
    status: { conditions: [], containerStatuses: [{ name: "etcd", started, ready: false }] },
  };
}

test("what is passed over for two seconds is changed once", async () => {
  const calls: [string, JsonObject][] = [];
  const api = {
    patch: async (path: string, patch: JsonObject): Promise<KubeObject> => {
      calls.push([path, patch]);
      if (path.endsWith("b")) throw new ApiError("api-refused", 404, {}, "it", "");
      return pod("a");
    },
  };
  const nudge = new KubeletNudge(["m1"], "restore-1");
  const see = (pods: KubeObject[], now: number) => nudge.see(api, pods, now, undefined);
  await see([pod("a"), pod("b", false)], 0);
  await see([pod("a"), pod("b")], 1999);
  expect(calls).toEqual([]);
  await see([pod("a"), pod("b")], 2000);
  expect(calls).toEqual([
    [
      "/api/v1/namespaces/kube-system/pods/etcd-a",
      { metadata: { annotations: { "kubemend.io/restored-by": "restore-1" } } },
    ],
  ]);
  await see([pod("a"), pod("b", false)], 3000); // it begins anew
  await see([pod("a"), pod("b")], 4500);
  expect(calls).toHaveLength(1);
  await see([pod("a"), pod("b")], 6500);
  await see([pod("a"), pod("b")], 9000);
  expect(calls.map(([path]) => path.at(-1))).toEqual(["a", "b"]);
});
