import { expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../testbed/control-plane.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster, needs } from "./kubernetes.ts";
import { webDeployment } from "./workloads.ts";

describeWithCluster("a control plane as processes", (kubernetes) => {
  test("runs a Deployment on hollow nodes, and outlives one of three etcd members", async (context) => {
    await needs(context, kubernetes, "kubemark");
    await using plane = await startControlPlane({ kubernetes, members: 3 });
    await plane.addHollowNodes(3);
    await plane.api.apply(webDeployment(6));
    const pods = await plane.podsReady("default", "app=web", 6);
    expect(new Set(pods.map((pod) => pod.spec.nodeName))).toEqual(new Set(["hollow-1", "hollow-2", "hollow-3"]));

    await plane.etcd.members[0]!.kill();
    await waitFor("a new leader to take the write", () =>
      plane.api.patch("/apis/apps/v1/namespaces/default/deployments/web", { spec: { replicas: 7 } }),
    );
    await plane.podsReady("default", "app=web", 7);
    plane.etcd.members[0]!.start();
    await plane.etcd.ready();
  });

  test("two at a time do not meet", async () => {
    const planes = await Promise.all([startControlPlane({ kubernetes }), startControlPlane({ kubernetes })]);
    await using first = planes[0];
    await using second = planes[1];
    expect(first.bed.id).not.toBe(second.bed.id);
    await first.api.post("/api/v1/namespaces", { metadata: { name: "only-first" } });
    expect(await namespaces(first)).toContain("only-first");
    expect(await namespaces(second)).not.toContain("only-first");
  });

  test("has no way out of the machine", async () => {
    await using plane = await startControlPlane({ kubernetes, components: [] });
    const links = JSON.parse(await plane.bed.run(["ip", "-j", "link"])) as { ifname: string }[];
    expect(links.map(({ ifname }) => ifname).sort()).toEqual(["br0", "etcd1", "lo"]);
    expect(await plane.bed.run(["ip", "route", "show", "default"])).toBe("");
  });
});

async function namespaces(plane: ControlPlane): Promise<string[]> {
  return (await plane.api.list("/api/v1/namespaces")).map((namespace) => namespace.metadata.name);
}
