/**
 * A cluster's etcd is lost, and comes back: restored from a backup, or salvaged from a survivor's disk. The API server
 * and the controllers continue meanwhile.
 */
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { plainText } from "../../src/errors/input.ts";
import type { EtcdFlags } from "../../src/operations/etcd/etcd-flags.ts";
import { checkHealth } from "../../src/operations/etcd/etcd-health.ts";
import { salvage } from "../../src/operations/etcd/salvage.ts";
import { type RestoreOptions, type RestoreResult, restoreSnapshot } from "../../src/operations/snapshot/restore.ts";
import { saveSnapshot } from "../../src/operations/snapshot/save.ts";
import { type ControlPlane, startControlPlane } from "../../testbed/control-plane.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster, needs } from "./kubernetes.ts";
import { webDeployment } from "./workloads.ts";

const FIXTURE = join(import.meta.dirname, "../fixtures/selfhosted-k120/snapshot.db.gz");

describeWithCluster("etcd that is gone", (kubernetes) => {
  test("is restored on all members, and the cluster continues from the backup without a restart", async (context) => {
    await needs(context, kubernetes, "kubemark");
    const base = mkdtempSync(join(tmpdir(), "kubemend-e2e-restore-"));
    try {
      await using plane = await startControlPlane({ kubernetes, members: 3 });
      await plane.addHollowNodes(2);
      await plane.api.apply(webDeployment(3));
      await plane.podsReady("default", "app=web", 3);
      const backup = join(base, "backup.db");
      const saved = await saveSnapshot(backup, { etcd: access(plane) });
      expect(saved).toMatchObject({ findings: [], failed: [] });

      // What happens after the backup is lost with etcd, also from the memory of those who saw it.
      await plane.api.post("/api/v1/namespaces", { metadata: { name: "later" } });
      await plane.api.patch(web, { spec: { replicas: 1 } });
      await plane.podsReady("default", "app=web", 1);

      await expect(restore(plane, FIXTURE, 0, {})).rejects.toMatchObject({ code: "wrong-cluster" });
      const asked = await restoreSnapshot(backup, {
        ...flagsOf(plane, 0),
        dataDir: join(base, "trial"),
        cluster: { kubeconfig: plane.kubeconfig, context: undefined, variables: {} },
      });
      const note = asked.notes.find((found) => found.code === "revision-goes-back")!.text;
      const bump = Number(/bumpRevision (\d+)/.exec(plainText(note))![1]) + 1000; // the cluster continues while this is decided

      for (const member of plane.etcd.members) await member.kill();
      for (const member of plane.etcd.members) member.loseDisk();
      for (const i of [0, 1, 2]) await restore(plane, backup, i, { bumpRevision: bump });
      for (const member of plane.etcd.members) member.start();
      await plane.etcd.ready();
      expect(await checkHealth(access(plane))).toMatchObject({ healthy: true, voters: 3, survivesLosses: 1 });

      await plane.podsReady("default", "app=web", 3, 180);
      expect((await plane.api.list("/api/v1/namespaces")).map((namespace) => namespace.metadata.name)).not.toContain(
        "later",
      );
      await plane.api.patch(web, { spec: { replicas: 4 } });
      await plane.podsReady("default", "app=web", 4, 180);
    } finally {
      rmSync(base, { recursive: true });
    }
  });

  test("is salvaged from one of three members, with everything that was acknowledged", async (context) => {
    await needs(context, kubernetes, "kubemark");
    await using plane = await startControlPlane({ kubernetes, members: 3 });
    await plane.addHollowNodes(1);
    await plane.api.apply(webDeployment(2));
    await plane.podsReady("default", "app=web", 2);
    const names = Array.from({ length: 20 }, (_, i) => `acknowledged-${i}`);
    for (const name of names) await plane.api.post("/api/v1/namespaces/default/configmaps", { metadata: { name } });
    const [lost, survivor, spare] = plane.etcd.members as [Member, Member, Member];
    await Promise.all(plane.etcd.members.map((member) => member.kill()));
    lost.loseDisk();

    const result = await salvage([survivor.dataDirectory, spare.dataDirectory], {
      dataDir: `${lost.dataDirectory}-salvaged`,
      name: lost.name,
      initialAdvertisePeerUrls: lost.peerUrl,
    });
    expect(result.removedMembers).toHaveLength(2);
    // The machine of the lost member takes it over.
    renameSync(result.dataDir, lost.dataDirectory);
    lost.start();
    await waitFor("the API server to write again", () => plane.api.patch(web, { spec: { replicas: 3 } }), {
      seconds: 60,
    });
    const found = (await plane.api.list("/api/v1/namespaces/default/configmaps")).map((map) => map.metadata.name);
    expect(found).toEqual(expect.arrayContaining(names));
    await plane.podsReady("default", "app=web", 3, 180);
    const health = await checkHealth(
      { ...access(plane), endpoints: [plane.etcd.localEndpoints[0]!] },
      { onlyEndpoints: true },
    );
    expect(health).toMatchObject({ healthy: true, voters: 1 });
  });
});

type Member = ControlPlane["etcd"]["members"][number];

const web = "/apis/apps/v1/namespaces/default/deployments/web";

function access({ etcd }: ControlPlane): EtcdFlags {
  return {
    endpoints: etcd.localEndpoints,
    cacert: etcd.authority.certificatePath,
    cert: etcd.client.certificatePath,
    key: etcd.client.keyPath,
    timeout: 5000,
  };
}

function flagsOf(plane: ControlPlane, i: number): Omit<RestoreOptions, "dataDir"> {
  const { members } = plane.etcd;
  return {
    name: members[i]!.name,
    initialCluster: members.map((member) => `${member.name}=${member.peerUrl}`).join(","),
    initialClusterToken: "restored",
    initialAdvertisePeerUrls: members[i]!.peerUrl,
  };
}

function restore(plane: ControlPlane, file: string, i: number, more: Partial<RestoreOptions>): Promise<RestoreResult> {
  const dataDir = plane.etcd.members[i]!.dataDirectory;
  const isTrial = more.bumpRevision === undefined;
  return restoreSnapshot(file, {
    ...flagsOf(plane, i),
    dataDir: isTrial ? `${dataDir}-trial` : dataDir,
    ...(isTrial ? { cluster: { kubeconfig: plane.kubeconfig, context: undefined, variables: {} } } : {}),
    ...more,
  });
}
