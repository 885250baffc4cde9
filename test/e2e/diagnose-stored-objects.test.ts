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
});
