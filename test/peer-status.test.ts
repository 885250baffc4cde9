/** What etcd itself shows on its peer port, by which a node that waits for its peers knows a restored member from an old one. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { askPeer } from "../src/io/etcd/peer-status.ts";
import { restoreSnapshot } from "../src/operations/snapshot/restore.ts";
import { newMembership } from "../src/wal/membership.ts";
import { parseInitialCluster } from "../src/wal/peer-urls.ts";
import { startEtcd } from "./etcd-server.ts";
import { findProgram, PROGRAMS_MISSING } from "./programs.ts";
import { planMembers, startMembers } from "./restored-cluster.ts";

const SNAPSHOT = join(import.meta.dirname, "fixtures/kubeadm-ha-k136/snapshot.db.gz");
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-peer-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const suites = (["bookworm", "trixie", "sid"] as const).filter((suite) => findProgram(suite, "etcd"));

describe.skipIf(suites.length === 0)(`etcd of ${suites.length ? suites.join(", ") : PROGRAMS_MISSING}`, () => {
  test.each(suites)("%s: a restored member shows the id that comes of its token", async (suite) => {
    const token = "kubemend-restore-1";
    const { members, initialCluster } = await planMembers(1);
    const [{ name, peer } = { name: "", peer: "" }] = members;
    const own = { name, initialCluster, initialClusterToken: token, initialAdvertisePeerUrls: peer };
    await restoreSnapshot(SNAPSHOT, { dataDir: join(directory, name), ...own });
    const [server] = await startMembers(suite, directory, members, initialCluster);
    try {
      const clusterId = newMembership(parseInitialCluster(initialCluster), token).clusterId.toString(16);
      const answer = await askPeer(peer, undefined, "11".repeat(32), new AbortController().signal);
      expect(answer).toEqual({ kind: "etcd", clusterId });
    } finally {
      await server?.stop("SIGKILL");
    }
  });

  test.each(suites)("%s: also while it waits for the other members, without a quorum", async (suite) => {
    const token = "kubemend-restore-1";
    const { members, initialCluster } = await planMembers(2);
    const { name, peer, ports } = members[0]!;
    const own = { name, initialCluster, initialClusterToken: token, initialAdvertisePeerUrls: peer };
    await restoreSnapshot(SNAPSHOT, { dataDir: join(directory, name), ...own });
    const flags = ["--initial-cluster", initialCluster];
    const server = await startEtcd({ suite, name, dataDir: join(directory, name), ports, flags }, false);
    try {
      const clusterId = newMembership(parseInitialCluster(initialCluster), token).clusterId.toString(16);
      const ask = () => askPeer(peer, undefined, "11".repeat(32), new AbortController().signal);
      await expect.poll(ask, { timeout: 20_000 }).toEqual({ kind: "etcd", clusterId });
    } finally {
      await server.stop("SIGKILL");
    }
  });
});
