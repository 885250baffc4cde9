/** Clusters that lose their quorum under load, and what is made of the data dirs that are left, started by real etcd servers. */

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { input } from "../src/errors/input.ts";
import { type SalvageOptions, type SalvageResult, salvage } from "../src/operations/etcd/salvage.ts";
import { type EtcdServer, ready, startEtcd } from "./etcd-server.ts";
import { freePorts } from "./free-ports.ts";
import { findProgram, PROGRAMS_MISSING, type Suite } from "./programs.ts";
import { memberNames, type PlannedMember, planMembers, startMembers } from "./restored-cluster.ts";

let directory: string;
let running: EtcdServer[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "salvage-"));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop("SIGKILL")));
  rmSync(directory, { recursive: true });
});

const suites = (["bookworm", "trixie", "sid", "newer"] as const).filter((suite) => findProgram(suite, "etcd"));

/** Writes as fast as it is acknowledged until `stopped` aborts; the keys whose writes were acknowledged are added. */
async function load(
  server: EtcdServer,
  writer: string,
  stopped: AbortSignal,
  acknowledged: Set<string>,
): Promise<void> {
  for (let i = 0; !stopped.aborted; i++) {
    const key = `/load/${writer}/${i}`;
    const body = JSON.stringify({ key: btoa(key), value: btoa("v".repeat(i % 700)) });
    try {
      const response = await fetch(`${server.endpoint}/v3/kv/put`, { method: "POST", body, signal: stopped });
      if (response.ok && ((await response.json()) as { header?: object }).header !== undefined) acknowledged.add(key);
    } catch {
      break; // killed
    }
  }
}

/** A cluster of three that is killed, all at once, while writes are going on at each member. */
async function killedCluster(
  suite: Suite,
  flags: readonly string[] = [],
): Promise<{ members: PlannedMember[]; acknowledged: Set<string> }> {
  const { members, initialCluster } = await planMembers(3);
  running = await startMembers(suite, directory, members, initialCluster, flags);
  const stopped = new AbortController();
  const acknowledged = new Set<string>();
  const loads = running.flatMap((server, i) =>
    [0, 1, 2].map((n) => load(server, `${i}-${n}`, stopped.signal, acknowledged)),
  );
  await new Promise((resolve) => setTimeout(resolve, 2000));
  await expect.poll(() => acknowledged.size, { timeout: 30_000 }).toBeGreaterThan(50);
  await Promise.all(running.splice(0).map((server) => server.stop("SIGKILL")));
  stopped.abort();
  await Promise.all(loads);
  return { members, acknowledged };
}

async function salvaged(
  names: readonly string[],
  more: Partial<SalvageOptions> = {},
): Promise<{ result: SalvageResult; out: string; ports: [number, number] }> {
  const ports = (await freePorts(2)) as [number, number];
  const out = mkdtempSync(join(directory, "out-"));
  const result = await salvage(
    names.map((name) => join(directory, name)),
    { dataDir: out, name: "alone", initialAdvertisePeerUrls: `http://127.0.0.1:${ports[1]}`, ...more },
  );
  return { result, out, ports };
}

async function start(suite: Suite, out: string, ports: [number, number]): Promise<EtcdServer> {
  const server = await startEtcd({ suite, dataDir: out, name: "alone", ports });
  running.push(server);
  return server;
}

async function keys(server: EtcdServer): Promise<Set<string>> {
  return new Set((await server.etcdctl("get", "/load/", "--prefix", "--keys-only")).split("\n").filter((line) => line));
}

describe.skipIf(suites.length === 0)(`etcd of ${suites.length ? suites.join(", ") : PROGRAMS_MISSING}`, () => {
  test.each(suites)("%s: any two of three survivors have every acknowledged write", async (suite) => {
    const { members, acknowledged } = await killedCluster(suite, ["--snapshot-count", "100"]);
    for (const lost of members) {
      const left = members.filter((member) => member !== lost).map((member) => member.name);
      const { result, out, ports } = await salvaged(left);
      const server = await start(suite, out, ports);
      const held = await keys(server);
      expect([...acknowledged].filter((key) => !held.has(key))).toEqual([]);
      expect(await memberNames(server)).toEqual({ [result.memberId]: "alone" });
      expect(result.removedMembers).toHaveLength(2);
      const listed = await server.etcdctl("member", "list", "-w", "simple");
      expect(listed).toContain(`http://127.0.0.1:${ports[1]}`);
      await server.etcdctl("put", "/after", "salvage");
      await server.stop("SIGKILL");
      running = [];
      expect(await (await start(suite, out, ports)).etcdctl("get", "/after")).toContain("salvage");
      await running.pop()!.stop();
    }
  });

  test("survivors whose WAL is elsewhere, into a WAL dir that is elsewhere", async () => {
    const suite = suites.at(-1)!;
    const { members, initialCluster } = await planMembers(3);
    const walOf = (name: string): string => join(directory, `${name}-wal`);
    running = await Promise.all(
      members.map(({ name, ports }) => {
        const flags = ["--initial-cluster", initialCluster, "--wal-dir", walOf(name)];
        return startEtcd({ suite, dataDir: join(directory, name), name, ports, flags }, false);
      }),
    );
    await ready(running[0]!);
    for (let i = 0; i < 20; i++) await running[i % 3]!.etcdctl("put", `/load/${i}`, "x");
    const inUse = salvaged(["m1"], { survivorWalDirs: new Map([[join(directory, "m1"), walOf("m1")]]) });
    await expect(inUse).rejects.toMatchObject({ code: "data-dir-in-use" });
    await Promise.all(running.splice(0).map((server) => server.stop("SIGKILL")));

    await expect(salvaged(["m1"])).rejects.toMatchObject({
      code: "not-found",
      hint: expect.stringContaining(input("survivorWalDir")),
    });
    const walDir = join(directory, "out-wal");
    const survivorWalDirs = new Map(["m1", "m2"].map((name) => [join(directory, name), walOf(name)]));
    const { out, ports } = await salvaged(["m1", "m2"], { survivorWalDirs, walDir });
    expect(readdirSync(join(out, "member"))).toEqual(["snap"]);
    const server = await startEtcd({ suite, dataDir: out, name: "alone", ports, flags: ["--wal-dir", walDir] });
    running.push(server);
    expect((await keys(server)).size).toBe(20);
    await server.stop("SIGKILL");
    running = [];

    // The same again, in place of what is there.
    const again = await salvage([out], {
      dataDir: out,
      walDir,
      replace: true,
      survivorWalDirs: new Map([[out, walDir]]),
      name: "alone",
      initialAdvertisePeerUrls: `http://127.0.0.1:${ports[1]}`,
    });
    expect(again).toMatchObject({ movedAside: `${out}.before-restore`, walMovedAside: `${walDir}.before-restore` });
    running.push(await startEtcd({ suite, dataDir: out, name: "alone", ports, flags: ["--wal-dir", walDir] }));
    expect((await keys(running[0]!)).size).toBe(20);
  });

  test("a new member joins what was salvaged", async () => {
    const suite = suites.at(-1)!;
    const { acknowledged } = await killedCluster(suite);
    const { result, out, ports } = await salvaged(["m1", "m2", "m3"]);
    const first = await start(suite, out, ports);
    const [client, peer] = (await freePorts(2)) as [number, number];
    await first.etcdctl("member", "add", "second", `--peer-urls=http://127.0.0.1:${peer}`);
    const initialCluster = `alone=http://127.0.0.1:${ports[1]},second=http://127.0.0.1:${peer}`;
    const flags = ["--initial-cluster", initialCluster, "--initial-cluster-state", "existing"];
    const second = await startEtcd({
      suite,
      dataDir: join(directory, "second"),
      name: "second",
      ports: [client, peer],
      flags,
    });
    running.push(second);
    const held = await keys(second);
    expect([...acknowledged].filter((key) => !held.has(key))).toEqual([]);
    expect(Object.keys(await memberNames(second))).toContain(result.memberId);
  });

  test("the more up-to-date log is used, and --committed-only drops its end", async () => {
    const suite = suites[0]!;
    const { members, initialCluster } = await planMembers(3);
    running = await startMembers(suite, directory, members, initialCluster);
    const [one, two, three] = running as [EtcdServer, EtcdServer, EtcdServer];
    await one.etcdctl("put", "/load/before", "x");
    await three.stop();
    for (let i = 0; i < 5; i++) await two.etcdctl("put", `/load/${i}`, "x");
    await Promise.all([one.stop("SIGKILL"), two.stop("SIGKILL")]);
    running = [];
    const before = readdirSync(join(directory, "m3/member/wal")).map((name) =>
      readFileSync(join(directory, "m3/member/wal", name)),
    );
    const { result } = await salvaged(["m3", "m2"]);
    expect(result.chosen).toBe(join(directory, "m2"));
    expect(result.reason).toContain(`the log of "${join(directory, "m2")}" those up to ${result.lastIndex}`);
    expect(result.survivors[1]!.lastIndex).toBeGreaterThan(result.survivors[0]!.lastIndex);
    const forced = await salvaged(["m2"], { committedOnly: true });
    expect(forced.result.uncommittedEntries).toBe(0);
    expect(forced.result.replayedEntries + forced.result.droppedEntries).toBe(result.replayedEntries);
    // The survivors' data dirs are as they were.
    const after = readdirSync(join(directory, "m3/member/wal")).map((name) =>
      readFileSync(join(directory, "m3/member/wal", name)),
    );
    expect(after.map((bytes, i) => bytes.equals(before[i]!))).toEqual(before.map(() => true));
  });

  test.each([
    ["torn", "warning"],
    ["damaged", "error"],
    ["gone", undefined],
  ] as const)("a WAL that is %s: what can be read is kept, and the database is never lost", async (kind, level) => {
    const suite = suites.at(-1)!;
    const etcd = await startEtcd({ suite, dataDir: join(directory, "m1") });
    running.push(etcd);
    for (let i = 0; i < 40; i++) await etcd.etcdctl("put", `/load/${i}`, "x".repeat(600));
    await etcd.stop(); // the database takes in everything
    running = [];
    const wal = join(directory, "m1/member/wal");
    const segment = join(wal, readdirSync(wal).find((name) => name.endsWith(".wal"))!);
    const bytes = readFileSync(segment);
    const end = bytes.findLastIndex((byte) => byte !== 0);
    if (kind === "torn") truncateSync(segment, end - 1000);
    if (kind === "damaged") {
      bytes[Math.floor(end / 2)]! ^= 0x40;
      writeFileSync(segment, bytes);
    }
    if (kind === "gone") truncateSync(segment, 300);
    const { result, out, ports } = await salvaged(["m1"]);
    if (level !== undefined) expect(result.survivors[0]!.findings).toMatchObject([{ level, code: `wal-${kind}` }]);
    if (kind === "torn") expect(result.survivors[0]!.findings[0]!.text).toMatch(/entries from \d+ on/);
    if (kind === "damaged") expect(result.survivors[0]!.findings[0]!.text).toMatch(/entry \d+ is lost here/);
    // A log that ends in the middle says nothing of what its only voter committed behind that.
    const isCut = result.findings.some(({ code }) => code === "survivors-too-few");
    if (kind === "torn") expect(isCut).toBe(false);
    if (kind === "damaged") expect(isCut).toBe(true);
    const others = result.findings.filter(({ code }) => code !== "survivors-too-few");
    expect(others).toMatchObject([{ code: "raft-snapshot-made" }, { code: "etcd-version" }]);
    const server = await start(suite, out, ports);
    expect((await keys(server)).size).toBe(40);
    await server.etcdctl("put", "/after", "x");
  });

  test("another survivor's database serves where the log's own is broken", async () => {
    const suite = suites[0]!;
    const { acknowledged } = await killedCluster(suite);
    for (const name of ["m1", "m2"]) writeFileSync(join(directory, name, "member/snap/db"), "not a database");
    const { result, out, ports } = await salvaged(["m1", "m2", "m3"]);
    expect(result.survivors.flatMap((survivor) => survivor.findings).map((finding) => finding.code)).toEqual([
      "database-unreadable",
      "database-unreadable",
    ]);
    const held = await keys(await start(suite, out, ports));
    expect([...acknowledged].filter((key) => !held.has(key))).toEqual([]);
  });

  test("a log with an entry that etcd 3.4 does not read back begins behind the database", async () => {
    const suite = suites.find((each) => each === "bookworm") ?? suites[0]!;
    const flags = ["--max-request-bytes", String(32 * 1024 * 1024)];
    const etcd = await startEtcd({ suite, dataDir: join(directory, "m1"), flags });
    running.push(etcd);
    const body = JSON.stringify({
      key: btoa("/load/large"),
      value: Buffer.alloc(12 * 1024 * 1024, "x").toString("base64"),
    });
    expect((await fetch(`${etcd.endpoint}/v3/kv/put`, { method: "POST", body })).ok).toBe(true);
    await etcd.etcdctl("put", "/load/small", "x");
    await etcd.stop();
    running = [];
    const { result, out, ports } = await salvaged(["m1"]);
    const made = result.findings.find((finding) => finding.code === "raft-snapshot-made");
    expect(made?.text).toMatch(suite === "bookworm" ? /entries of more than 10 MiB/ : /./);
    const server = await start(suite, out, ports);
    expect((await keys(server)).size).toBe(2);
    await server.etcdctl("put", "/after", "x");
  });

  test("alarms of the database and of the log behind it are reported", async () => {
    const suite = suites.at(-1)!;
    const flags = ["--quota-backend-bytes", String(512 * 1024)];
    const etcd = await startEtcd({ suite, dataDir: join(directory, "m1"), flags });
    running.push(etcd);
    for (let i = 0; ; i++) {
      const refused = await etcd.etcdctl("put", `/load/${i}`, "x".repeat(100_000)).then(
        () => false,
        () => true,
      );
      if (refused) break;
      expect(i).toBeLessThan(20);
    }
    await etcd.etcdctl("get", "/load/0"); // the alarm is taken in before this is answered
    const before = await etcd.etcdctl("alarm", "list");
    expect(before).toContain("NOSPACE");
    await etcd.stop("SIGKILL");
    running = [];
    const { result, out, ports } = await salvaged(["m1"]);
    expect(result.findings).toContainEqual(
      expect.objectContaining({ code: "alarm-restored", text: expect.stringContaining("the alarm NOSPACE of member") }),
    );
    const server = await start(suite, out, ports);
    expect(await server.etcdctl("alarm", "list")).toBe(before);
  });

  test("a learner alone continues as a voter", async () => {
    const suite = suites[0]!;
    const { members, initialCluster } = await planMembers(1);
    running = await startMembers(suite, directory, members, initialCluster);
    const [first] = running as [EtcdServer];
    const [client, peer] = (await freePorts(2)) as [number, number];
    await first.etcdctl("member", "add", "learner", "--learner", `--peer-urls=http://127.0.0.1:${peer}`);
    const all = `${initialCluster},learner=http://127.0.0.1:${peer}`;
    const learner = await startEtcd(
      {
        suite,
        dataDir: join(directory, "learner"),
        name: "learner",
        ports: [client, peer],
        flags: ["--initial-cluster", all, "--initial-cluster-state", "existing"],
      },
      false,
    );
    running.push(learner);
    for (let i = 0; i < 20; i++) await first.etcdctl("put", `/load/${i}`, "x");
    const caughtUp = async (): Promise<boolean> => {
      try {
        return (await learner.etcdctl("get", "/load/19", "--consistency=s", "--keys-only")).includes("/load/19");
      } catch {
        return false; // not yet one of the cluster
      }
    };
    while (!(await caughtUp())) await new Promise((resolve) => setTimeout(resolve, 100));
    await Promise.all(running.splice(0).map((server) => server.stop("SIGKILL")));
    const { result, out, ports } = await salvaged(["learner"]);
    expect(result).toMatchObject({ isNewMember: false, isComplete: true, survivors: [{ role: "learner" }] });
    const server = await start(suite, out, ports);
    expect((await keys(server)).size).toBe(20);
    await server.etcdctl("put", "/after", "x");
  });

  test("a cluster that was recreated with the same flags has another history", async () => {
    const suite = suites[0]!;
    const { members, initialCluster } = await planMembers(3);
    for (const [key, kept] of [
      ["/load/old", "m1"],
      ["/load/new", "m2"],
    ] as const) {
      running = await startMembers(suite, directory, members, initialCluster);
      for (let i = 0; i < 10; i++) await running[0]!.etcdctl("put", `${key}${i}`, "x");
      await Promise.all(running.splice(0).map((server) => server.stop("SIGKILL")));
      cpSync(join(directory, kept), join(directory, `kept-${kept}`), { recursive: true });
      for (const { name } of members) rmSync(join(directory, name), { recursive: true });
    }
    await expect(salvaged(["kept-m1", "kept-m2"])).rejects.toMatchObject({
      code: "usage",
      message: expect.stringContaining("not of one history"),
    });
  });

  test("a data dir in use, of another cluster, given twice, or none at all is refused", async () => {
    const suite = suites[0]!;
    const etcd = await startEtcd({ suite, dataDir: join(directory, "m1") });
    running.push(etcd);
    await expect(salvaged(["m1"])).rejects.toMatchObject({
      code: "data-dir-in-use",
      hint: expect.stringContaining(`stop process ${etcd.pid}`),
    });
    await etcd.stop();
    running = [];
    const other = await startEtcd({
      suite,
      dataDir: join(directory, "m2"),
      flags: ["--initial-cluster-token", "other"],
    });
    await other.stop();
    await expect(salvaged(["m1", "m2"])).rejects.toMatchObject({
      code: "usage",
      message: expect.stringContaining("of cluster"),
    });
    cpSync(join(directory, "m1"), join(directory, "copy"), { recursive: true });
    await expect(salvaged(["m1", "copy"])).rejects.toMatchObject({ message: expect.stringContaining("same member") });
    await expect(salvaged(["nothing"])).rejects.toMatchObject({ code: "not-found" });
  });
});
