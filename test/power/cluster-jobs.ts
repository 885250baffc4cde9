/** Commands that change a cluster or a node's control plane, whose writes on the disk are cut off at every point. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type EtcdServer, startEtcd } from "../etcd-server.ts";
import { clusterEntries, madeSnapshot } from "../made-snapshot.ts";
import { findProgram } from "../programs.ts";
import { expectNoLeftovers, run } from "./job-steps.ts";
import type { PowerJob } from "./power-job.ts";
import { restoredNames, restoreWords, runOnCluster, undoWords } from "./restore-objects.ts";
import { runBackupAgent } from "./run-backup-agent.ts";
import { START_FOLDERS, startCluster } from "./start-cluster.ts";

const program = (name: string): string => join(import.meta.dirname, name);
const NAMES = ["a", "b", "c"];

function makeBackup(path: string): void {
  const map = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "default", name } });
  writeFileSync(path, madeSnapshot(clusterEntries(NAMES.map(map))));
}

/** The objects that the undo file announces, in whole lines. */
function announced(path: string): string[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  // What was not flushed may be zeros: an outcome, before another one.
  const whole = lines.filter((line) => line.startsWith("{"));
  return whole.flatMap((line) => {
    const { id } = JSON.parse(line) as { readonly id?: { readonly name: string } };
    return id === undefined ? [] : [id.name];
  });
}

/** Whatever the cluster has is known to the undo file: it can be taken back. */
function checkAnnounced(directory: string): void {
  const known = announced(join(directory, "undo"));
  for (const name of restoredNames(directory)) assert.ok(known.includes(name), `nothing says that "${name}" was made`);
}

/** The agent's file, for a directory. */
function agentFile(directory: string, inputs: string, endpoint: string): string {
  const path = join(inputs, "agent.yaml");
  const spool = { directory: join(directory, "spool") };
  const config = {
    repository: join(directory, "repository"),
    signingKeyFile: join(inputs, "signing"),
    name: "m1",
    etcd: { endpoints: [endpoint], timeout: "5s" },
    interval: "200ms",
    nodeFiles: false,
    metricsAddress: "none",
    spool,
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

let etcd: EtcdServer | undefined;

const BACKUP_RUN: PowerJob = {
  name: "backup run",
  async prepare(directory, inputs) {
    etcd = await startEtcd({ suite: "bookworm", dataDir: join(inputs, "etcd") });
    for (let i = 0; i < 5; i++) await etcd.etcdctl("put", `key-${i}`, "x".repeat(200));
    const keys = ["--signing-key", join(inputs, "signing"), "--identity", join(inputs, "identity")];
    await run(inputs, ["backup", "init", join(directory, "repository"), ...keys]);
  },
  argv: (directory, inputs) => [
    program("run-backup-agent.ts"),
    agentFile(directory, inputs, etcd!.endpoint),
    etcd!.endpoint,
    join(directory, "repository"),
  ],
  async check(directory, { inputs, hasSpoken }) {
    const words = ["backup", "verify", join(directory, "repository"), "--identity", join(inputs, "identity")];
    const text = await run(directory, [...words, "-o", "json"], [0, 1, 3]);
    const { findings, links } = JSON.parse(text) as { findings: readonly { level: string }[]; links: number };
    assert.deepEqual(
      findings.filter(({ level }) => level === "error"),
      [],
    );
    assert.ok(links >= (hasSpoken ? 2 : 0), `${links} links`);
  },
  async again(directory, inputs) {
    const file = agentFile(directory, inputs, etcd!.endpoint);
    await runBackupAgent(file, etcd!.endpoint, join(directory, "repository"));
    await run(directory, ["backup", "verify", join(directory, "repository"), "--identity", join(inputs, "identity")]);
  },
  close: () => etcd?.stop("SIGKILL"),
};

export const CLUSTER_JOBS: readonly PowerJob[] = [
  {
    name: "start",
    prepare(directory) {
      for (const name of START_FOLDERS) mkdirSync(join(directory, name));
    },
    argv: (directory) => [program("start-cluster.ts"), directory],
    check(directory, { hasSpoken }) {
      if (!hasSpoken) return;
      assert.deepEqual(readdirSync(join(directory, "manifests")), [], "what was temporary is still there");
      assert.ok(!existsSync(join(directory, "kubernetes/bootstrap-secrets")), "its secrets are still there");
    },
    async again(directory) {
      await startCluster(directory);
      assert.deepEqual(readdirSync(join(directory, "manifests")), []);
      assert.deepEqual(readdirSync(join(directory, "kubernetes")), []);
      expectNoLeftovers(directory);
    },
  },
  {
    name: "objects restore",
    prepare(directory, inputs) {
      mkdirSync(join(directory, "api"));
      makeBackup(join(inputs, "backup.db"));
    },
    argv: (directory, inputs) => [program("restore-objects.ts"), "restore", directory, join(inputs, "backup.db")],
    check(directory, { hasSpoken }) {
      checkAnnounced(directory);
      if (hasSpoken) assert.deepEqual(restoredNames(directory), NAMES);
    },
    async again(directory, inputs) {
      if (restoredNames(directory).length > 0) await runOnCluster(directory, undoWords(directory));
      assert.deepEqual(restoredNames(directory), [], "not all was taken back");
      await runOnCluster(directory, restoreWords(directory, join(inputs, "backup.db"), "second-undo"));
      assert.deepEqual(restoredNames(directory), NAMES);
    },
  },
  {
    name: "objects undo",
    async prepare(directory, inputs) {
      mkdirSync(join(directory, "api"));
      makeBackup(join(inputs, "backup.db"));
      await runOnCluster(directory, restoreWords(directory, join(inputs, "backup.db")));
    },
    argv: (directory) => [program("restore-objects.ts"), "undo", directory],
    check(directory, { hasSpoken }) {
      checkAnnounced(directory);
      if (hasSpoken) assert.deepEqual(restoredNames(directory), []);
    },
    async again(directory) {
      await runOnCluster(directory, undoWords(directory));
      assert.deepEqual(restoredNames(directory), []);
    },
  },
  ...(findProgram("bookworm", "etcd") === undefined ? [] : [BACKUP_RUN]),
];
