/**
 * `kubemend node clean` where Docker runs the containers, against a real Docker. Its package is large and nothing else
 * here needs it: the test runs where `dockerd` is installed, or unpacked in `KUBEMEND_DOCKER_DIR`.
 */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bed, createBed } from "../../testbed/bed.ts";
import { buildImage, WEB } from "../../testbed/images.ts";
import { type Node, STATIC_PODS_PATH, startNode } from "../../testbed/node.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster } from "./kubernetes.ts";
import { KUBEMEND } from "./rendered-cluster.ts";

const SOCKET = "/run/docker.sock";

function find(program: string): string | undefined {
  const own = process.env.KUBEMEND_DOCKER_DIR;
  const places = own ? [join(own, "usr/sbin"), join(own, "usr/bin")] : (process.env.PATH ?? "").split(delimiter);
  return places.map((place) => join(place, program)).find((path) => existsSync(path));
}

const dockerd = find("dockerd");

describeWithCluster("node clean on Docker", (kubernetes) => {
  let bed: Bed;
  let node: Node;

  beforeAll(async () => {
    if (dockerd === undefined) return;
    bed = createBed();
    node = await startNode(bed, kubernetes, "node1", { kubelet: false });
    const root = ["--data-root=/var/lib/containerd/docker", "--storage-driver=vfs", `--cgroup-parent=/${bed.id}/node1`];
    const network = ["--iptables=false", "--ip6tables=false", "--bridge=none", "--userland-proxy=false"];
    node.startService("dockerd", [
      dockerd,
      ...root,
      ...network,
      "--exec-opt=native.cgroupdriver=cgroupfs",
      `-H=unix://${SOCKET}`,
    ]);
    await waitFor("Docker to answer", async () => (await node.runForResult(docker("version"))).code === 0, {
      explain: () => node.service("dockerd")?.lastLines() ?? "",
    });
    await node.run(docker("load", "-i", (await buildImage(WEB)).archive));
    await node.write(`${STATIC_PODS_PATH}/web.yaml`, "apiVersion: v1\nkind: Pod\n");
  });
  afterAll(() => bed?.remove());

  const docker = (...words: string[]): string[] => [find("docker")!, `--host=unix://${SOCKET}`, ...words];
  const start = (name: string, labels: Readonly<Record<string, string>>): Promise<string> => {
    const flags = Object.entries(labels).map(([key, value]) => `--label=io.kubernetes.${key}=${value}`);
    const rest = ["--network=host", "--entrypoint=/bin/sleep", WEB.name, "1000"];
    return node.run(docker("run", "-d", `--name=${name}`, ...flags, ...rest));
  };

  test("removes the kubelet's containers, and leaves those of others", async (context) => {
    if (dockerd === undefined) context.skip("dockerd is not installed");
    const pod = { "pod.name": "web", "pod.namespace": "default" };
    await start("k8s_POD_web", { ...pod, "docker.type": "podsandbox", "container.name": "POD" });
    await start("k8s_web_web", { ...pod, "docker.type": "container", "container.name": "web" });
    await start("mine", {});
    const command = [...KUBEMEND, "node", "clean", "--grace-period=1"];
    const words = [...command, `--container-runtime-endpoint=unix://${SOCKET}`];
    const preview = await node.run([...words, "--dry-run"]);
    expect(preview).toMatch(/stop 1 container of 1 pod {2,}docker \d/);
    const result = JSON.parse(await node.run([...words, "--yes", "-o", "json"]));
    expect(result.containers).toEqual(["default/web/web"]);
    expect(await node.run(docker("ps", "-a", "--format", "{{.Names}} {{.State}}"))).toBe("mine running\n");
    expect(await node.run(["ls", STATIC_PODS_PATH])).toBe("");
  });
});
