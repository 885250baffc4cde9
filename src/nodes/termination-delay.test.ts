import { expect, test } from "vitest";
import type { KubeObject } from "../kube/object.ts";
import { delayOf, delayText } from "./termination-delay.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const seconds = (count: number) => new Date(NOW + count * 1000).toISOString();

function pod(metadata: object): KubeObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { name: "p", namespace: "default", ...metadata } } as KubeObject;
}

test.each([
  ["time", { deletionTimestamp: seconds(20) }, true, "ends within 20 s"],
  [
    "a finalizer, once its containers are gone",
    { deletionTimestamp: seconds(20), deletionGracePeriodSeconds: 0, finalizers: ["a/b"] },
    true,
    'held by finalizer "a/b": whoever put it there has to take it off',
  ],
  [
    "finalizers, once its time is over",
    { deletionTimestamp: seconds(-1), finalizers: ["a", "b"] },
    undefined,
    'held by finalizers "a", "b": whoever put them there has to take them off',
  ],
  ["time, before its finalizers count", { deletionTimestamp: seconds(5), finalizers: ["a"] }, true, "ends within 5 s"],
  [
    "its node",
    { deletionTimestamp: seconds(20) },
    false,
    "its node's kubelet does not answer, so nobody confirms that it has ended",
  ],
  [
    "its kubelet",
    { deletionTimestamp: seconds(-60) },
    true,
    "should have ended 60 s ago: its kubelet has not ended it (see the kubelet's log)",
  ],
])("%s holds it", (_, metadata, answers, text) => {
  expect(delayText(delayOf(pod(metadata), answers, NOW), NOW)).toBe(text);
});
