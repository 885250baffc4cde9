/**
 * The pod checkpointer as it is deployed: its own manifests, its own image, on the masters of a self-hosted cluster
 * whose only API servers are pods. What becomes of the cluster when a master reboots, its API server is deleted, moves
 * to another master or cannot be reached, or a static pod's manifest is lost.
 */
import { afterAll, beforeAll, expect } from "vitest";
import type { ControlPlane } from "../../testbed/control-plane.ts";
import { hyperkubeImage, kubemendImage } from "../../testbed/images.ts";
import type { Node } from "../../testbed/node.ts";
import { holdAddress, MASTER_LABEL, MASTER_TAINT, startSelfHosted } from "../../testbed/self-hosted.ts";
import { waitFor } from "../../testbed/wait.ts";
import { kubemend } from "../kubemend.ts";
import { checkpointIs, parentWeb, statusOf } from "./checkpointing.ts";
import { builtExecutable } from "./executable.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

/** Where everybody finds an API server: on whichever master holds the address. */
const SERVER_ADDRESS = "10.77.0.100";
const AGENT_LABEL = "kubemend.test/checkpointer";
const API_SERVER = "kube-system/DaemonSet/kube-apiserver";
const AGENT = "kube-system/DaemonSet/pod-checkpointer";

const SOLO = `
apiVersion: v1
kind: Pod
metadata: {name: solo, namespace: default}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 1
  containers:
  - {name: solo, image: "kubemend.test/web:1", imagePullPolicy: Never, env: [{name: PORT, value: "8089"}],
     volumeMounts: [{name: config, mountPath: /config}]}
  volumes:
  - {name: config, hostPath: {path: /etc/kubernetes/solo.conf}}
`;

describeWithCluster("the checkpointer on masters", (kubernetes) => {
  let plane: ControlPlane;
  let first: Node;
  let second: Node;
  let images: NonNullable<Parameters<typeof startSelfHosted>[0]>["images"];

  beforeAll(async () => {
    images = [kubemendImage(await builtExecutable())];
    plane = await startSelfHosted({ kubernetes, images, sharedAddress: SERVER_ADDRESS });
    first = plane.nodes.get("node1")!;
    await label("node1", AGENT_LABEL);
    const flags = [`--server=${plane.server}`, `--node-label=${AGENT_LABEL}`, "--protect-manifests"];
    const { stdout } = await kubemend("/", ["checkpoint", "manifests", ...flags]);
    // Shorter than by default, but long enough for controllers that crashed meanwhile to make a new pod of the API server.
    const shorter = stdout
      .replace("--checkpoint-grace-period=5m", "--checkpoint-grace-period=2m")
      .replace("--protect-manifests=mend", ["$&", "--protect-after=5s", "--healthy-after=5s"].join("\n            - "));
    await plane.api.apply(shorter);
    await deployed(first);
  });
  afterAll(() => plane?.[Symbol.asyncDispose]());

  const label = (node: string, name: string, value: string | null = "") =>
    plane.api.patch(`/api/v1/nodes/${node}`, { metadata: { labels: { [name]: value } } });
  const manifests = async (node: Node) =>
    (await node.run(["ls", "/etc/kubernetes/manifests"])).split("\n").filter(Boolean);
  const pods = (component: string) =>
    plane.api.list(`/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3D${component}`);
  const lease = (name: string) =>
    plane.api.get(`/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/${name}`).then(({ spec }) => spec);

  /** The agent runs there from its own manifest, and has a good copy of the API server. */
  async function deployed(node: Node): Promise<void> {
    await checkpointIs(node, AGENT, "self", 120);
    const { generations } = await checkpointIs(node, API_SERVER, "inactive", 120);
    expect(generations.length).toBeGreaterThan(0);
    await waitFor(
      "the copy of the API server to be known as good",
      async () =>
        (await checkpointIs(node, API_SERVER, "inactive")).generations.some((each: { proven: boolean }) => each.proven),
      { seconds: 90, everyMilliseconds: 1000 },
    );
    await waitFor("the agent's own copy to be with the kubelet", async () => (await manifests(node)).length > 0);
  }

  /** One API server of the DaemonSet's runs on the node, the copy is put away, and the controllers hold their leases; and it stays so. */
  async function recovered(node: Node): Promise<void> {
    const isRenewed = async (name: string) => Date.now() - Date.parse((await lease(name)).renewTime) < 10_000;
    let steadySince: number | undefined;
    let seen: unknown;
    await waitFor(
      "the control plane to be as it was",
      async () => {
        const before = steadySince;
        steadySince = undefined; // also when something below fails
        const [containers, files, { checkpoints, findings }] = [
          (await node.containers()).filter((name) => name.endsWith("/kube-apiserver")),
          (await manifests(node)).filter((name) => !name.includes("pod-checkpointer")),
          await statusOf(node),
        ];
        const state = checkpoints.find((each: { id: string }) => each.id === API_SERVER)?.state;
        const holds = [await isRenewed("kube-controller-manager"), await isRenewed("kube-scheduler")];
        seen = { containers, files, state, holds, findings };
        const isParent = containers.length === 1 && !containers[0]!.includes(`-${node.name}/`);
        const isRight =
          isParent && files.length === 0 && state === "inactive" && !holds.includes(false) && findings.length === 0;
        steadySince = isRight ? (before ?? Date.now()) : undefined;
        return steadySince !== undefined && Date.now() - steadySince > 15_000;
      },
      { seconds: 300, everyMilliseconds: 1000, explain: () => JSON.stringify(seen) },
    );
    await plane.podsReady("kube-system", "k8s-app=kube-apiserver", plane.nodes.size);
  }

  longTest("the only master reboots", async () => {
    await first.reboot();
    await holdAddress(first, SERVER_ADDRESS);
    first.startKubelet();
    await waitFor("an API server to answer", async () => (await plane.api.get("/readyz")) === "ok", {
      seconds: 180,
      explain: () => first.kubelet?.lastLines() ?? "",
    });
    await recovered(first);
  });

  longTest("the only API server's pod is deleted", async () => {
    const [pod] = await pods("kube-apiserver");
    await plane.api.delete(`/api/v1/namespaces/kube-system/pods/${pod.metadata.name}`);
    await waitFor(
      "another pod of it",
      async () => (await pods("kube-apiserver"))[0]?.metadata.uid !== pod.metadata.uid,
      {
        seconds: 180,
      },
    );
    await recovered(first);
  });

  longTest("the API server moves to another master, and its copy here goes", async () => {
    second = await plane.addNode("node2", {
      images: [hyperkubeImage(kubernetes), ...images!],
      taints: [MASTER_TAINT],
      labels: { [AGENT_LABEL]: "" },
    });
    await label("node2", MASTER_LABEL);
    await plane.podsReady("kube-system", "k8s-app=kube-apiserver", 2, 180);
    await deployed(second);

    await first.run(["ip", "address", "del", `${SERVER_ADDRESS}/32`, "dev", "eth0"]);
    await holdAddress(second, SERVER_ADDRESS);
    // The connections to the old holder of the address break.
    await waitFor("the label to be taken off", () => label("node1", MASTER_LABEL, null));
    await waitFor(
      "the first master to have no API server, and no copy of it",
      async () =>
        !(await first.containers()).some((name) => name.endsWith("/kube-apiserver")) &&
        !(await statusOf(first)).checkpoints.some((each: { id: string }) => each.id === API_SERVER),
      { seconds: 300, everyMilliseconds: 500, explain: async () => JSON.stringify(await statusOf(first)) },
    );
    const left = await first.run(["find", "/etc/kubernetes", "-path", "*apiserver*"]);
    expect(left).toBe("");
    expect(await plane.api.get("/readyz")).toBe("ok");
    // On both masters, each beside its own checkpoint, which has the same labels.
    await plane.podsReady("kube-system", "k8s-app=pod-checkpointer", 4);
  });

  longTest(
    "a node is cut off from the API server: what runs keeps running, and comes back after a reboot",
    async () => {
      const id = "kube-system/DaemonSet/web";
      await plane.api.apply(
        parentWeb("web", 8088).replace(
          "hostNetwork: true",
          `hostNetwork: true\n      nodeName: node1\n      tolerations: [{operator: Exists}]`,
        ),
      );
      await checkpointIs(first, id, "inactive", 90);
      await waitFor("the copy to be known as good", async () =>
        (await checkpointIs(first, id, "inactive")).generations.some((each: { proven: boolean }) => each.proven),
      );
      const webs = async () => (await first.containers()).filter((name) => name.endsWith("/web"));
      const before = await webs();
      expect(before).toHaveLength(1);

      await second.run(["ip", "route", "add", "blackhole", `${first.address}/32`]); // answers go nowhere
      await waitFor("the agent to notice", async () => (await statusOf(first)).apiServer !== null, { seconds: 90 });
      await checkpointIs(first, id, "inactive");
      expect(await webs()).toEqual(before);

      await first.reboot();
      await checkpointIs(first, id, "active", 120);
      await waitFor("the copy to serve", () => first.run(["busybox", "wget", "-qO-", "http://127.0.0.1:8088"]));
      expect(await webs()).toHaveLength(1);

      await second.run(["ip", "route", "del", "blackhole", `${first.address}/32`]);
      await checkpointIs(first, id, "inactive", 180);
      await waitFor("the parent to run alone", async () => (await webs()).join() === before.join(), { seconds: 90 });
      expect(await manifests(first)).toEqual(
        (await manifests(first)).filter((name) => name.includes("pod-checkpointer")),
      );
    },
  );

  longTest("a static pod's manifest is deleted, and what it mounts is cut off", async () => {
    const [manifest, config] = ["/etc/kubernetes/manifests/solo.yaml", "/etc/kubernetes/solo.conf"];
    await first.write(config, "first line\nsecond line\n");
    await first.write(manifest, SOLO);
    const serves = () => first.run(["busybox", "wget", "-qO-", "http://127.0.0.1:8089"], { timeoutSeconds: 5 });
    await waitFor("the static pod to serve", serves, { seconds: 90 });
    await waitFor("its copy", () => first.read("/etc/kubernetes/protected-manifests/solo.yaml/000001.copy"));

    await first.run(["truncate", "-s", "4", config]);
    await first.run(["rm", manifest]);
    await waitFor("the pod to end", async () => !(await first.containers()).some((name) => name.endsWith("/solo")));
    await waitFor("the pod to be back", serves, {
      seconds: 90,
      explain: async () => JSON.stringify(await statusOf(first)),
    });
    expect(await first.read(config)).toBe("first line\nsecond line\n");
    expect(await first.run(["stat", "-c", "%a", manifest, config])).toBe("600\n600\n");

    await first.run(["mv", manifest, "/etc/kubernetes/solo.yaml.off"]); // on purpose
    await waitFor("the agent to tell", async () =>
      (await statusOf(first)).findings.some((each: { text: string }) => each.text.includes("was moved to")),
    );
    await first.run(["rm", "-r", "/etc/kubernetes/protected-manifests/solo.yaml"]);
  });
});
