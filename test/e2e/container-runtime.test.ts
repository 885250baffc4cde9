/** The client of the container runtime, against a real containerd in both versions of its interface. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type ContainerRuntime,
  findRuntimeEndpoint,
  openContainerRuntime,
} from "../../src/io/node/container-runtime.ts";
import { type Bed, createBed } from "../../testbed/bed.ts";
import { WEB } from "../../testbed/images.ts";
import { CONTAINERD_SOCKET, type Node, startNode } from "../../testbed/node.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster } from "./kubernetes.ts";
import { type MadePod, makePod } from "./made-containers.ts";

describeWithCluster("the container runtime", (kubernetes) => {
  let bed: Bed;
  let node: Node;
  let socket: string;

  beforeAll(async () => {
    bed = createBed();
    node = await startNode(bed, kubernetes, "node1", { kubelet: false });
    socket = node.outsidePath(CONTAINERD_SOCKET);
  });
  afterAll(() => bed?.remove());

  const pod = (name: string, command?: readonly string[]): Promise<MadePod> =>
    makePod(socket, "kube-system", name, `/${bed.id}/${node.name}`, command);

  test("is found where it listens, and spoken to in its newest version", async () => {
    expect(findRuntimeEndpoint(undefined, node.outsidePath(""))).toBe(`unix://${socket}`);
    const reported = {
      pid: 1,
      staticPods: null,
      nodeName: "x",
      rootDirectory: "/",
      runtimeEndpoint: "/run/other.sock",
    };
    expect(findRuntimeEndpoint(reported)).toBe("unix:///run/other.sock");
    const runtime = await openContainerRuntime(`unix://${socket}`);
    expect(runtime.cri).toBe("v1");
    expect(runtime.version.name).toBe("containerd");
    expect(runtime.version.version).toMatch(/^v?\d+\.\d+/);
    runtime.close();
  });

  describe.each(["v1", "v1alpha2"] as const)("%s", (cri) => {
    let runtime: ContainerRuntime;
    beforeAll(async () => {
      runtime = await openContainerRuntime(`unix://${socket}`, { cri });
    });
    afterAll(() => runtime?.close());

    test("lists, stops and removes a pod and its containers", async () => {
      const made = await pod(`web-${cri}`);
      const sandbox = (await runtime.podSandboxes()).find(({ id }) => id === made.sandbox);
      expect(sandbox).toMatchObject({ namespace: "kube-system", name: `web-${cri}`, attempt: 1, ready: true });
      expect(sandbox).toMatchObject({ uid: `uid-of-web-${cri}`, annotations: { note: "made for a test" } });
      const container = (await runtime.containers()).find(({ id }) => id === made.container);
      expect(container).toMatchObject({ sandboxId: made.sandbox, name: "web", state: "running", image: WEB.name });
      expect(container?.labels["io.kubernetes.pod.name"]).toBe(`web-${cri}`);
      expect(container?.createdAt).toBeLessThanOrEqual(Date.now());
      expect(container?.createdAt).toBeGreaterThan(Date.now() - 600_000);

      await runtime.stopContainer(made.container, 5);
      const ended = await runtime.containerStatus(made.container);
      expect(ended).toMatchObject({ state: "exited", exitCode: 143, name: "web" });
      expect(ended?.logPath).toBe(`/var/log/pods/kube-system_web-${cri}_uid-of-web-${cri}/web/0.log`);
      expect(ended!.finishedAt).toBeGreaterThanOrEqual(ended!.startedAt);
      await runtime.removeContainer(made.container);
      expect(await runtime.containerStatus(made.container)).toBeUndefined();

      await runtime.stopPodSandbox(made.sandbox);
      expect((await runtime.podSandboxes()).find(({ id }) => id === made.sandbox)?.ready).toBe(false);
      await runtime.removePodSandbox(made.sandbox);
      expect((await runtime.podSandboxes()).map(({ id }) => id)).not.toContain(made.sandbox);
      // and once more: what is gone is no error
      await runtime.stopContainer(made.container, 1);
      await runtime.removeContainer(made.container);
      await runtime.stopPodSandbox(made.sandbox);
      await runtime.removePodSandbox(made.sandbox);
    });

    test("tells how a container ended, and where its log is", async () => {
      const made = await pod(`fails-${cri}`, ["/bin/sh", "-c", "echo it fails; exit 3"]);
      const status = await waitFor("the container to end", async () => {
        const now = await runtime.containerStatus(made.container);
        return now?.state === "exited" ? now : false;
      });
      expect(status).toMatchObject({ exitCode: 3, reason: "Error" });
      expect(readFileSync(node.outsidePath(status.logPath), "utf8")).toMatch(/^\S+ stdout F it fails\n$/);
      await runtime.removePodSandbox(made.sandbox); // with its container
      expect((await runtime.containers()).map(({ id }) => id)).not.toContain(made.container);
    });

    test("knows the images", async () => {
      const web = (await runtime.images()).find(({ tags }) => tags.includes(WEB.name));
      expect(web?.id).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(web?.size).toBeGreaterThan(100_000);
      expect(await runtime.imageStatus(WEB.name)).toEqual(web);
      expect(await runtime.imageStatus("kubemend.test/none:1")).toBeUndefined();
    });

    test("stops waiting when interrupted", async () => {
      const interruption = new AbortController();
      const own = await openContainerRuntime(`unix://${socket}`, { cri, signal: interruption.signal });
      const made = await pod(`stays-${cri}`, ["/bin/sh", "-c", 'trap "" TERM; echo ready; while :; do sleep 1; done']);
      const { logPath } = (await own.containerStatus(made.container))!;
      await waitFor("the container to be ready", async () => readFileSync(node.outsidePath(logPath), "utf8") !== "");
      const stopping = own.stopContainer(made.container, 600);
      setTimeout(() => interruption.abort(new Error("enough")), 50);
      await expect(stopping).rejects.toThrow("enough");
      await expect(own.containers()).rejects.toThrow("enough");
      own.close();
      await runtime.removePodSandbox(made.sandbox);
    });
  });

  test("what cannot be reached is said in words", async () => {
    await expect(openContainerRuntime(`unix://${socket}.not`)).rejects.toMatchObject({
      code: "runtime-unreachable",
      message: `cannot reach the container runtime at "unix://${socket}.not": there is no such socket`,
    });
    await expect(openContainerRuntime("tcp://127.0.0.1:1")).rejects.toMatchObject({ code: "unsupported" });
    await expect(openContainerRuntime(`unix://${bed.path("bed.json")}`)).rejects.toMatchObject({
      code: "runtime-unreachable",
    });
    const silent = createServer().listen(bed.path("silent.sock"));
    await once(silent, "listening");
    await expect(openContainerRuntime(`unix://${bed.path("silent.sock")}`, { timeout: 200 })).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringMatching(/did not (?:connect|answer) within 0.2 s$/),
    });
    silent.close();
    const foreign = createServer((peer) => peer.end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(bed.path("http.sock"));
    await once(foreign, "listening");
    await expect(openContainerRuntime(`unix://${bed.path("http.sock")}`)).rejects.toMatchObject({
      code: "runtime-unreachable",
    });
    foreign.close();
  });
});
