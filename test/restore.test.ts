/** Restored data dirs, started by real etcd servers of three versions and compared with what the snapshot was taken of. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { withFlags } from "../src/cli/options/input-flags.ts";
import { newestRevision } from "../src/io/etcd/newest-revision.ts";
import { checkHealth } from "../src/operations/etcd/etcd-health.ts";
import { type RestoreOptions, type RestoreResult, restoreSnapshot } from "../src/operations/snapshot/restore.ts";
import { type EtcdServer, startEtcd } from "./etcd-server.ts";
import { findProgram, PROGRAMS_MISSING, type Suite } from "./programs.ts";
import { type KeyspaceView, memberNames, planMembers, startMembers, viewKeyspace } from "./restored-cluster.ts";

let directory: string;
let running: EtcdServer[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "restore-"));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop("SIGKILL")));
  rmSync(directory, { recursive: true });
});

const suites = (["bookworm", "trixie", "sid", "newer"] as const).filter((suite) => findProgram(suite, "etcd"));

/** Fills a real server, saves a snapshot of it, and says what it held at that moment. */
async function takeSnapshot(suite: Suite, file: string): Promise<KeyspaceView> {
  const etcd = await startEtcd({ suite, dataDir: join(directory, "source") });
  running.push(etcd);
  const lease = /lease ([0-9a-f]+) /.exec(await etcd.etcdctl("lease", "grant", "86400"))![1]!;
  for (let i = 0; i < 30; i++) await etcd.etcdctl("put", `/registry/things/${i % 20}`, "x".repeat(i * 300));
  await etcd.etcdctl("put", "/registry/masterleases/a", "leased", `--lease=${lease}`);
  await etcd.etcdctl("del", "/registry/things/3");
  await etcd.etcdctl("put", "/registry/things/3", "again");
  await etcd.etcdctl("del", "/registry/things/5");
  await etcd.etcdctl("compact", "15");
  await etcd.etcdctl("put", "/registry/events/last", "written last");
  const view = await viewKeyspace(etcd);
  await etcd.etcdctl("snapshot", "save", file);
  await etcd.stop();
  running = [];
  return view;
}

function restore(
  file: string,
  name: string,
  initialCluster: string,
  peer: string,
  more: Partial<RestoreOptions> = {},
): Promise<RestoreResult> {
  return restoreSnapshot(file, {
    dataDir: join(directory, name),
    name,
    initialCluster,
    initialClusterToken: "restored",
    initialAdvertisePeerUrls: peer,
    ...more,
  });
}

/** Restores one member, starts it, and shows what it serves. */
async function restoreAndStart(suite: Suite, file: string, more: Partial<RestoreOptions> = {}): Promise<EtcdServer> {
  const { members, initialCluster } = await planMembers(1);
  await restore(file, "m1", initialCluster, members[0]!.peer, more);
  running = await startMembers(suite, directory, members, initialCluster);
  return running[0]!;
}

describe.skipIf(suites.length === 0)(`etcd of ${suites.length ? suites.join(", ") : PROGRAMS_MISSING}`, () => {
  test("an etcd to which nothing was written is at revision 1, before and after", async () => {
    const [suite] = suites as [Suite];
    const etcd = await startEtcd({ suite, dataDir: join(directory, "source") });
    running.push(etcd);
    const file = join(directory, "empty.db");
    await etcd.etcdctl("snapshot", "save", file);
    await etcd.stop();
    running = [];
    const { members, initialCluster } = await planMembers(1);
    const peer = members[0]!.peer;
    const { revision } = await restore(file, "m1", initialCluster, peer);
    running = await startMembers(suite, directory, members, initialCluster);
    expect(revision).toBe((await viewKeyspace(running[0]!)).revision);
    // What the old data dir can have shown to clients: each entry behind its database makes one revision at most.
    expect(newestRevision(join(directory, "source")).revision).toBeGreaterThanOrEqual(1);
    const dataDir = join(directory, "bumped");
    const bumped = await restore(file, "m1", initialCluster, peer, { dataDir, dryRun: true, bumpRevision: 10 });
    expect(bumped.revision).toBe(11);
  });

  test.each(suites)("%s: members whose revision was raised show one hash before anything is written", async (suite) => {
    const file = join(directory, "snapshot.db");
    await takeSnapshot(suite, file);
    const { members, initialCluster } = await planMembers(2);
    for (const { name, peer } of members) await restore(file, name, initialCluster, peer, { bumpRevision: 1000 });
    running = await startMembers(suite, directory, members, initialCluster);
    const health = await checkHealth({ endpoints: running.map(({ endpoint }) => endpoint), timeout: 10_000 });
    const hashes = health.members.map(({ status }) => status?.hash);
    expect(hashes).toEqual([hashes[0], hashes[0]]);
    expect(hashes[0]).toEqual({ hash: expect.any(Number), compactRevision: health.members[0]!.status!.revision });
  });

  test.each(suites.flatMap((suite) => [1, 3].map((count) => [suite, count] as const)))(
    "%s, %d members",
    async (suite, count) => {
      const file = join(directory, "snapshot.db");
      const source = await takeSnapshot(suite, file);
      const { members, initialCluster } = await planMembers(count);
      const results: RestoreResult[] = [];
      for (const { name, peer } of members) results.push(await restore(file, name, initialCluster, peer));
      expect(results[0]).toMatchObject({ revision: source.revision, sha256: "verified", findings: [] });
      running = await startMembers(suite, directory, members, initialCluster);
      for (const server of running) expect(await viewKeyspace(server)).toEqual(source);
      expect(await memberNames(running[0]!)).toEqual(
        Object.fromEntries(results.map(({ memberId, name }) => [memberId, name])),
      );
      // It takes writes, and they last.
      await running[0]!.etcdctl("put", "/after", "restore");
      for (const server of running) await server.stop("SIGKILL");
      running = await startMembers(suite, directory, members, initialCluster);
      expect((await running.at(-1)!.etcdctl("get", "/after")).split("\n")).toContain("restore");
    },
  );

  test.each(suites)("%s: a raised revision compacts everything before it", async (suite) => {
    const file = join(directory, "snapshot.db");
    const source = await takeSnapshot(suite, file);
    const etcd = await restoreAndStart(suite, file, { bumpRevision: 1_000_000 });
    const view = await viewKeyspace(etcd);
    expect(view.revision).toBe(source.revision + 1_000_000);
    expect(view.keys.filter((kv) => (kv as { key?: string }).key !== undefined)).toEqual(source.keys);
    await expect(etcd.etcdctl("get", "/registry/things/1", `--rev=${source.revision}`)).rejects.toThrow("compacted");
    await etcd.etcdctl("put", "/after", "x");
    expect((await viewKeyspace(etcd)).revision).toBe(source.revision + 1_000_001);
    // The snapshot of such a cluster is restored like any other.
    const again = join(directory, "again.db");
    await etcd.etcdctl("snapshot", "save", again);
    const result = await restore(again, "default", "default=http://localhost:2380", "http://localhost:2380");
    expect(result).toMatchObject({ revision: source.revision + 1_000_001, findings: [] });
  });

  test.each(suites)("%s: an earlier revision, keys left out, compacted", async (suite) => {
    const file = join(directory, "snapshot.db");
    const source = await takeSnapshot(suite, file);
    const keysOf = (view: KeyspaceView): string[] =>
      view.keys.map((kv) => Buffer.from((kv as { key: string }).key, "base64").toString());

    let etcd = await restoreAndStart(suite, file, { atRevision: 20 });
    expect((await viewKeyspace(etcd)).revision).toBe(20);
    expect(keysOf(await viewKeyspace(etcd))).toEqual(
      Array.from({ length: 19 }, (_, i) => `/registry/things/${i}`).sort(),
    );
    await etcd.stop();

    const exclude = ["/registry/masterleases/", "/registry/events/"];
    etcd = await restoreAndStart(suite, file, { exclude, replace: true });
    let view = await viewKeyspace(etcd);
    expect(view.revision).toBe(source.revision); // though the last write is one of those left out
    expect(keysOf(view)).toEqual(keysOf(source).filter((key) => key.includes("/things/")));
    await etcd.stop();

    etcd = await restoreAndStart(suite, file, { compact: true, replace: true });
    view = await viewKeyspace(etcd);
    expect({ ...view, hash: 0 }).toEqual({ ...source, hash: 0 });
    await expect(etcd.etcdctl("get", "/registry/things/1", `--rev=${source.revision - 1}`)).rejects.toThrow(
      "compacted",
    );
    await etcd.etcdctl("put", "/after", "x");
    await etcd.stop();
  });

  test.each(suites)(
    "%s: keys whose lease ended after the revision are left out, with all their versions",
    async (suite) => {
      const file = join(directory, "snapshot.db");
      const etcd = await startEtcd({ suite, dataDir: join(directory, "source") });
      running.push(etcd);
      const grant = async (): Promise<string> =>
        /lease ([0-9a-f]+) /.exec(await etcd.etcdctl("lease", "grant", "86400"))![1]!;
      const [ended, kept] = [await grant(), await grant()];
      await etcd.etcdctl("put", "/registry/masterleases/10.0.0.9", "without a lease at first");
      await etcd.etcdctl("put", "/registry/masterleases/10.0.0.9", "gone", `--lease=${ended}`);
      await etcd.etcdctl("put", "/registry/events/default/a", "gone", `--lease=${ended}`);
      await etcd.etcdctl("put", "/registry/events/default/b", "stays", `--lease=${kept}`);
      await etcd.etcdctl("put", "/registry/events/default/c", "was leased", `--lease=${ended}`);
      await etcd.etcdctl("put", "/registry/events/default/c", "stays");
      await etcd.etcdctl("lease", "revoke", ended);
      await etcd.etcdctl("put", "/registry/things/later", "not yet");
      await etcd.etcdctl("snapshot", "save", file);
      await etcd.stop();

      for (const compact of [false, true]) {
        const { members, initialCluster } = await planMembers(1);
        const result = await restore(file, "m1", initialCluster, members[0]!.peer, {
          atRevision: 7,
          compact,
          replace: true,
        });
        expect(result.keysOfEndedLeases).toEqual(["/registry/events/default/a", "/registry/masterleases/10.0.0.9"]);
        expect(result.notes.find((note) => note.code === "ended-leases-left-out")?.text).toMatch(
          /^2 keys were left out.*: \/registry\/events\/ 1, \/registry\/masterleases\/ 1$/,
        );
        expect(result.notes.some((note) => note.code === "masterleases-restored")).toBe(false);
        running = await startMembers(suite, directory, members, initialCluster);
        const view = await viewKeyspace(running[0]!);
        expect(view.revision).toBe(7);
        expect(view.keys.map((kv) => Buffer.from((kv as { key: string }).key, "base64").toString())).toEqual([
          "/registry/events/default/b",
          "/registry/events/default/c",
        ]);
        expect(await running[0]!.etcdctl("lease", "timetolive", kept, "--keys")).toContain(
          "/registry/events/default/b",
        );
        expect(running[0]!.log()).not.toContain("failed to attach a lease");
        await running[0]!.stop();
        running = [];
      }
    },
  );

  test.each(suites)("%s: users and roles are restored", async (suite) => {
    const etcd = await startEtcd({ suite, dataDir: join(directory, "source") });
    running.push(etcd);
    const root = "--user=root:secret";
    for (const args of [
      ["role", "add", "root"],
      ["user", "add", "root:secret"],
      ["user", "grant-role", "root", "root"],
      ["auth", "enable"],
    ]) {
      await etcd.etcdctl(...args);
    }
    const file = join(directory, "snapshot.db");
    await etcd.etcdctl("put", "/a", "b", root);
    await etcd.etcdctl("snapshot", "save", file, root);
    await etcd.stop();
    const { members, initialCluster } = await planMembers(1);
    await restore(file, "m1", initialCluster, members[0]!.peer);
    running = [await startEtcd({ suite, dataDir: join(directory, "m1"), name: "m1", ports: members[0]!.ports }, false)];
    await expect.poll(() => running[0]!.etcdctl("get", "/a", root).catch(() => ""), { timeout: 20_000 }).toContain("b");
    await expect(running[0]!.etcdctl("put", "/a", "c")).rejects.toThrow("user name is empty");
  });

  test("the old data dir tells how far the revision has to be raised", async () => {
    const etcd = await startEtcd({ suite: suites[0]!, dataDir: join(directory, "m1") });
    running.push(etcd);
    await etcd.etcdctl("put", "/registry/minions/node1", "x");
    const file = join(directory, "snapshot.db");
    await etcd.etcdctl("snapshot", "save", file);
    for (let i = 0; i < 7; i++) await etcd.etcdctl("put", `/registry/later/${i}`, "x");
    const { revision } = await viewKeyspace(etcd);
    await etcd.stop("SIGKILL");
    running = [];
    const { members, initialCluster } = await planMembers(1);
    const first = await restore(file, "m1", initialCluster, members[0]!.peer, { replace: true });
    expect(first.movedAside).toBe(join(directory, "m1.before-restore"));
    const note = first.notes.find((found) => found.code === "revision-goes-back")!.text;
    const bump = Number(/--bump-revision (\d+)/.exec(withFlags(note))![1]);
    expect(first.snapshotRevision + bump).toBeGreaterThanOrEqual(revision);
    expect(bump).toBeLessThan(100);
    await restore(file, "m1", initialCluster, members[0]!.peer, { replace: true, bumpRevision: bump });
    running = await startMembers(suites[0]!, directory, members, initialCluster);
    expect((await viewKeyspace(running[0]!)).revision).toBeGreaterThanOrEqual(revision);
  });

  test.each(suites.filter((suite) => suite !== "bookworm"))("%s takes over a snapshot of etcd 3.4", async (suite) => {
    const file = join(directory, "snapshot.db");
    const source = await takeSnapshot("bookworm", file);
    const view = await viewKeyspace(await restoreAndStart(suite, file));
    expect({ ...view, hash: 0 }).toEqual({ ...source, hash: 0 });
  });
});
