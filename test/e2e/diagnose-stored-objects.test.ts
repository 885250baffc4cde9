/** Objects in etcd that keep a control plane from its work are named with what removes them, and that is run as printed. */
import { expect } from "vitest";
import { restoreSnapshot } from "../../src/operations/snapshot/restore.ts";
import { startControlPlane } from "../../testbed/control-plane.ts";
import { waitFor } from "../../testbed/wait.ts";
import { diagnoseAt, placeIn } from "./diagnosing.ts";
import { Workplace } from "./giving-back.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

describeWithCluster("objects that keep a control plane from its work", (kubernetes) => {
  longTest("a Secret that the API server cannot read", async () => {
    await using plane = await startControlPlane({ kubernetes });
    using place = new Workplace(plane);
    await plane.api.post("/api/v1/namespaces/default/secrets", { metadata: { name: "good" }, stringData: { a: "b" } });
    await plane.etcd.etcdctl("put", "/registry/secrets/default/sealed", "no object");
    const { troubles } = await diagnoseAt(placeIn(plane));
    const found = troubles.find(({ code }) => code === "stored-object-unreadable");
    expect(found, JSON.stringify(troubles)).toMatchObject({ level: "error", area: "blockers" });
    expect(found!.commands.at(-1)).toMatch(/^kubemend snapshot restore before\.db --data-dir DIR --remove secret\//);

    // As printed: the backup without it, restored where the etcd was.
    const backup = await place.backup();
    const verified = await place.kubemend("snapshot", "verify", backup);
    expect(verified.stdout + verified.stderr).toContain("/registry/secrets/default/sealed");
    const [member] = plane.etcd.members as [(typeof plane.etcd.members)[number]];
    await member.kill();
    member.loseDisk();
    const restored = await restoreSnapshot(backup, {
      dataDir: member.dataDirectory,
      name: member.name,
      initialCluster: `${member.name}=${member.peerUrl}`,
      initialClusterToken: "mended",
      initialAdvertisePeerUrls: member.peerUrl,
      bumpRevision: 1000,
      surgery: { remove: ["secret/sealed"], set: [], from: [], namespace: "default", selector: "" },
    });
    expect(restored).toBeDefined();
    member.start();
    await plane.etcd.ready();
    const secrets = await waitFor("the API server to list Secrets again", () =>
      plane.api.list("/api/v1/namespaces/default/secrets?limit=500"),
    );
    const names = secrets.map(({ metadata }) => metadata.name);
    expect(names).toContain("good");
    expect(names).not.toContain("sealed");
  });

  longTest("a namespace that finalizers hold, of its own and of objects in it", async () => {
    await using plane = await startControlPlane({ kubernetes });
    const hold = ["example.com/hold"];
    await plane.api.post("/api/v1/namespaces", { metadata: { name: "held", finalizers: hold } });
    await plane.api.post("/api/v1/namespaces", { metadata: { name: "holding" } });
    await plane.api.post("/api/v1/namespaces/holding/configmaps", { metadata: { name: "kept", finalizers: hold } });
    for (const name of ["held", "holding"]) await plane.api.delete(`/api/v1/namespaces/${name}`);
    const place = placeIn(plane);
    const found = await waitFor(
      "both to be named",
      async () => {
        const { troubles } = await diagnoseAt(place);
        const stuck = troubles.filter(({ code, text }) => code === "namespace-stuck" && text.includes(hold[0]!));
        return stuck.length === 2 ? stuck : undefined;
      },
      { seconds: 90 },
    );
    for (const { commands, advice } of found) {
      expect(commands).toHaveLength(1);
      expect(advice).toContain("kubemend snapshot restore BACKUP --data-dir DIR --remove");
      const [command] = commands as [string];
      const line = command.replace(/^kubectl/, kubernetes.program("kubectl"));
      const { code, stderr } = await place.run(["sh", "-c", line]);
      expect(code, stderr).toBe(0);
    }
    await waitFor("both to be gone", async () =>
      (await plane.api.list("/api/v1/namespaces")).every(({ metadata }) => !/^hold|^held/.test(metadata.name)),
    );
  });

  longTest("a node whose machine is gone, and a lease whose holder is", async () => {
    await using plane = await startControlPlane({ kubernetes, components: ["kube-controller-manager"] });
    const place = placeIn(plane);
    const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();
    const run = async (command: string) => {
      const line = command.replace(/^kubectl/, kubernetes.program("kubectl"));
      const { code, stderr } = await place.run(["sh", "-c", line]);
      expect(code, stderr).toBe(0);
    };
    await plane.api.post("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases", {
      metadata: { name: "kube-scheduler" },
      spec: { holderIdentity: "gone_1", leaseDurationSeconds: 3600, renewTime: ago(300).replace("Z", "000Z") },
    });
    await plane.api.post("/api/v1/nodes", { metadata: { name: "gone" } });
    const unknown = { type: "Ready", status: "Unknown", reason: "NodeStatusUnknown", message: "" };
    // Not a PUT: the node controller writes it at the same time.
    await plane.api.patch("/api/v1/nodes/gone/status", {
      status: { conditions: [{ ...unknown, lastHeartbeatTime: ago(7300), lastTransitionTime: ago(7200) }] },
    });
    await waitFor("the account of pods", () => plane.api.get("/api/v1/namespaces/default/serviceaccounts/default"));
    await plane.api.post("/api/v1/namespaces/default/pods", {
      metadata: { name: "held" },
      spec: { nodeName: "gone", containers: [{ name: "c", image: "kubemend.test/web:1" }] },
    });
    await plane.api.delete("/api/v1/namespaces/default/pods/held");

    const { troubles } = await diagnoseAt(place);
    const node = troubles.find(({ code }) => code === "node-stale");
    expect(node, JSON.stringify(troubles)).toMatchObject({ level: "error", commands: ["kubectl delete node gone"] });
    await run(node!.commands[0]!);
    await waitFor(
      "the pod to be gone",
      async () => (await plane.api.list("/api/v1/namespaces/default/pods")).length === 0,
      { seconds: 180 },
    );
    // Before Kubernetes 1.27 whoever runs does not wait for such a lease: what is wrong is that nobody runs.
    const isWaitedFor = kubernetes.minor >= 27;
    const lease = troubles.find(({ area }) => area === "scheduler");
    expect(lease, JSON.stringify(troubles)).toMatchObject({ code: isWaitedFor ? "lease-stale" : "scheduler-down" });
    if (!isWaitedFor) return;
    expect(lease!.commands).toEqual(["kubectl -n kube-system delete lease kube-scheduler"]);
    await run(lease!.commands[0]!);
    const again = await diagnoseAt(place);
    expect(again.troubles.map(({ code }) => code)).not.toContain("lease-stale");
  });
});
