import { expect, test } from "vitest";
import type { RuntimePod } from "./observe.ts";
import { RunningContainers } from "./running-containers.ts";

const container = (running: boolean) => ({ id: "c", name: "c", attempt: 0, running });
const pod = (running: boolean): RuntimePod => ({
  namespace: "kube-system",
  name: "p",
  uid: "u",
  ready: true,
  labels: {},
  annotations: {},
  containers: [container(running)],
});

test("the time counts from the first look at which it runs", () => {
  const containers = new RunningContainers();
  expect([5, 7, 12].map((now) => containers.runningFor(container(true), now))).toEqual([0, 2, 7]);
  expect(containers.runningFor(container(false), 13)).toBe(0);
});

test("a container that has stopped meanwhile starts over", () => {
  const containers = new RunningContainers();
  containers.runningFor(container(true), 5);
  containers.keep([pod(true)]);
  expect(containers.runningFor(container(true), 6)).toBe(1);
  containers.keep([pod(false)]);
  expect(containers.runningFor(container(true), 9)).toBe(0);
});
