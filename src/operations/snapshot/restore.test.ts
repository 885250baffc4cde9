import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Fault, faultyFileSystem } from "../../../test/faulty-file-system.ts";
import { clusterEntries, madeSnapshot } from "../../../test/made-snapshot.ts";
import { readBolt } from "../../bolt/bolt.ts";
import { memorySource } from "../../bolt/byte-source.ts";
import { checkBolt } from "../../bolt/check.ts";
import { readSmallBucket } from "../../bolt/edit.ts";
import type { Finding } from "../../errors/errors.ts";
import { loadEncryptionConfig } from "../../snapshot/load-encryption-config.ts";
import { THREAD_WORTHY_BYTES } from "../../snapshot/sweep-threads.ts";
import { readLog } from "../../wal/log.ts";
import { decodeRaftSnapshot } from "../../wal/raft-snapshot.ts";
import { type RestoreOptions, restoreSnapshot } from "./restore.ts";

const FIXTURE = join(import.meta.dirname, "../../../test/fixtures/selfhosted-k120/snapshot.db.gz");
const MEMBER: Omit<RestoreOptions, "dataDir"> = {
  name: "default",
  initialCluster: "default=http://localhost:2380",
  initialClusterToken: "etcd-cluster",
  initialAdvertisePeerUrls: "http://localhost:2380",
};

const FIRST_SEGMENT = "0000000000000000-0000000000000000.wal";

let directory: string;
let snapshot: string;
let dataDir: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "restore-"));
  snapshot = join(directory, "snapshot.db");
  dataDir = join(directory, "data");
  writeFileSync(snapshot, gunzipSync(readFileSync(FIXTURE)));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Throws unless everything that etcd reads of a data dir is whole. */
function checkDataDir(path: string, walDir = join(path, "member/wal")): void {
  const snap = join(path, "member/snap");
  const names = readdirSync(snap).sort();
  expect(names).toEqual(["0000000000000001-0000000000000001.snap", "db"]);
  const findings: Finding[] = [];
  const bolt = readBolt(memorySource(readFileSync(join(snap, "db"))));
  checkBolt(bolt, (finding) => findings.push(finding));
  expect(findings).toEqual([]);
  expect(readSmallBucket(bolt, "members")!.map(([id]) => Buffer.from(id).toString())).toEqual(["8e9e05c52164694d"]);
  decodeRaftSnapshot(readFileSync(join(snap, names[0]!)), names[0]!);
  const log = readLog(segmentsOf(walDir).map((name) => memorySource(readFileSync(join(walDir, name)))));
  expect(log).toMatchObject({ state: { commit: 1, term: 1 }, breaks: [] });
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(statSync(join(snap, "db")).mode & 0o777).toBe(0o600);
}

/** What else is there, etcd passes over. */
const segmentsOf = (walDir: string): string[] => readdirSync(walDir).filter((name) => name.endsWith(".wal"));

const hashOf = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

describe.each([
  ["a copy", {}],
  ["another WAL dir", { walDir: "WAL" }],
  ["an empty WAL dir", { walDir: "WAL", emptyWalDir: true }],
  ["a rewritten keyspace, another WAL dir, an old data dir", { compact: true, walDir: "WAL", replace: true }],
] as const)("killed at every operation: %s", (_, flags) => {
  const options = (): RestoreOptions => {
    const { walDir, emptyWalDir, ...more } = { walDir: undefined, emptyWalDir: false, ...flags };
    if (emptyWalDir && !existsSync(join(directory, "WAL"))) mkdirSync(join(directory, "WAL"), { mode: 0o700 });
    if ("replace" in flags && !existsSync(dataDir)) {
      mkdirSync(dataDir, { mode: 0o700 });
      writeFileSync(join(dataDir, "old"), "old");
      mkdirSync(join(directory, "WAL"));
      writeFileSync(join(directory, "WAL/old"), "old WAL");
    }
    return { ...MEMBER, ...more, dataDir, ...(walDir === undefined ? {} : { walDir: join(directory, walDir) }) };
  };

  test("a crash leaves nothing or a whole data dir, and the next run succeeds", async () => {
    const before = hashOf(snapshot);
    const whole = faultyFileSystem("crash", Number.POSITIVE_INFINITY);
    await restoreSnapshot(snapshot, { ...options(), fileSystem: whole });
    const clean = (): void => {
      for (const name of readdirSync(directory)) {
        if (name !== "snapshot.db") rmSync(join(directory, name), { recursive: true });
      }
    };
    expect(whole.operations()).toBeGreaterThan(20);
    for (let at = 1; at <= whole.operations(); at++) {
      clean();
      const given = options();
      await expect(restoreSnapshot(snapshot, { ...given, fileSystem: faultyFileSystem("crash", at) })).rejects.toThrow(
        Fault,
      );
      const old = existsSync(join(dataDir, "old"));
      if (existsSync(dataDir) && !old) {
        checkDataDir(dataDir, given.walDir);
        continue;
      }
      if (old) expect(existsSync(join(directory, "WAL/old"))).toBe(true); // an old data dir never has a WAL that is not its own
      await restoreSnapshot(snapshot, given);
      checkDataDir(dataDir, given.walDir);
      const names = readdirSync(directory).filter((name) => name.includes(".kubemend-"));
      expect(names).toEqual([]);
      if (given.walDir !== undefined) expect(readdirSync(given.walDir)).toEqual([FIRST_SEGMENT]);
      if (!("replace" in flags)) continue;
      expect(readFileSync(join(directory, "data.before-restore/old"), "utf8")).toBe("old");
      expect(readFileSync(join(directory, "WAL.before-restore/old"), "utf8")).toBe("old WAL");
    }
    expect(hashOf(snapshot)).toBe(before);
  }, 300_000);

  test("a failure leaves everything as it was", async () => {
    const whole = faultyFileSystem("fail", Number.POSITIVE_INFINITY);
    await restoreSnapshot(snapshot, { ...options(), fileSystem: whole });
    const lastRename = whole.log.lastIndexOf("rename") + 1;
    for (let at = 1; at <= lastRename; at++) {
      for (const name of readdirSync(directory)) {
        if (name !== "snapshot.db") rmSync(join(directory, name), { recursive: true });
      }
      const given = options();
      const names = readdirSync(directory);
      await expect(restoreSnapshot(snapshot, { ...given, fileSystem: faultyFileSystem("fail", at) })).rejects.toThrow(
        Fault,
      );
      expect(readdirSync(directory)).toEqual(names);
    }
  }, 300_000);
});

test("an empty target directory stays the same directory: it may be a mount point", async () => {
  mkdirSync(dataDir, { mode: 0o700 });
  const { ino } = statSync(dataDir);
  await restoreSnapshot(snapshot, { ...MEMBER, dataDir });
  expect(statSync(dataDir).ino).toBe(ino);
  checkDataDir(dataDir);
});

test("so does an empty WAL dir", async () => {
  const walDir = join(directory, "WAL");
  mkdirSync(walDir, { mode: 0o700 });
  const { ino } = statSync(walDir);
  await restoreSnapshot(snapshot, { ...MEMBER, dataDir, walDir });
  expect(statSync(walDir).ino).toBe(ino);
  expect(readdirSync(walDir)).toEqual([FIRST_SEGMENT]);
  checkDataDir(dataDir, walDir);
});

test("a WAL that is not the leftover of a killed run is refused, whatever was staged beside it", async () => {
  const walDir = join(directory, "WAL");
  for (const name of ["data", "WAL"]) {
    const nonce = "0123456789abcdef";
    const path = join(directory, `.${name}.kubemend-${nonce}`);
    mkdirSync(join(path, "moving"), { recursive: true, mode: 0o700 });
    writeFileSync(join(path, "moving", FIRST_SEGMENT), "");
    writeFileSync(join(path, "journal.json"), JSON.stringify({ madeBy: "kubemend", target: name, nonce }));
  }
  mkdirSync(walDir);
  writeFileSync(join(walDir, FIRST_SEGMENT), "precious");
  await expect(restoreSnapshot(snapshot, { ...MEMBER, dataDir, walDir })).rejects.toMatchObject({ code: "not-empty" });
  expect(readFileSync(join(walDir, FIRST_SEGMENT), "utf8")).toBe("precious");
});

test.each(["a small one", "one that threads check"])("an interrupted restore leaves nothing: %s", async (which) => {
  if (which !== "a small one") {
    const metadata = { namespace: "default", annotations: { filler: "x".repeat(1_000_000) } };
    const maps = Array.from({ length: 40 }, (_, i) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { ...metadata, name: `large-${i}` },
    }));
    writeFileSync(snapshot, madeSnapshot(clusterEntries(maps)));
    expect(statSync(snapshot).size).toBeGreaterThan(THREAD_WORTHY_BYTES);
  }
  const abort = new AbortController();
  const attempt = restoreSnapshot(snapshot, {
    ...MEMBER,
    dataDir,
    signal: abort.signal,
    progress: () => abort.abort(),
  });
  await expect(attempt).rejects.toMatchObject({ name: "AbortError" });
  expect(readdirSync(directory)).toEqual(["snapshot.db"]);
});

test.runIf(process.geteuid?.() === 0)("what replaces a data dir has its owner, group and mode", async () => {
  const walDir = join(directory, "WAL");
  for (const path of [join(dataDir, "member"), walDir]) mkdirSync(path, { recursive: true });
  writeFileSync(join(walDir, "old"), "old");
  chmodSync(dataDir, 0o750);
  chmodSync(walDir, 0o770);
  for (const path of [dataDir, join(dataDir, "member")]) chownSync(path, 1000, 1001);
  chownSync(walDir, 1002, 1003);
  await restoreSnapshot(snapshot, { ...MEMBER, dataDir, walDir, replace: true });
  const seen = ["data", "data/member", "data/member/snap", "data/member/snap/db", "WAL", `WAL/${FIRST_SEGMENT}`].map(
    (name) => {
      const { uid, gid, mode } = statSync(join(directory, name));
      return `${name} ${uid}:${gid} ${(mode & 0o7777).toString(8)}`;
    },
  );
  expect(seen).toEqual([
    "data 1000:1001 750",
    "data/member 1000:1001 700",
    "data/member/snap 1000:1001 700",
    "data/member/snap/db 1000:1001 600",
    "WAL 1002:1003 770",
    `WAL/${FIRST_SEGMENT} 1002:1003 600`,
  ]);
});

test("what a dead run staged is removed, but not what is not ours", async () => {
  const nonce = "0123456789abcdef";
  const leftover = (suffix: string, journal: object | undefined, mode = 0o700): void => {
    const path = join(directory, `.data.kubemend-${nonce.slice(0, -1)}${suffix}`);
    mkdirSync(join(path, "new"), { recursive: true });
    chmodSync(path, mode);
    if (journal !== undefined) writeFileSync(join(path, "journal.json"), JSON.stringify(journal));
  };
  const ours = (suffix: string) => ({ madeBy: "kubemend", target: "data", nonce: `${nonce.slice(0, -1)}${suffix}` });
  leftover("0", ours("0"));
  leftover("1", ours("0")); // the journal of another
  leftover("2", { ...ours("2"), target: "other" });
  leftover("3", ours("3"), 0o755); // others may look into it
  leftover("4", undefined);
  mkdirSync(join(directory, "elsewhere"));
  writeFileSync(join(directory, "elsewhere/precious"), "precious");
  symlinkSync("elsewhere", join(directory, `.data.kubemend-${nonce.slice(0, -1)}5`));
  await restoreSnapshot(snapshot, { ...MEMBER, dataDir });
  const left = readdirSync(directory).filter((name) => name.startsWith(".data"));
  expect(left.map((name) => name.at(-1))).toEqual(["1", "2", "3", "4", "5"]);
  expect(readFileSync(join(directory, "elsewhere/precious"), "utf8")).toBe("precious");
});

test("a dry run finds what a run would, and writes nothing", async () => {
  const options = { ...MEMBER, dataDir, compact: true, bumpRevision: 1000 };
  const dry = await restoreSnapshot(snapshot, { ...options, dryRun: true });
  expect(readdirSync(directory)).toEqual(["snapshot.db"]);
  const real = await restoreSnapshot(snapshot, options);
  expect(dry).toEqual({ ...real, dryRun: true });
  await expect(restoreSnapshot(snapshot, { ...options, dryRun: true })).rejects.toMatchObject({ code: "not-empty" });
});

test("encrypted objects are checked with their keys", async () => {
  const fixture = join(import.meta.dirname, "../../../test/fixtures/k136-encrypted");
  const codes = async (more: Partial<RestoreOptions>): Promise<string[]> =>
    (
      await restoreSnapshot(join(fixture, "snapshot.db.gz"), { ...MEMBER, dataDir, dryRun: true, ...more })
    ).findings.map(({ code }) => code);
  expect(await codes({})).toContain("object-encrypted");
  const encryption = loadEncryptionConfig(join(fixture, "encryption.yaml"))!;
  expect(await codes({ encryption })).not.toContain("object-encrypted");
});

test("a restored cluster of several members that has its old ids is warned of", async () => {
  const cluster = "a=http://localhost:2380,b=http://localhost:12380";
  const member = { ...MEMBER, name: "a", initialCluster: cluster };
  await restoreSnapshot(snapshot, { ...member, dataDir });
  const saved = join(dataDir, "member/snap/db");
  const again = { ...member, dataDir: join(directory, "again"), skipHashCheck: true, dryRun: true };
  const codes = async (more: Partial<RestoreOptions>): Promise<string[]> =>
    (await restoreSnapshot(saved, { ...again, ...more })).notes.map(({ code }) => code);
  expect(await codes({})).toContain("member-ids-unchanged");
  expect(await codes({ initialClusterToken: "new" })).not.toContain("member-ids-unchanged");
});

test("an etcd that reads no v2 store finds its members in the database, and the place where its log continues", async () => {
  // etcd 3.7 (server/etcdserver/bootstrap.go) takes voters and learners from the bucket `members`, and the raft
  // snapshot from the newest mark in the WAL, which the database must have applied. It opens no `.snap` file.
  const urls = { a: "http://10.0.0.1:2380", b: "http://10.0.0.2:2380", c: "http://10.0.0.3:2380" };
  const initialCluster = Object.entries(urls)
    .map(([name, url]) => `${name}=${url}`)
    .join(",");
  await restoreSnapshot(snapshot, {
    ...MEMBER,
    dataDir,
    name: "b",
    initialCluster,
    initialClusterToken: "fresh",
    initialAdvertisePeerUrls: urls.b,
  });
  const bolt = readBolt(memorySource(readFileSync(join(dataDir, "member/snap/db"))));
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  const members = readSmallBucket(bolt, "members")!.map(([, json]) => JSON.parse(text(json)));
  expect(members.map(({ name, peerURLs }) => [name, peerURLs]).sort()).toEqual(
    Object.entries(urls).map(([name, url]) => [name, [url]]),
  );
  expect(members.filter(({ isLearner }) => isLearner === true)).toEqual([]);
  expect(readSmallBucket(bolt, "members_removed")).toEqual([]);
  const wal = join(dataDir, "member/wal");
  const log = readLog(segmentsOf(wal).map((name) => memorySource(readFileSync(join(wal, name)))));
  const mark = log.marks.at(-1)!;
  const meta = new Map(readSmallBucket(bolt, "meta")!.map(([key, value]) => [text(key), Buffer.from(value)]));
  expect(Number(meta.get("consistent_index")!.readBigUInt64BE())).toBe(mark.index);
  expect(mark.confState?.voters).toHaveLength(3);
});

test("an archive is restored like the file in it", async () => {
  await restoreSnapshot(FIXTURE, { ...MEMBER, dataDir });
  checkDataDir(dataDir);
});

describe("a cluster under another etcd prefix", () => {
  const other = join(import.meta.dirname, "../../../test/fixtures/other-prefix/snapshot.db.gz");
  const restored = (more: Partial<RestoreOptions>) => restoreSnapshot(other, { ...MEMBER, dataDir, ...more });

  test.each([{}, { etcdPrefix: "a/b/" }, { skipObjectCheck: true }, { exclude: ["/a/b/masterleases/"] }])(
    "is found, and what it has left over: %j",
    async (more: Partial<RestoreOptions>) => {
      const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "kube-apiserver-n1", namespace: "kube-system" } };
      const entries = clusterEntries([{ apiVersion: "v1", kind: "Node", metadata: { name: "n1" } }, pod], "/a/b");
      writeFileSync(snapshot, madeSnapshot([...entries, ["/a/b/masterleases/10.0.0.1", "{}"]]));
      const { notes, steps } = await restoreSnapshot(snapshot, { ...MEMBER, dataDir, ...more });
      expect(notes.map(({ code, where }) => [code, where])).toEqual([
        ["revision-goes-back", "snapshot"],
        ...("exclude" in more ? [] : [["masterleases-restored", "/a/b/masterleases/"]]),
        ["nodes-restored", "/a/b/minions/"],
      ]);
      expect(steps.join()).toContain("move kube-apiserver.yaml");
    },
  );

  test("that of an earlier revision is as it was then", async () => {
    const node = (name: string) => ({ apiVersion: "v1", kind: "Node", metadata: { name } });
    writeFileSync(snapshot, madeSnapshot(clusterEntries([node("n1")]).concat(clusterEntries([node("n2")]))));
    const { notes } = await restoreSnapshot(snapshot, { ...MEMBER, dataDir, atRevision: 4 });
    expect(notes.at(-1)!.text).toContain("1 node as of");
  });

  test("is one of two", async () => {
    writeFileSync(snapshot, madeSnapshot([...clusterEntries([], "/one"), ...clusterEntries([], "/two")]));
    const first = await restoreSnapshot(snapshot, { ...MEMBER, dataDir });
    expect(first.notes.map(({ code }) => code)).toEqual(["several-clusters", "revision-goes-back"]);
    const second = await restoreSnapshot(snapshot, { ...MEMBER, dataDir, replace: true, etcdPrefix: "/two" });
    expect(second.notes.map(({ code }) => code)).not.toContain("several-clusters");
  });

  test("also to tell whose it is", async () => {
    const kubeconfig = join(directory, "kubeconfig");
    const cluster = { name: "c", cluster: { server: "http://127.0.0.1:1" } };
    const context = { name: "c", context: { cluster: "c", user: "u" } };
    const config = {
      clusters: [cluster],
      contexts: [context],
      users: [{ name: "u", user: {} }],
      "current-context": "c",
    };
    writeFileSync(kubeconfig, JSON.stringify({ apiVersion: "v1", kind: "Config", ...config }));
    const notes = async (more: Partial<RestoreOptions>) =>
      (await restored({ cluster: { kubeconfig, context: undefined, variables: {} }, replace: true, ...more })).notes[0]!
        .text;
    expect(await notes({})).toContain("was not checked: ");
    expect(await notes({ etcdPrefix: "/kubernetes.io" })).toContain("was not checked: ");
  });

  test("is refused where another one is asked for", async () => {
    const failure = { code: "not-kubernetes", hint: 'there is one under "/kubernetes.io"' };
    await expect(restored({ etcdPrefix: "/registry" })).rejects.toMatchObject(failure);
    expect(readdirSync(directory)).toEqual(["snapshot.db"]);
  });
});

describe("refused, with nothing left behind", () => {
  const refused = async (more: Partial<RestoreOptions>, code: string, text: string | RegExp): Promise<void> => {
    const before = readdirSync(directory);
    const attempt = restoreSnapshot(snapshot, { ...MEMBER, dataDir, ...more });
    await expect(attempt).rejects.toMatchObject({ code, message: expect.stringMatching(text) });
    expect(readdirSync(directory)).toEqual(before);
  };

  test("a target that is not empty", async () => {
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, "precious"), "");
    await refused({}, "not-empty", /is not empty/);
    await refused({ dataDir: join(directory, "other"), walDir: dataDir }, "not-empty", /WAL dir/);
    await refused(
      { dataDir: join(directory, "other"), walDir: join(directory, "other/wal") },
      "usage",
      /is in the data/,
    );
  });

  test("a target that a process has open, even with --replace", async () => {
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, "db"), "");
    const child = spawn("sleep", ["60"], { stdio: [openSync(join(dataDir, "db"), "r"), "ignore", "ignore"] });
    try {
      await refused({ replace: true }, "data-dir-in-use", new RegExp(`in use by sleep \\(process ${child.pid}\\)`));
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("a file that was changed, and one without a hash", async () => {
    const bytes = readFileSync(snapshot);
    bytes[bytes.length - 40]! ^= 1;
    writeFileSync(snapshot, bytes);
    await refused({}, "snapshot-hash-mismatch", /does not match the SHA-256/);
    writeFileSync(snapshot, bytes.subarray(0, bytes.length - 32));
    await refused({}, "snapshot-refused", /no SHA-256/);
    const result = await restoreSnapshot(snapshot, { ...MEMBER, dataDir, skipHashCheck: true });
    expect(result).toMatchObject({ sha256: "absent", findings: [{ code: "snapshot-hash-absent", level: "warning" }] });
  });

  test("a damaged page, unless its finding is named", async () => {
    const bytes = readFileSync(snapshot);
    const root = Number(bytes.readBigUInt64LE(32));
    bytes.writeUInt16LE(0x55, 8 + 4096 * (root - 1)); // another page's flags
    writeFileSync(snapshot, bytes);
    await refused({ skipHashCheck: true }, "snapshot-refused", /damaged/);
  });

  test("not where it is named: pages that the tree reaches twice do not stop a rewrite", async () => {
    const damaged = gunzipSync(
      readFileSync(join(import.meta.dirname, "../../../test/fixtures/damaged/pages-referenced-twice.db.gz")),
    );
    writeFileSync(snapshot, damaged);
    const allow = ["page-double-referenced"];
    const result = await restoreSnapshot(snapshot, { ...MEMBER, dataDir, compact: true, skipHashCheck: true, allow });
    checkDataDir(dataDir);
    const texts = result.findings.map(({ where, text }) => `${where}: ${text}`);
    expect(new Set(texts).size).toBe(texts.length); // each once, though the file was read three times
  });

  test("a target where nothing can be made", async () => {
    await refused({ dataDir: "/proc/none/data" }, "not-found", /cannot create directory/);
  });

  test.each([
    [{ exclude: [""] }, /exclude\W has an empty prefix/],
    [{ name: "other" }, /"other" is not in \WinitialCluster/],
    [{ initialAdvertisePeerUrls: "http://localhost:1" }, /missing from \WinitialAdvertisePeerUrls/],
    [{ initialCluster: "default=http://nobody.invalid:2380" }, /"nobody.invalid" cannot be resolved here/],
    [{ initialCluster: "x" }, /each member is name=URL/],
  ])("wrong flags %j", (more, text) => refused(more, "usage", text));

  test("a revision that the snapshot does not hold", async () => {
    await refused({ atRevision: 10_000_000 }, "revision-in-future", /not in the snapshot/);
  });
});
