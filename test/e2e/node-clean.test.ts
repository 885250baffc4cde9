/** `kubemend node clean` on a real node: a kubelet, containerd, pods with volumes, an etcd of its own. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../testbed/control-plane.ts";
import { ETCD } from "../../testbed/images.ts";
import { type Node, STATIC_PODS_PATH } from "../../testbed/node.ts";
import type { RunResult } from "../../testbed/processes.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";
import { KUBEMEND } from "./rendered-cluster.ts";

const ETCD_POD = `
apiVersion: v1
kind: Pod
metadata: {name: etcd, namespace: kube-system}
spec:
  hostNetwork: true
  containers:
  - name: etcd
    image: ${ETCD.name}
    imagePullPolicy: IfNotPresent
    command: [etcd, --data-dir=/data/main, "--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379"]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, hostPath: {path: /var/lib/etcd, type: DirectoryOrCreate}}]
`;

/** Keeps what it is told in an emptyDir, and has a secret mounted. */
const STORE = `
apiVersion: v1
kind: Secret
metadata: {name: store, namespace: default}
stringData: {word: hidden}
---
apiVersion: v1
kind: Pod
metadata: {name: store, namespace: default, labels: {app: store}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: store
    image: "kubemend.test/web:1"
    imagePullPolicy: IfNotPresent
    volumeMounts: [{name: kept, mountPath: /kept}, {name: secret, mountPath: /secret}]
  volumes: [{name: kept, emptyDir: {}}, {name: secret, secret: {secretName: store}}]
`;
const TOKENS = "/var/lib/kubelet/pods";

describeWithCluster("node clean", (kubernetes) => {
  let plane: ControlPlane;
  let node: Node;

  beforeAll(async () => {
    plane = await startControlPlane({ kubernetes });
    node = await plane.addNode("node1", { images: [ETCD], kubelet: false });
    await node.write(`${STATIC_PODS_PATH}/etcd.yaml`, ETCD_POD);
    node.startKubelet(false);
    await plane.nodesReady(["node1"]);
    await plane.api.apply(STORE);
    await running(["default/store/store", "kube-system/etcd-node1/etcd"]);
    await etcdctl("put", "/registry/marker", "kept");
  });
  afterAll(() => plane?.[Symbol.asyncDispose]());

  const clean = (...flags: string[]): Promise<RunResult> =>
    node.runForResult([...KUBEMEND, "node", "clean", ...flags], { timeoutSeconds: 200 });
  const etcdctl = (...words: string[]): Promise<string> =>
    waitFor("etcd to serve", async () => {
      const { code, stdout } = await node.runForResult(["etcdctl", ...words], { env: { ETCDCTL_API: "3" } });
      return code === 0 && stdout;
    });
  const running = (names: readonly string[]): Promise<unknown> =>
    waitFor(
      `${names.join(", ")} to run`,
      async () => {
        const found = await node.containers();
        return names.every((name) => found.includes(name));
      },
      { seconds: 90, explain: () => node.kubelet?.lastLines(20) ?? "" },
    );
  const names = (path: string): Promise<string> => node.run(["ls", "-A", path]);
  const kubelets = async (): Promise<string[]> =>
    (await node.runForResult(["pidof", "kubelet"])).stdout.trim().split(" ").filter(Boolean);
  const succeeded = (result: RunResult): RunResult => {
    if (process.env.KUBEMEND_E2E_STORY) process.stderr.write(result.stderr + result.stdout);
    if (result.code !== 0) throw new Error(`it ended with ${result.code}:\n${result.stdout}${result.stderr}`);
    return result;
  };

  test("a dry run tells the steps with sizes, and changes nothing", async () => {
    const before = await kubelets();
    const { stdout } = succeeded(await clean("--dry-run"));
    const steps = stdout.split("\n").map((line) => line.replace(/\s{2,}/g, " | ").replace(/^ \| /, ""));
    const mounts = (await node.run(["grep", "-c", TOKENS, "/proc/mounts"])).trim();
    expect(mounts).not.toBe("0");
    expect(steps).toEqual([
      expect.stringMatching(/^1 \| archive \d+ container logs \| .*B \| \/var\/log\/containers$/),
      `2 | stop the kubelet | process ${before[0]}`,
      expect.stringMatching(/^3 \| stop 2 containers of 2 pods \| containerd \S+$/),
      expect.stringMatching(
        /^4 \| back up etcd and verify it \| \d+ [kM]B \| \/var\/lib\/etcd\/main\/member\/snap\/db$/,
      ),
      expect.stringMatching(/^5 \| remove 2 containers of 2 pods \| containerd \S+$/),
      expect.stringMatching(/^6 \| move 1 static pod manifest \| \d+ B \| \/etc\/kubernetes\/manifests$/),
      expect.stringMatching(
        new RegExp(`^7 \\| unmount ${mounts} volumes?, move the state of 2 pods \\| .*B \\| ${TOKENS}$`),
      ),
      expect.stringMatching(/^8 \| move etcd's data \| .* MB \| \/var\/lib\/etcd$/),
      expect.stringMatching(/^9 \| start the kubelet \| process \d+$/),
      expect.stringMatching(/^everything goes to "\/var\/lib\/kubemend\/cleaned-\d{8}T\d{6}Z"$/),
      "",
    ]);
    expect(await kubelets()).toEqual(before);
    expect(await names("/var/lib/kubemend")).toBe("");
    expect((await node.containers()).length).toBe(2);
  });

  test("without a terminal and --yes it refuses", async () => {
    const { code, stderr } = await clean();
    expect(code).toBe(2);
    expect(stderr).toContain("error: this has to be confirmed");
    expect(await names("/var/lib/kubemend")).toBe("");
  });

  test("a mount in what is to be moved is refused before anything is stopped", async () => {
    const point = "/var/lib/etcd/main/member/extra";
    await node.run(["mkdir", point]);
    await node.run(["mount", "-t", "tmpfs", "none", point]);
    const { code, stderr } = await clean("--yes");
    expect(code).toBe(1);
    expect(stderr).toContain(`error: "${point}" is mounted, and other file systems are not entered\n`);
    expect(await kubelets()).toHaveLength(1);
    expect(await names("/var/lib/kubemend")).toBe("");
    await node.run(["umount", point]);
    await node.run(["rmdir", point]);
  });

  test("cleans the node, and takes it back", async () => {
    await node.run(["sh", "-c", `echo written >$(echo ${TOKENS}/*/volumes/kubernetes.io~empty-dir/kept)/file`]);
    const pods = await names(TOKENS);
    const result = JSON.parse(succeeded(await clean("--yes", "--no-start-kubelet", "-o", "json")).stdout);
    expect(result.containers).toEqual(["default/store/store", "kube-system/etcd-node1/etcd"]);
    expect(await kubelets()).toEqual([]);
    expect(await node.containers()).toEqual([]);
    expect(await node.run(["ctr", "-n", "k8s.io", "containers", "list", "-q"])).toBe("");
    for (const path of [STATIC_PODS_PATH, TOKENS, "/var/lib/etcd"]) expect(await names(path)).toBe("");
    expect((await node.runForResult(["grep", TOKENS, "/proc/mounts"])).stdout).toBe("");
    const [backup] = result.backups;
    const keys = await node.run([...KUBEMEND, "snapshot", "keys", backup.file]);
    expect(keys).toContain("/registry/marker");
    expect(await node.run(["tar", "-tzf", result.logs])).toMatch(
      /^containers\/store_default_store-[0-9a-f]{64}\.log$/m,
    );
    expect(await names(`${result.directory}/moved/pods`)).toBe(pods);
    expect((await clean("--yes")).stdout).toBe('nothing to clean on node "node1"\n');

    const undone = JSON.parse(succeeded(await clean("--undo", "--yes", "-o", "json")).stdout);
    expect(undone.kubelet).toBeGreaterThan(0);
    expect(await kubelets()).toEqual([String(undone.kubelet)]);
    await running(["default/store/store", "kube-system/etcd-node1/etcd"]);
    expect(await etcdctl("get", "/registry/marker", "--print-value-only")).toBe("kept\n");
    expect(await node.run(["sh", "-c", `cat ${TOKENS}/*/volumes/kubernetes.io~empty-dir/kept/file`])).toBe("written\n");
    await plane.podsReady("default", "app=store", 1);
  });

  longTest("interrupted in the middle, it says how it stands, and continues", async () => {
    const script = `"$@" 2>/tmp/clean.log & pid=$!
until grep -q "stopped the kubelet" /tmp/clean.log; do kill -0 $pid || exit 99; sleep 0.05; done
kill -INT $pid; wait $pid; code=$?; cat /tmp/clean.log >&2; rm /tmp/clean.log; exit $code`;
    const words = [...KUBEMEND, "node", "clean", "--yes"];
    const stopped = await node.runForResult(["sh", "-c", script, "sh", ...words], { timeoutSeconds: 60 });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain("not finished, and the kubelet is stopped: kubemend node clean continues");
    expect(await kubelets()).toEqual([]);
    const preview = succeeded(await clean("--dry-run")).stdout;
    expect(preview).toContain("an earlier run continues");
    expect(preview).not.toContain("archive");
    const { stdout, stderr } = succeeded(await clean("--yes"));
    expect(stdout).toContain("to take it back: kubemend node clean --undo");
    expect(stderr).toMatch(/started the kubelet \(process \d+\)/);
    // The API server knows of the pod still, so the kubelet makes it again, under the same UID, with an empty volume.
    await running(["default/store/store"]);
    expect(await names(STATIC_PODS_PATH)).toBe("");
    const again = JSON.parse(succeeded(await clean("--undo", "--yes", "-o", "json")).stdout);
    expect(again.replaced).toHaveLength(1);
    await running(["default/store/store", "kube-system/etcd-node1/etcd"]);
    expect(await node.run(["sh", "-c", `cat ${TOKENS}/*/volumes/kubernetes.io~empty-dir/kept/file`])).toBe("written\n");
  });

  test("a kubelet that somebody starts again is named, with who does", async () => {
    for (const pid of await kubelets()) await node.run(["kill", pid]);
    await waitFor("the kubelet to end", async () => (await kubelets()).length === 0);
    node.startKubelet();
    await waitFor("the kubelet to start", async () => (await kubelets()).length === 1);
    const { code, stderr } = await clean("--yes");
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /error: a kubelet runs again after process \d+ was stopped: process \d+, started by process \d+ \("sh"\)\n/,
    );
    expect(stderr).toContain("hint: stop what starts the kubelet, then run this again");
    await node.stopKubelet();

    // A program that is not the kubelet's uses a volume: it is not taken from under it.
    const volume = (await node.run(["grep", "-o", `${TOKENS}/[^ ]*`, "/proc/mounts"])).split("\n")[0]!;
    const user = (await node.run(["sh", "-c", `cd '${volume}' && { sleep 300 >/dev/null 2>&1 & echo $!; }`])).trim();
    const busy = await clean("--yes", "--no-start-kubelet");
    expect(busy.code).toBe(1);
    expect(busy.stderr).toContain(`error: cannot unmount "${volume}": `);
    expect(await node.run(["ls", volume])).not.toBe("");
    await node.run(["kill", user]);
    const { stdout } = succeeded(await clean("--yes", "--purge", "--no-start-kubelet"));
    expect(stdout).toMatch(/^deleted /m);
    expect(await node.containers()).toEqual([]);
  });
});
