/**
 * The checkpointer with a real API server, kubelet and containerd: pods are copied with their secrets, come back
 * without an API server, and leave nothing behind when nobody wants them.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../testbed/control-plane.ts";
import { kubemendImage } from "../../testbed/images.ts";
import type { Node } from "../../testbed/node.ts";
import { waitFor } from "../../testbed/wait.ts";
import {
  AGENT_KUBECONFIG,
  agentDaemonSet,
  checkpointFiles,
  checkpointIs,
  filesOf,
  openSecrets,
  parentWeb,
  SERVICE,
  startCheckpointer,
  statusOf,
} from "./checkpointing.ts";
import { builtExecutable } from "./executable.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

const PODS = "/api/v1/namespaces/kube-system/pods";
const DAEMON_SETS = "/apis/apps/v1/namespaces/kube-system/daemonsets";

describeWithCluster("the checkpointer of a node", (kubernetes) => {
  let plane: ControlPlane;
  let node: Node;

  beforeAll(async () => {
    plane = await startControlPlane({ kubernetes });
    const images = [kubemendImage(await builtExecutable())];
    node = await plane.addNode("node1", { images, readOnlyPort: 10_255 });
    await startCheckpointer(plane, node);
  });
  afterAll(() => plane?.[Symbol.asyncDispose]());

  const id = (name: string) => `kube-system/DaemonSet/${name}`;
  const podOf = async (name: string) => (await plane.podsReady("kube-system", `app=${name}`, 1))[0].metadata.name;
  const proven = (name: string, count: number) =>
    waitFor(`${count} good copies of "${name}"`, async () => {
      const { checkpoints } = await statusOf(node);
      const found = checkpoints.find((each: { id: string }) => each.id === id(name));
      return found?.generations.length === count && found.generations[0].proven && found;
    });
  const readSecrets = async (directory: string) => (await node.run(["sh", "-c", `cat ${directory}/*`])).trim();

  longTest("follows a secret that changes, and keeps the copy with the one before", async () => {
    await plane.api.apply(parentWeb("secret", 8101, "first"));
    const pod = await podOf("secret");
    const before = await proven("secret", 1);
    const own = (files: string[]) => files.find((path) => path.includes("/secret-secret/"))!;
    expect(await readSecrets(own(before.files))).toBe("first");
    await plane.api.patch("/api/v1/namespaces/kube-system/secrets/secret-secret", { stringData: { key: "second" } });
    const after = await proven("secret", 2);
    expect(await readSecrets(own(after.files))).toBe("second");
    expect(await readSecrets(own(before.files))).toBe("first");
    expect(await openSecrets(node)).toEqual([]);
    expect((await filesOf(node, pod)).some((line) => line.includes("/etc/kubernetes/manifests/"))).toBe(false);
    await plane.api.delete(`${DAEMON_SETS}/secret`);
    await waitFor("nothing of it to be left", async () => (await filesOf(node, pod)).length === 0);
  });

  longTest("lists the kubelet's pods as the API server has them, by both of its ports", async () => {
    await plane.api.apply(parentWeb("listed", 8105));
    const pod = await podOf("listed");
    const script = join(import.meta.dirname, "list-kubelet-pods.ts");
    for (const args of [[AGENT_KUBECONFIG], []]) {
      const pods = JSON.parse(await node.run([process.execPath, script, ...args]));
      const found = pods.find((each: { metadata: { name: string } }) => each.metadata.name === pod);
      expect(found).toMatchObject({ apiVersion: "v1", kind: "Pod", spec: { nodeName: "node1" } });
    }
    await plane.api.delete(`${DAEMON_SETS}/listed`);
  });

  test("forgets a pod that asks for it no more, and leaves it running", async () => {
    await plane.api.apply(parentWeb("annotated", 8102));
    const pod = await podOf("annotated");
    await proven("annotated", 1);
    const annotations = { "checkpointer.alpha.coreos.com/checkpoint": null };
    await plane.api.patch(`${PODS}/${pod}`, { metadata: { annotations } });
    await waitFor("nothing of it to be left", async () => (await filesOf(node, pod)).length === 0);
    expect(await node.containers()).toContain(`kube-system/${pod}/web`);
    const known = (await statusOf(node)).checkpoints.map((each: { id: string }) => each.id);
    expect(known).not.toContain(id("annotated"));
    await plane.api.delete(`${DAEMON_SETS}/annotated`);
  });

  longTest("with a full disk keeps what it has, says so, and runs a copy all the same", async () => {
    await plane.api.apply(parentWeb("full", 8103));
    const pod = await podOf("full");
    await proven("full", 1);
    await node.stopService(SERVICE);
    await node.stopKubelet();
    const small =
      "mkdir /run/kept; cp -a /etc/kubernetes/. /run/kept; mount -t tmpfs -o size=2m tmpfs /etc/kubernetes; " +
      "cp -a /run/kept/. /etc/kubernetes";
    await node.run(["sh", "-ec", small]);
    node.startKubelet();
    await startCheckpointer(plane, node);
    await proven("full", 1);
    await node.runForResult(["dd", "if=/dev/zero", "of=/etc/kubernetes/fill", "bs=4k"]);
    await plane.api.patch("/api/v1/namespaces/kube-system/secrets/full-secret", { stringData: { key: "second" } });
    const reported = await waitFor("it to say that the disk is full", async () =>
      (await statusOf(node)).findings.find(({ code }: { code: string }) => code === "no-space"),
    );
    expect(reported.level).toBe("error");
    expect((await proven("full", 1)).state).toBe("inactive");

    await plane.bed.processes.get("kube-apiserver")!.kill();
    await node.stopKubelet();
    await node.killContainers();
    const { generations } = await checkpointIs(node, id("full"), "active");
    expect(generations).toHaveLength(1);
    node.startKubelet();
    await waitFor("it to run", async () => (await node.containers()).includes(`kube-system/${pod}-node1/web`), {
      seconds: 150,
      explain: () => node.kubelet?.lastLines() ?? "",
    });
    await node.run(["rm", "/etc/kubernetes/fill"]);
    await plane.startApiServer();
    await checkpointIs(node, id("full"), "inactive", 120);
    await proven("full", 2);
    expect(await openSecrets(node)).toEqual([]);
    await plane.api.delete(`${DAEMON_SETS}/full`);
    await waitFor("nothing of it to be left", async () => (await filesOf(node, pod)).length === 0);
    await node.stopService(SERVICE);
    await node.stopKubelet();
    await node.run(["umount", "-l", "/etc/kubernetes"]);
    node.startKubelet();
  });

  longTest(
    "as a pod looks after itself, runs without an API server after a reboot, and cleans up when removed",
    async () => {
      await node.stopService(SERVICE); // it has the lock
      const kubeconfig = readFileSync(join(plane.authority.directory, "checkpointer.kubeconfig"), "utf8");
      await plane.api.apply(parentWeb("kept", 8104));
      for (const object of agentDaemonSet(kubeconfig)) await plane.api.applyObject(object);
      const pod = await podOf("kept");
      // Its checkpoint, which runs beside it, has the same labels.
      const agent = (await plane.podsReady("kube-system", "app=agent", 2))
        .map(({ metadata }) => metadata.name as string)
        .find((name) => !name.endsWith("-node1"))!;
      await proven("kept", 1);
      await checkpointIs(node, id("agent"), "self");
      expect(await filesOf(node, agent)).toContain(`600 f /etc/kubernetes/manifests/kube-system-${agent}.json`);
      await plane.bed.processes.get("kube-apiserver")!.kill();
      await node.reboot();
      const runs = (name: string) =>
        waitFor(
          `"${name}" to run`,
          async () => (await node.containers()).some((each) => each.startsWith(`kube-system/${name}/`)),
          {
            seconds: 120,
            explain: () => node.kubelet?.lastLines() ?? "",
          },
        );
      await runs(`${agent}-node1`);
      await runs(`${pod}-node1`);
      expect((await checkpointIs(node, id("kept"), "active")).cause).toBe(
        "no API server can be asked, and its parent does not run",
      );
      await plane.startApiServer();
      await runs(pod);
      await checkpointIs(node, id("kept"), "inactive", 150);

      await plane.api.delete(`${DAEMON_SETS}/agent`);
      await waitFor(
        "nothing of it to be left",
        async () => (await checkpointFiles(node)).every((line) => line.includes(" d ")),
        {
          seconds: 120,
          explain: async () => (await checkpointFiles(node)).join("\n"),
        },
      );
      const left = (await checkpointFiles(node)).filter((line) => !line.endsWith("/.generations"));
      expect(left).toEqual([]);
      await waitFor("its pods to end", async () => !(await node.containers()).some((each) => each.includes(agent)));
      expect(await node.containers()).toContain(`kube-system/${pod}/web`);
    },
  );
});
