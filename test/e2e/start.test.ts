import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";
import { KUBEMEND, renderedCluster } from "./rendered-cluster.ts";
import {
  expectNothingTemporary,
  expectStarted,
  expectWebServes,
  startAndSignal,
  startKilledAtEveryStep,
} from "./starting.ts";
import { webDeployment } from "./workloads.ts";

describeWithCluster("start", (kubernetes) => {
  test("brings up a rendered cluster", async () => {
    await using cluster = await renderedCluster(kubernetes);
    const { node, api } = cluster;
    const started = await cluster.start("--timeout=5m", "-o", "json");
    expectStarted(started, cluster.node);
    expect(JSON.parse(started.stdout)).toMatchObject({ node: "node1", failed: [] });
    await expectNothingTemporary(cluster.node);
    const running = await node.containers();
    for (const component of ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"]) {
      expect(running.filter((name) => name.startsWith(`kube-system/${component}-`)).length).toBeGreaterThan(0);
    }
    expect(running.filter((name) => name.includes("bootstrap-"))).toEqual([]);
    await api.apply(webDeployment(3));
    await expectWebServes(cluster, 3);

    // To the assets of another cluster with the same address, this one's API server is a stranger.
    const refused = await cluster.startFrom(await cluster.render("others"));
    expect(refused.stderr).toMatch(
      /no connection to the API server at ".*:6443": its certificate is of an authority "CN=.*" whose key is another/,
    );
    expect(refused.stderr).toMatch(/its certificate: subject ".*kube-apiserver"(.|\n)*the authority given: subject/);
    expect(refused.code).toBe(1);
    await expectNothingTemporary(cluster.node);
  });

  longTest("brings a cluster back after the loss of its master, and of etcd too", async () => {
    await using cluster = await renderedCluster(kubernetes);
    const { node, api, bed, etcd } = cluster;
    expectStarted(await cluster.start("--timeout=5m"), cluster.node);
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
    expectStarted(await cluster.startFrom(bed.path("recovered"), "--timeout=5m"), cluster.node);
    await expectNothingTemporary(cluster.node);
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
    expectStarted(await cluster.startFrom(bed.path("recovered-again"), "--timeout=5m"), cluster.node);
    await expectNothingTemporary(cluster.node);
    await expectWebServes(cluster, 3);
  });

  longTest("continues after it was killed at any step, and leaves nothing when it is interrupted", async () => {
    await using cluster = await renderedCluster(kubernetes);
    const { code } = await startAndSignal(cluster.node, cluster.assetDir, "INT", "the API server is ready");
    expect(code).toBe(130);
    await expectNothingTemporary(cluster.node);

    await startKilledAtEveryStep(cluster.node, cluster.assetDir);
    await expectNothingTemporary(cluster.node);
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
    const kubeletConfig = cluster.bed.path("nodes/node1/kubelet.yaml");
    const config = readFileSync(kubeletConfig, "utf8");
    writeFileSync(kubeletConfig, config.replace(/^staticPodPath:.*$/m, ""));
    node.startKubelet();
    // Refused in any case: one that succeeded would leave an API server running for a while.
    const kubeletIsFound = async () => {
      const { stderr } = await cluster.start("--timeout=1s", "--pod-manifest-path=/tmp");
      return !stderr.includes("no kubelet");
    };
    await waitFor("a kubelet", kubeletIsFound);
    await expectRefused(/the kubelet of this machine looks for no static pods\nhint: set staticPodPath/);
    await node.stopKubelet();
    writeFileSync(kubeletConfig, config);
    node.startKubelet();
    await waitFor("a kubelet", kubeletIsFound);
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

    const kubeconfig = join(assetDir, "auth/kubeconfig");
    const own = readFileSync(kubeconfig, "utf8");
    writeFileSync(kubeconfig, readFileSync(join(await cluster.render("others"), "auth/kubeconfig")));
    await expectRefused(
      /auth\/kubeconfig does not fit their API server:\n {2}the API server's certificate, tls\/.*, is of an authority/,
    );
    const noProgram = { command: "./absent", apiVersion: "client.authentication.k8s.io/v1" };
    const [{ name }] = parse(own).users;
    writeFileSync(kubeconfig, stringify({ ...parse(own), users: [{ name, user: { exec: noProgram } }] }));
    await expectRefused(/the kubeconfig's program ".\/absent" gives no credentials: there is no such program/);
    writeFileSync(kubeconfig, own);

    const scheduler = join(assetDir, "bootstrap-manifests/bootstrap-kube-scheduler.yaml");
    const good = readFileSync(scheduler, "utf8");
    writeFileSync(scheduler, good.replace("kind: Pod", "kind: Pots"));
    await expectRefused(/bootstrap-kube-scheduler.yaml" is not the manifest of one pod/);
    writeFileSync(scheduler, good);

    const apiServer = join(assetDir, "bootstrap-manifests/bootstrap-kube-apiserver.yaml");
    writeFileSync(apiServer, readFileSync(apiServer, "utf8").replace(/image: .*/, "image: kubemend.test/absent:1"));
    await expectRefused(
      /image "kubemend.test\/absent:1" is not on this machine: the kubelet has to pull it/,
      "--timeout=1s",
    );
    await expectRefused(
      /the image "kubemend.test\/absent:1" is not on this node, and the kubelet has not/,
      "--timeout=15s",
    );
    expect(await node.run(["ls", "-A", "/etc/kubernetes/manifests"])).toBe("");
  });
});
