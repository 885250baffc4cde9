import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findProgram, PROGRAMS_MISSING } from "../../test/programs.ts";
import { memorySource } from "../bolt/byte-source.ts";
import { createBoltWriter } from "../bolt/writer.ts";
import { input } from "../errors/input.ts";
import { createEntryReader, readLog } from "./log.ts";
import { encodeMember, encodeMemberStore, newMembership } from "./membership.ts";
import { checkMemberInCluster, hostsToResolve, parseInitialCluster, parsePeerUrls } from "./peer-urls.ts";
import { decodeConfChange } from "./raft.ts";
import { decodeRaftSnapshot } from "./raft-snapshot.ts";

const THREE = "m1=http://127.0.0.1:2380,m2=http://127.0.0.1:2480,m3=http://127.0.0.1:2580";

test("ids are those that etcdutl 3.5.16 gives for the same flags", () => {
  const { clusterId, members } = newMembership(parseInitialCluster(THREE), "tok");
  expect(clusterId.toString(16)).toBe("c9b3926de97cb80d");
  expect(members.map(({ id, name }) => [id.toString(16), name])).toEqual([
    ["71405583d3e2d5ce", "m1"],
    ["a37dbf27f1d3fccd", "m3"],
    ["b6f408d90a21367b", "m2"],
  ]);
});

const etcdutl = findProgram("trixie", "etcdutl");

test.skipIf(!etcdutl)(`what etcdutl writes for odd flags (${etcdutl ? "etcdutl" : PROGRAMS_MISSING})`, () => {
  const directory = mkdtempSync(join(tmpdir(), "membership-"));
  try {
    const chunks: { position: number; bytes: Uint8Array }[] = [];
    const writer = createBoltWriter({
      write: (bytes, position) => void chunks.push({ bytes: bytes.slice(), position }),
    });
    writer.openBucket(Buffer.from("key"));
    writer.closeBucket();
    writer.openBucket(Buffer.from("meta"));
    writer.closeBucket();
    const file = Buffer.alloc(writer.finish());
    for (const { bytes, position } of chunks) file.set(bytes, position);
    writeFileSync(join(directory, "empty.db"), file);
    const cluster = "a<b=https://[::1]:2380,a<b=http://x:1,other=HTTP://Host.example:0080";
    const urls = "http://x:1,https://[::1]:2380";
    const out = join(directory, "out");
    execFileSync(
      etcdutl!,
      [
        "snapshot",
        "restore",
        join(directory, "empty.db"),
        "--skip-hash-check",
        "--data-dir",
        out,
        "--name",
        "a<b",
        "--initial-cluster",
        cluster,
        "--initial-cluster-token",
        "t",
        "--initial-advertise-peer-urls",
        urls,
      ],
      { stdio: "pipe" },
    );

    const wal = readdirSync(join(out, "member/wal")).filter((name) => name.endsWith(".wal"));
    const segments = wal.map((name) => memorySource(readFileSync(join(out, "member/wal", name))));
    const log = readLog(segments);
    const { clusterId, members } = newMembership(parseInitialCluster(cluster), "t");
    expect(log.metadata?.clusterId).toBe(clusterId);
    const contexts = log.fragments[0]!.entries.map(
      (entry) => decodeConfChange(createEntryReader(segments)(entry).data!).context!,
    );
    expect(contexts.map((context) => Buffer.from(context).toString())).toEqual(
      members.map((member) => Buffer.from(encodeMember(member)).toString()),
    );
    const name = readdirSync(join(out, "member/snap")).find((file) => file.endsWith(".snap"))!;
    const theirs = JSON.parse(
      Buffer.from(decodeRaftSnapshot(readFileSync(join(out, "member/snap", name)), name).data).toString(),
    );
    const ours = JSON.parse(Buffer.from(encodeMemberStore(members)).toString());
    expect(ours.Root).toEqual(theirs.Root);
    expect(ours.CurrentIndex).toBe(theirs.CurrentIndex);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("a member is written as Go writes it, its id in full", () => {
  const member = {
    id: 0xffff_ffff_ffff_ffffn,
    name: "m&m",
    peerUrls: ["http://a:1"],
    clientUrls: ["http://a:2"],
    isLearner: true,
  };
  expect(Buffer.from(encodeMember(member)).toString()).toBe(
    '{"id":18446744073709551615,"peerURLs":["http://a:1"],"isLearner":true,"name":"m\\u0026m","clientURLs":["http://a:2"]}',
  );
});

test.each([
  ["10.0.0.1:2380", "begins with"],
  ["ftp://a:1", "scheme"],
  ["http://a", "host:port"],
  ["http://::1:2380", "brackets"],
  ["http://a:1/", "path"],
  ["http://a:x", "host:port"],
])("peer URL %s is refused: %s", (url, reason) => {
  expect(() => parsePeerUrls([url], "--x")).toThrow(reason);
});

test.each([
  [
    "m9",
    ["http://127.0.0.1:2380"],
    THREE,
    `member "m9" is not in ${input("initialCluster")}, which names "m1", "m2", "m3"`,
  ],
  ["m1", ["http://127.0.0.1:9"], THREE, `missing from ${input("initialAdvertisePeerUrls")}`],
  ["m1", ["http://127.0.0.1:2380", "http://127.0.0.1:9"], THREE, "does not give"],
  ["a", ["http://h:1"], "a=http://h:1,b=http://h:1", 'to both "a" and "b"'],
  ["a", ["http://h:1"], "a=http://h:1,a=http://h:1", 'to "a" twice'],
])("member %s with %j in %s: %s", (name, urls, cluster, reason) => {
  expect(() => checkMemberInCluster(name, urls, parseInitialCluster(cluster))).toThrow(reason);
});

test.each([
  ["http://infra0:1", "http://10.0.0.1:1", { infra0: ["10.0.0.1"] }, undefined],
  ["http://10.0.0.1:1", "http://infra0:1", { infra0: ["10.0.0.9", "10.0.0.1"] }, undefined],
  ["http://a:1", "http://b:1", { a: ["fd00::1"], b: ["fd00::1", "10.0.0.1"] }, undefined],
  ["http://[fd00:0::1]:1", "http://[fd00::1]:1", {}, undefined],
  ["http://infra0:1", "http://10.0.0.1:2", { infra0: ["10.0.0.1"] }, '("infra0" is 10.0.0.1)'],
  ["http://infra0:1", "https://10.0.0.1:1", { infra0: ["10.0.0.1"] }, '("infra0" is 10.0.0.1)'],
  ["http://infra0:1", "http://10.0.0.1:1", { infra0: ["10.0.0.2"] }, '("infra0" is 10.0.0.2)'],
  ["http://a:1", "http://b:1", { a: [], b: [] }, '("a" cannot be resolved here; "b" cannot be resolved here)'],
  ["http://localhost:1", "http://127.0.0.1:1", {}, "missing from"],
])("URL %s in the cluster, %s advertised, with the addresses %j: %s", (inCluster, advertised, hosts, reason) => {
  const cluster = parseInitialCluster(`m=${inCluster},other=http://x:1`);
  expect(hostsToResolve("m", [advertised], cluster)).toEqual(Object.keys(hosts));
  const check = () => checkMemberInCluster("m", [advertised], cluster, new Map(Object.entries(hosts)));
  if (reason === undefined) check();
  else expect(check).toThrow(reason);
});

test("names are resolved only where they may help", () => {
  const cluster = parseInitialCluster("m=http://a:1,m=http://b:1,other=http://c:1");
  expect(hostsToResolve("m", ["http://a:1", "http://b:1"], cluster)).toEqual([]);
  expect(hostsToResolve("m", ["http://a:1"], cluster)).toEqual([]);
  expect(hostsToResolve("m", ["http://a:1", "unix://b:1"], cluster)).toEqual(["b"]);
  expect(hostsToResolve("nobody", ["http://a:1"], cluster)).toEqual([]);
});

test.each(["", ",", "http://a:1", "=http://a:1"])("--initial-cluster %j is refused", (text) => {
  expect(() => parseInitialCluster(text)).toThrow(input("initialCluster"));
});
