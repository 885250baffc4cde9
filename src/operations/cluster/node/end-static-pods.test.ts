import { beforeEach, expect, test } from "vitest";
import { MendError } from "../../../errors/errors.ts";
import type { PodSandbox, RuntimeContainer } from "../../../io/node/container-runtime-messages.ts";
import { type StaticPods, staticPodsOf } from "./end-static-pods.ts";

const FILE = { "kubernetes.io/config.source": "file" };

let sandboxes: PodSandbox[];
let containers: RuntimeContainer[];
let calls: string[];
let said: string[];
let isSilent: boolean;
let pods: StaticPods;
beforeEach(() => {
  [sandboxes, containers, calls, said, isSilent] = [[], [], [], [], false];
  const runtime = {
    podSandboxes: async () => {
      if (isSilent) throw new MendError("runtime-unreachable", "the runtime is away");
      return [...sandboxes];
    },
    containers: async () => [...containers],
    containerStatus: () => Promise.reject(new Error("not asked")),
    images: () => Promise.reject(new Error("not asked")),
    imageStatus: () => Promise.reject(new Error("not asked")),
    stopPodSandbox: async (id: string) => void calls.push(`stop pod ${id}`),
    removeContainer: () => Promise.reject(new Error("not asked")),
    removePodSandbox: async (id: string) => {
      calls.push(`remove ${id}`);
      if (id === "kube-scheduler") throw new MendError("runtime-refused", "it is being removed");
    },
    stopContainer: async (id: string, grace: number) => {
      calls.push(`stop ${id} ${grace}`);
      if (id === "fails-1") throw new MendError("runtime-refused", "not now");
    },
    close: () => {},
  };
  pods = staticPodsOf(runtime, "m1", (text) => said.push(text));
});

function add(component: string, ready = true, annotations: Readonly<Record<string, string>> = FILE): void {
  // kubeadm labels them; others name them only.
  const labels = component === "etcd" ? {} : { component };
  const about = { namespace: "kube-system", name: `${component}-m1`, uid: "u", attempt: 0, createdAt: 0 };
  sandboxes.push({ id: component, ...about, ready, labels, annotations });
  if (ready) run(component, `${component}-1`);
}

function run(sandboxId: string, id: string, state: RuntimeContainer["state"] = "running"): void {
  const about = { name: sandboxId, attempt: 0, image: "", imageRef: "", createdAt: 0, labels: {}, annotations: {} };
  containers.push({ id, sandboxId, state, ...about });
}

test("what runs of the control plane's static pods is asked to end, and nothing else", async () => {
  for (const name of ["kube-apiserver", "etcd", "haproxy"]) add(name);
  add("kube-scheduler", true, { "kubernetes.io/config.source": "api" });
  add("kube-controller-manager", false);
  run("etcd", "etcd-0", "exited");
  expect(await pods.end()).toEqual(["etcd", "kube-apiserver"]);
  expect(calls).toEqual(["stop kube-apiserver-1 1", "stop etcd-1 15"]);
});

test("each is asked once, what the kubelet starts again anew, and what the runtime would not end once more", async () => {
  add("etcd");
  await pods.end();
  await pods.end();
  run("etcd", "etcd-2");
  run("etcd", "fails-1");
  await pods.end();
  await pods.end();
  expect(calls).toEqual(["stop etcd-1 15", "stop etcd-2 15", "stop fails-1 15", "stop fails-1 15"]);
});

test("what has ended is removed, and no pod that the kubelet holds", async () => {
  for (const name of ["kube-scheduler", "etcd", "haproxy"]) add(name, false);
  add("kube-apiserver");
  await pods.removeEnded();
  expect([calls, said]).toEqual([["remove kube-scheduler", "remove etcd"], ["it is being removed"]]);
});

test("pods that the kubelet holds are stopped, and no others", async () => {
  add("etcd", false);
  for (const name of ["kube-apiserver", "haproxy"]) add(name);
  await pods.stop();
  expect(calls).toEqual(["stop pod kube-apiserver"]);
});

test("a runtime that does not answer is reported, and holds nothing up", async () => {
  add("etcd");
  isSilent = true;
  expect(await pods.end()).toEqual([]);
  await pods.removeEnded();
  expect([calls, said]).toEqual([[], ["the runtime is away", "the runtime is away"]]);
});

test("a runtime that answers no more says nothing new of what the kubelet holds", async () => {
  add("etcd");
  await pods.end();
  isSilent = true;
  expect(await pods.end()).toEqual(["etcd"]);
});
