import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { conditionOf } from "../../testbed/control-plane.ts";
import type { RunResult } from "../../testbed/processes.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster } from "./kubernetes.ts";
import { KUBEMEND, type RenderedCluster, renderedCluster } from "./rendered-cluster.ts";
import { webDeployment } from "./workloads.ts";

/** Fails with what `start` told and what the kubelet said. */
function expectStarted(started: RunResult, cluster: RenderedCluster): void {
  if (process.env.KUBEMEND_E2E_STORY) process.stderr.write(started.stderr);
  if (started.code === 0) return;
  throw new Error(`start ended with ${started.code}:\n${started.stderr}\n${cluster.node.kubelet?.lastLines(30)}`);
}

async function expectNothingTemporary({ node }: RenderedCluster): Promise<void> {
  expect(await node.run(["ls", "-A", "/etc/kubernetes/manifests"])).toBe("");
  expect((await node.runForResult(["ls", "/etc/kubernetes/bootstrap-secrets"])).code).not.toBe(0);
}

/** The pods of the web Deployment, once all run and serve. */
async function expectWebServes({ api, bed }: RenderedCluster, count: number): Promise<void> {
  const pods = await waitFor(
    "the web pods",
    async () => {
      const list = await api.list("/api/v1/namespaces/default/pods?labelSelector=app%3Dweb");
      const ready = list.filter((pod) => conditionOf(pod, "Ready") === "True" && !pod.metadata.deletionTimestamp);
      return ready.length === count ? ready : undefined;
    },
    { seconds: 120 },
  );
  for (const pod of pods) {
    const answer = await waitFor("a web pod to serve", () =>
      bed.run(["busybox", "wget", "-qO-", `http://${pod.status.podIP}:8080`], { timeoutSeconds: 5 }),
    );
    expect(answer).toBe(`${pod.metadata.name}\n`);
  }
}

describeWithCluster("start", (kubernetes) => {
  test("brings up a rendered cluster, and brings it back after the loss of its master, and of etcd too", async () => {
    await using cluster = await renderedCluster(kubernetes);
    const { node, api, bed, etcd } = cluster;
    const started = await cluster.start("--timeout=5m", "-o", "json");
    expectStarted(started, cluster);
    expect(JSON.parse(started.stdout)).toMatchObject({ node: "node1", failed: [] });
    await expectNothingTemporary(cluster);
    const running = await node.containers();
    for (const component of ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"]) {
      expect(running.filter((name) => name.startsWith(`kube-system/${component}-`)).length).toBeGreaterThan(0);
    }
    expect(running.filter((name) => name.includes("bootstrap-"))).toEqual([]);
    await api.apply(webDeployment(3));
    await expectWebServes(cluster, 3);

    const backup = bed.path("backup.db");
    await etcd.etcdctl("snapshot", "save", backup);
    const recover = (directory: string) =>
      node.run([
        ...KUBEMEND,
        "recover",
        `--recovery-dir=${directory}`,
        `--etcd-backup-file=${backup}`,
        `--kubeconfig=${join(cluster.assetDir, "auth/kubeconfig")}`,
      ]);

    // The master is lost, etcd lives: it still says that all pods run.
    await node.loseDisk();
    expect(await node.containers()).toEqual([]);
    await recover(bed.path("recovered"));
    expectStarted(await cluster.startFrom(bed.path("recovered"), "--timeout=5m"), cluster);
    await expectNothingTemporary(cluster);
    await expectWebServes(cluster, 3);

    // Now etcd as well: it comes back from the backup, older than the cluster that it speaks of.
    const [member] = etcd.members;
    await member!.kill();
    member!.loseDisk();
    await node.loseDisk();
    await node.run([
      ...KUBEMEND,
      "snapshot",
      "restore",
      backup,
      `--data-dir=${member!.dataDirectory}`,
      `--name=${member!.name}`,
      `--initial-cluster=${member!.name}=${member!.peerUrl}`,
      `--initial-cluster-token=${bed.id}`,
      `--initial-advertise-peer-urls=${member!.peerUrl}`,
    ]);
    member!.start();
    await etcd.ready();
    await recover(bed.path("recovered-again"));
    expectStarted(await cluster.startFrom(bed.path("recovered-again"), "--timeout=5m"), cluster);
    await expectNothingTemporary(cluster);
    await expectWebServes(cluster, 3);
  });

  test("goes on after it was killed at any step, and leaves nothing when it is interrupted", async () => {
    await using cluster = await renderedCluster(kubernetes);
    const { node } = cluster;
    /** Runs `start`, and sends it a signal once it has told that. Returns its exit code. */
    const startAndSignal = async (signal: string, told: string) => {
      const script = `log=/tmp/start-$$.log
"$@" 2>$log & pid=$!
until grep -q "${told}" $log; do kill -0 $pid || { cat $log >&2; exit 99; }; sleep 0.1; done
kill -${signal} $pid; wait $pid; code=$?; rm $log; exit $code`;
      const command = [...KUBEMEND, "start", `--asset-dir=${cluster.assetDir}`, "--timeout=4m"];
      const result = await node.runForResult(["sh", "-c", script, "sh", ...command], { timeoutSeconds: 300 });
      if (result.code === 99) throw new Error(`start ended before "${told}":\n${result.stderr}`);
      return result.code;
    };
    expect(await startAndSignal("INT", "the API server is ready")).toBe(130);
    await expectNothingTemporary(cluster);

    for (const step of [
      "waiting for the API server",
      "the API server is ready",
      "created .* objects",
      "handing over",
    ]) {
      expect(await startAndSignal("KILL", step)).toBe(137);
    }
    expectStarted(await cluster.start("--timeout=5m"), cluster);
    await expectNothingTemporary(cluster);
    await cluster.api.apply(webDeployment(1));
    await expectWebServes(cluster, 1);
  });

  test("names what is wrong before it touches anything", async () => {
    await using cluster = await renderedCluster(kubernetes, { kubelet: false });
    const { node, assetDir } = cluster;
    const expectRefused = async (message: RegExp, ...flags: string[]) => {
      const refused = await cluster.start(...flags);
      expect(refused.stderr).toMatch(message);
      expect(refused.code).toBe(1);
      expect((await node.runForResult(["ls", "/etc/kubernetes/bootstrap-secrets"])).code).not.toBe(0);
    };
    await expectRefused(/no kubelet runs on this machine/);
    node.startKubelet();
    await waitFor("a kubelet", async () => !(await cluster.start("--timeout=1s")).stderr.includes("no kubelet"));
    await expectRefused(
      /looks for static pods in "\/etc\/kubernetes\/manifests", not in "\/tmp"/,
      "--pod-manifest-path=/tmp",
    );

    await node.write("/etc/kubernetes/manifests/bootstrap-kube-scheduler.yaml", "# somebody's\n");
    await expectRefused(/manifests of others are in the way: ".*bootstrap-kube-scheduler.yaml"/);
    expect(await node.read("/etc/kubernetes/manifests/bootstrap-kube-scheduler.yaml")).toBe("# somebody's\n");
    await node.run(["rm", "/etc/kubernetes/manifests/bootstrap-kube-scheduler.yaml"]);

    await node.run(["sh", "-c", "busybox httpd -p 6443 -h /tmp"]); // goes to the background
    await expectRefused(/port 6443, which "bootstrap-kube-apiserver" needs, is taken by "busybox"/);
    await node.run(["sh", "-c", "for pid in $(busybox pidof busybox); do kill $pid || true; done"]);

    const scheduler = join(assetDir, "bootstrap-manifests/bootstrap-kube-scheduler.yaml");
    const good = readFileSync(scheduler, "utf8");
    writeFileSync(scheduler, good.replace("kind: Pod", "kind: Pots"));
    await expectRefused(/bootstrap-kube-scheduler.yaml" is not the manifest of one pod/);
    writeFileSync(scheduler, good);

    const apiServer = join(assetDir, "bootstrap-manifests/bootstrap-kube-apiserver.yaml");
    writeFileSync(apiServer, readFileSync(apiServer, "utf8").replace(/image: .*/, "image: kubemend.test/absent:1"));
    await expectRefused(/has not started: is the image "kubemend.test\/absent:1" on this node/, "--timeout=20s");
    expect(await node.run(["ls", "-A", "/etc/kubernetes/manifests"])).toBe("");
  });
});
