/** The commands whose writes are cut off at every point. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readBolt } from "../../src/bolt/bolt.ts";
import { memorySource } from "../../src/bolt/byte-source.ts";
import { checkBolt } from "../../src/bolt/check.ts";
import type { Finding } from "../../src/errors/errors.ts";
import { readIdentity } from "../../src/io/repository/identity.ts";
import { readLog } from "../../src/wal/log.ts";
import { clusterEntries, madeSnapshot } from "../made-snapshot.ts";
import { AGENT_JOB } from "./agent-job.ts";
import { CLUSTER_JOBS } from "./cluster-jobs.ts";
import { checkEither, expectNoLeftovers, MAIN, run } from "./job-steps.ts";
import { NODE_JOBS } from "./node-jobs.ts";
import type { PowerJob } from "./power-job.ts";
import { WRITER_JOBS } from "./writer-jobs.ts";

const FIXTURES = join(import.meta.dirname, "../fixtures");
const MEMBER = [
  "--name=m",
  "--initial-cluster=m=http://127.0.0.1:2380",
  "--initial-advertise-peer-urls=http://127.0.0.1:2380",
];

function objects(count: number): Uint8Array {
  const maps = Array.from({ length: count }, (_, i) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "default", name: `map-${i}`, annotations: { filler: "x".repeat(500) } },
  }));
  return madeSnapshot(clusterEntries(maps));
}

/** A data dir that etcd would start from: every page and every record is whole. */
function checkDataDir(path: string): void {
  const findings: Finding[] = [];
  checkBolt(readBolt(memorySource(readFileSync(join(path, "member/snap/db")))), (finding) => findings.push(finding));
  assert.deepEqual(findings, []);
  const wal = join(path, "member/wal");
  const log = readLog(readdirSync(wal).map((name) => memorySource(readFileSync(join(wal, name)), name)));
  assert.deepEqual(log.breaks, []);
}

const restoreArguments = (directory: string, inputs: string): string[] => [
  "snapshot",
  "restore",
  join(inputs, "snapshot.db"),
  `--data-dir=${join(directory, "etcd")}`,
  ...MEMBER,
];

export const POWER_JOBS: readonly PowerJob[] = [
  {
    name: "snapshot restore",
    prepare: (_, inputs) => writeFileSync(join(inputs, "snapshot.db"), objects(30)),
    argv: (directory, inputs) => [MAIN, ...restoreArguments(directory, inputs)],
    check: (directory, context) => checkEither("etcd", directory, context),
    async again(directory, inputs) {
      const isDone = existsSync(join(directory, "etcd/member"));
      await run(directory, restoreArguments(directory, inputs), isDone ? [1] : [0]);
      checkDataDir(join(directory, "etcd"));
      if (!isDone) expectNoLeftovers(directory);
    },
  },
  {
    name: "snapshot restore --replace",
    prepare(directory, inputs) {
      writeFileSync(join(inputs, "snapshot.db"), objects(30));
      mkdirSync(join(directory, "etcd/member"), { recursive: true });
      writeFileSync(join(directory, "etcd/member/old"), "the old data");
    },
    argv: (directory, inputs) => [MAIN, ...restoreArguments(directory, inputs), "--replace"],
    check(directory, { hasSpoken }) {
      const at = ["etcd", "etcd.before-restore"].find((name) => existsSync(join(directory, name, "member/old")));
      assert.ok(at !== undefined, "the old data dir is gone");
      assert.equal(readFileSync(join(directory, at, "member/old"), "utf8"), "the old data");
      if (existsSync(join(directory, "etcd/member/snap"))) checkDataDir(join(directory, "etcd"));
      else assert.ok(!hasSpoken, "it was said to be restored");
    },
    async again(directory, inputs) {
      await run(directory, [...restoreArguments(directory, inputs), "--replace"]);
      checkDataDir(join(directory, "etcd"));
      expectNoLeftovers(directory);
      const kept = readdirSync(directory).filter((name) => existsSync(join(directory, name, "member/old")));
      assert.equal(kept.length, 1, "the old data dir is kept");
    },
  },
  {
    name: "etcd salvage",
    async prepare(_, inputs) {
      writeFileSync(join(inputs, "snapshot.db"), objects(20));
      await run(inputs, restoreArguments(inputs, inputs));
    },
    argv: (directory, inputs) => [MAIN, ...salvageArguments(directory, inputs)],
    check: (directory, context) => checkEither("out", directory, context),
    async again(directory, inputs) {
      const isDone = existsSync(join(directory, "out/member"));
      await run(directory, salvageArguments(directory, inputs), isDone ? [1] : [0]);
      checkDataDir(join(directory, "out"));
      if (!isDone) expectNoLeftovers(directory);
    },
  },
  {
    name: "snapshot edit",
    prepare: (_, inputs) => writeFileSync(join(inputs, "snapshot.db"), objects(20)),
    argv: (directory, inputs) => [MAIN, ...editArguments(directory, inputs)],
    check: (directory, context) => checkEither("out.db", directory, context),
    async again(directory, inputs) {
      const isDone = existsSync(join(directory, "out.db"));
      await run(directory, editArguments(directory, inputs), isDone ? [1] : [0]);
      await run(directory, ["snapshot", "verify", join(directory, "out.db")]);
      if (!isDone) expectNoLeftovers(directory);
    },
  },
  {
    name: "recover",
    prepare: () => {},
    argv: (directory) => [MAIN, ...recoverArguments(directory)],
    check: (directory, context) => checkEither("out", directory, context),
    async again(directory) {
      const isDone = existsSync(join(directory, "out"));
      await run(directory, recoverArguments(directory), isDone ? [1] : [0]);
      if (!isDone) expectNoLeftovers(directory);
    },
  },
  {
    name: "backup import",
    async prepare(directory, inputs) {
      writeFileSync(join(inputs, "snapshot_2026-11-29_104217.db"), objects(20));
      const keys = ["--signing-key", join(inputs, "signing"), "--identity", join(inputs, "identity")];
      await run(inputs, ["backup", "init", join(directory, "repository"), ...keys]);
    },
    argv: (directory, inputs) => [MAIN, ...importArguments(directory, inputs)],
    async check(directory, { inputs, hasSpoken }) {
      const list = await run(
        directory,
        ["backup", "verify", join(directory, "repository"), "--identity", join(inputs, "identity"), "-o", "json"],
        [0, 1, 3],
      );
      const { findings = [] } = JSON.parse(list) as { readonly findings?: readonly Finding[] };
      assert.deepEqual(
        findings.filter(({ level }) => level === "error"),
        [],
      );
      const links = await run(directory, ["backup", "list", join(directory, "repository"), "-o", "json"], [0, 1, 3]);
      if (hasSpoken) assert.match(links, /"links":1\b/);
    },
    async again(directory, inputs) {
      await run(directory, importArguments(directory, inputs));
      await run(directory, ["backup", "verify", join(directory, "repository"), "--identity", join(inputs, "identity")]);
    },
  },
  {
    name: "backup init",
    prepare: () => {},
    argv: (directory) => [MAIN, ...initArguments(directory)],
    async check(directory, { hasSpoken }) {
      const isThere = existsSync(join(directory, "repository/repository.json"));
      assert.ok(isThere || !hasSpoken, "it was said to be made");
      if (!isThere) return;
      // Never a repository whose keys are lost.
      for (const name of ["signing", "identity"]) assert.ok(existsSync(join(directory, name)), `${name} is lost`);
      await run(directory, ["backup", "verify", join(directory, "repository")], [3]);
    },
    async again(directory) {
      const isDone = existsSync(join(directory, "repository/repository.json"));
      await run(directory, initArguments(directory), isDone ? [1] : [0]);
      const { keys } = readIdentity(join(directory, "identity"));
      assert.equal(keys.length, 1);
      await run(directory, ["backup", "verify", join(directory, "repository"), ...identity(directory)], [3]);
      await run(directory, ["backup", "list", join(directory, "repository")], [0, 1, 3]);
      expectNoLeftovers(directory);
    },
  },
  {
    name: "backup prune",
    async prepare(directory, inputs) {
      await makeRepository(directory, inputs);
      await run(directory, importArguments(directory, inputs));
      await run(directory, importArguments(directory, inputs));
    },
    argv: (directory, inputs) => [MAIN, ...pruneArguments(directory, inputs)],
    async check(directory, { inputs, hasSpoken }) {
      const list = await checkRepository(directory, inputs);
      assert.ok(list.links >= 1 && (!hasSpoken || list.links === 1), `${list.links} links`);
      await run(directory, ["snapshot", "verify", `${join(directory, "repository")}@latest`, ...identity(inputs)]);
    },
    async again(directory, inputs) {
      await run(directory, pruneArguments(directory, inputs));
      assert.equal((await checkRepository(directory, inputs)).links, 1);
    },
  },
  {
    name: "backup rotate",
    async prepare(directory, inputs) {
      await makeRepository(directory, inputs);
      await run(directory, importArguments(directory, inputs));
    },
    argv: (directory, inputs) => [MAIN, ...rotateArguments(directory, inputs)],
    async check(directory, { inputs, hasSpoken }) {
      const rotated = existsSync(join(directory, "repository/keys/0000000001"));
      assert.ok(rotated || !hasSpoken, "the keys were said to be replaced");
      // Never a repository whose new keys are lost.
      const isLinked = existsSync(join(directory, "repository/chain/0000000002"));
      if (isLinked)
        for (const name of ["new-signing", "new-identity"]) assert.ok(existsSync(join(directory, name)), `no ${name}`);
      await checkRepository(directory, inputs, isLinked ? ["--identity", join(directory, "new-identity")] : undefined);
    },
    async again(directory, inputs) {
      await run(directory, rotateArguments(directory, inputs));
      const { keys } = readIdentity(join(directory, "new-identity"));
      assert.equal(keys.length, 2);
      const place = join(directory, "repository");
      await run(directory, ["backup", "verify", place, "--identity", join(directory, "new-identity")]);
      expectNoLeftovers(directory);
    },
  },
  {
    name: "backup restore",
    async prepare(_, inputs) {
      await makeRepository(inputs, inputs);
      await run(inputs, importArguments(inputs, inputs));
    },
    argv: (directory, inputs) => [MAIN, ...backupRestoreArguments(directory, inputs)],
    check: (directory, context) => checkEither("etcd", directory, context),
    async again(directory, inputs) {
      const isDone = existsSync(join(directory, "etcd/member"));
      await run(directory, backupRestoreArguments(directory, inputs), isDone ? [1] : [0]);
      checkDataDir(join(directory, "etcd"));
      if (!isDone) expectNoLeftovers(directory);
    },
  },
  {
    name: "backup restore --output-file",
    async prepare(_, inputs) {
      await makeRepository(inputs, inputs);
      await run(inputs, importArguments(inputs, inputs));
    },
    argv: (directory, inputs) => [MAIN, ...saveArguments(directory, inputs)],
    check: (directory, context) => checkEither("out.db", directory, context),
    async again(directory, inputs) {
      const isDone = existsSync(join(directory, "out.db"));
      await run(directory, saveArguments(directory, inputs), isDone ? [1] : [0]);
      await run(directory, ["snapshot", "verify", join(directory, "out.db")]);
      if (!isDone) expectNoLeftovers(directory);
    },
  },
  {
    name: "snapshot export",
    prepare: (_, inputs) => writeFileSync(join(inputs, "snapshot.db"), objects(5)),
    argv: (directory, inputs) => [MAIN, ...exportArguments(directory, inputs)],
    check: (directory, context) => checkEither("tree", directory, context),
    async again(directory, inputs) {
      const isDone = existsSync(join(directory, "tree"));
      await run(directory, exportArguments(directory, inputs), isDone ? [1] : [0]);
      if (!isDone) expectNoLeftovers(directory);
    },
  },
  {
    name: "links and bundles of a backup agent",
    async prepare(directory, inputs) {
      await makeRepository(directory, inputs);
      await run(directory, importArguments(directory, inputs));
    },
    argv: (directory, inputs) => [join(import.meta.dirname, "append-links.ts"), directory, join(inputs, "signing")],
    async check(directory, { inputs, hasSpoken }) {
      const list = await checkRepository(directory, inputs);
      assert.ok(list.links >= (hasSpoken ? 10 : 1), `${list.links} links`);
    },
    async again(directory, inputs) {
      const { appendLinks } = await import("./append-links.ts");
      await appendLinks(directory, join(inputs, "signing"));
      assert.ok((await checkRepository(directory, inputs)).links >= 10);
    },
  },
  {
    name: "checkpoint of a pod",
    async prepare(directory) {
      const { saveCheckpoint } = await import("./save-checkpoint.ts");
      await saveCheckpoint(directory, 1, "the first secret");
    },
    argv: (directory) => [join(import.meta.dirname, "save-checkpoint.ts"), directory, "2", "the second secret"],
    async check(directory, { hasSpoken }) {
      const { loadCheckpoint } = await import("./save-checkpoint.ts");
      const found = loadCheckpoint(directory);
      assert.ok(found.length > 0, "no whole checkpoint is there");
      for (const { number, secret } of found)
        assert.equal(secret, number === 1 ? "the first secret" : "the second secret");
      if (hasSpoken)
        assert.ok(
          found.some(({ number }) => number === 2),
          "the second one was said to be saved",
        );
    },
    async again(directory) {
      const { saveCheckpoint, loadCheckpoint } = await import("./save-checkpoint.ts");
      await saveCheckpoint(directory, 3, "the third secret");
      assert.ok(loadCheckpoint(directory).some(({ number }) => number === 3));
    },
  },
  ...WRITER_JOBS,
  ...CLUSTER_JOBS,
  ...NODE_JOBS,
  AGENT_JOB,
];

const salvageArguments = (directory: string, inputs: string): string[] => [
  "etcd",
  "salvage",
  join(inputs, "etcd"),
  `--data-dir=${join(directory, "out")}`,
  "--name=m",
  "--initial-advertise-peer-urls=http://127.0.0.1:2380",
];
const editArguments = (directory: string, inputs: string): string[] => [
  "snapshot",
  "edit",
  join(inputs, "snapshot.db"),
  join(directory, "out.db"),
  "--remove=configmaps/map-1",
];
const recoverArguments = (directory: string): string[] => [
  "recover",
  `--recovery-dir=${join(directory, "out")}`,
  "--etcd-backup-file",
  join(FIXTURES, "kubeadm-k120/snapshot.db.gz"),
];
const identity = (inputs: string): string[] => ["--identity", join(inputs, "identity")];

const initArguments = (directory: string): string[] => [
  "backup",
  "init",
  join(directory, "repository"),
  "--signing-key",
  join(directory, "signing"),
  "--identity",
  join(directory, "identity"),
];

async function makeRepository(directory: string, inputs: string): Promise<void> {
  writeFileSync(join(inputs, "snapshot_2026-11-29_104217.db"), objects(20));
  const keys = ["--signing-key", join(inputs, "signing"), ...identity(inputs)];
  await run(inputs, ["backup", "init", join(directory, "repository"), ...keys]);
}

/** Throws where anything in the repository is damaged or missing. */
async function checkRepository(
  directory: string,
  inputs: string,
  reader = identity(inputs),
): Promise<{ readonly links: number }> {
  const place = join(directory, "repository");
  const text = await run(directory, ["backup", "verify", place, ...reader, "-o", "json"], [0, 1, 3]);
  const { findings, links } = JSON.parse(text) as { readonly findings: readonly Finding[]; readonly links: number };
  assert.deepEqual(
    findings.filter(({ level }) => level === "error"),
    [],
  );
  return { links };
}

const pruneArguments = (directory: string, inputs: string): string[] => [
  "backup",
  "prune",
  join(directory, "repository"),
  "--keep-last=1",
  "--signing-key",
  join(inputs, "signing"),
];
const rotateArguments = (directory: string, inputs: string): string[] => [
  ...["backup", "rotate", join(directory, "repository"), "--signing-key", join(inputs, "signing")],
  ...["--new-signing-key", join(directory, "new-signing"), "--new-identity", join(directory, "new-identity")],
  ...identity(inputs),
];
const backupRestoreArguments = (directory: string, inputs: string): string[] => [
  "backup",
  "restore",
  join(inputs, "repository"),
  ...identity(inputs),
  `--data-dir=${join(directory, "etcd")}`,
  ...MEMBER,
];
const saveArguments = (directory: string, inputs: string): string[] => [
  ...["backup", "restore", join(inputs, "repository"), ...identity(inputs)],
  ...["--output-file", join(directory, "out.db")],
];
const exportArguments = (directory: string, inputs: string): string[] => [
  ...["snapshot", "export", join(inputs, "snapshot.db"), "--dir", join(directory, "tree")],
];
const importArguments = (directory: string, inputs: string): string[] => [
  "backup",
  "import",
  join(directory, "repository"),
  join(inputs, "snapshot_2026-11-29_104217.db"),
  "--signing-key",
  join(inputs, "signing"),
];
