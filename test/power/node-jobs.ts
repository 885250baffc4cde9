/** One node of `cluster restore` and `cluster salvage`, whose power is cut in any step, and while they are undone. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { readBolt } from "../../src/bolt/bolt.ts";
import { memorySource } from "../../src/bolt/byte-source.ts";
import { checkBolt } from "../../src/bolt/check.ts";
import { NODE_STATES } from "../../src/cluster/node-facts.ts";
import type { RestorePlan } from "../../src/cluster/restore-plan.ts";
import { STATE_AFTER } from "../../src/cluster/restore-state.ts";
import type { StepRequest } from "../../src/operations/cluster/node/run-step.ts";
import { readLog } from "../../src/wal/log.ts";
import { clusterEntries, madeSnapshot } from "../made-snapshot.ts";
import { NODE_MOUNTS, takeSteps } from "./node-steps.ts";
import type { PowerJob } from "./power-job.ts";

const PROGRAM = join(import.meta.dirname, "node-steps.ts");
export const ID = "restore-20261129-104217-3f9c2a";
const COMPONENTS = ["etcd", "kube-apiserver", "kube-controller-manager"];
/** Its manifest is lost, and made again from the backup. */
const LOST = "kube-scheduler";
const MANIFESTS = "etc/kubernetes/manifests";
const OPERATION = `var/lib/kubemend/cluster/${ID}`;
const LOGS_OF_ETCD = `var/log/pods/kube-system_etcd-m1_${"0".repeat(32)}`;
const FUTURE = new Date(Date.UTC(2100, 0));
const OLD = "what was written before";
const ADDRESS = { peerUrl: "https://10.0.0.11:2380", clientUrls: ["https://10.0.0.11:2379"] };

export const canIsolate =
  process.getuid?.() === 0 && spawnSync("unshare", ["--mount", "--pid", "--net", "--fork", "true"]).status === 0;

function manifest(name: string): string {
  const container = `{name: ${name}, image: "registry.k8s.io/${name}:v1", command: [${name}]}`;
  return `apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: kube-system}
spec:
  containers: [${container}]
`;
}

export function makeNode(directory: string): void {
  for (const place of [MANIFESTS, "var/lib/etcd/member/snap", "var/log/pods"])
    mkdirSync(join(directory, place), { recursive: true });
  for (const name of [...COMPONENTS, "web"]) writeFileSync(join(directory, MANIFESTS, `${name}.yaml`), manifest(name));
  writeFileSync(join(directory, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  writeFileSync(join(directory, "etc/group"), "root:x:0:\n");
  mkdirSync(join(directory, LOGS_OF_ETCD));
  letEtcdIn(directory);
  writeFileSync(join(directory, "var/lib/etcd/member/snap/db"), OLD);
}

/** The member that the node's etcd is restored as. */
interface NodeMember {
  readonly name: string;
  readonly peerUrl: string;
  readonly bumpRevision: number;
}

const M1: NodeMember = { name: "m1", peerUrl: ADDRESS.peerUrl, bumpRevision: 1000 };

/** As a kubelet that writes there once etcd's manifest is in its place. */
function letEtcdIn(directory: string): void {
  utimesSync(join(directory, LOGS_OF_ETCD), FUTURE, FUTURE);
}

function planOf(snapshot: Uint8Array, { name, peerUrl, bumpRevision }: NodeMember): RestorePlan {
  const sha256 = createHash("sha256").update(snapshot).digest("hex");
  return {
    id: ID,
    digest: "d",
    backup: { path: "backup.db", revision: 3, keys: 2, size: snapshot.length, sha256 },
    members: [{ ...ADDRESS, peerUrl, node: "m1", name, dataDir: "/var/lib/etcd", address: "10.0.0.11" }],
    initialCluster: `${name}=${peerUrl}`,
    token: `kubemend-${ID}`,
    bumpRevision,
    without: [],
    files: {},
  };
}

const STOP: StepRequest = {
  step: "stop",
  id: ID,
  staticPods: "/etc/kubernetes/manifests",
  spare: { [`${LOST}.yaml`]: manifest(LOST) },
};
const SENT = {
  path: "/etc/kubernetes/scheduler.conf",
  content: Buffer.from("kubeconfig\n").toString("base64"),
  ...{ mode: 0o600, uid: 0, gid: 0 },
};
const PREPARE: StepRequest = { step: "prepare", id: ID, files: [SENT], identity: {}, issue: false };

export function restoreSteps(snapshot: Uint8Array, member = M1): readonly StepRequest[] {
  const plan = planOf(snapshot, member);
  return [
    { step: "receive", plan, ...plan.backup },
    STOP,
    { step: "restore", plan, node: "m1" },
    PREPARE,
    { step: "start-etcd", id: ID },
    { step: "start", id: ID },
    { step: "finish", id: ID },
  ];
}

/** A member that lost its place: its data goes aside, and it joins the others with nothing. */
const JOIN_STEPS: readonly StepRequest[] = [
  { step: "begin", id: ID, digest: "d" },
  STOP,
  { step: "join", id: ID, dataDir: "/var/lib/etcd", initialCluster: `m0=https://10.0.0.10:2380,m1=${ADDRESS.peerUrl}` },
  { step: "start", id: ID },
  { step: "finish", id: ID },
];

export const UNDO_STEPS: readonly StepRequest[] = [
  { step: "undo-data", id: ID },
  { step: "undo-finish", id: ID },
];

export const SNAPSHOT = madeSnapshot(clusterEntries([]));

function writeSteps(inputs: string, name: string, steps: readonly StepRequest[]): string {
  const file = join(inputs, name);
  writeFileSync(file, steps.map((step) => JSON.stringify(step)).join("\n"));
  writeFileSync(join(inputs, "snapshot.db"), SNAPSHOT);
  return file;
}

export function take(directory: string, inputs: string, steps: readonly StepRequest[]): void {
  takeSteps(directory, writeSteps(inputs, "again", steps), join(inputs, "snapshot.db"));
}

function files(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name));
}

/** Where the data of before is; undefined where it is lost. */
function oldMember(directory: string): string | undefined {
  const path = files(join(directory, "var/lib")).find(
    (each) => lstatSync(each).size === OLD.length && readFileSync(each, "latin1") === OLD,
  );
  return path === undefined ? undefined : join(path, "../..");
}

interface Journal {
  readonly state: string;
  readonly dataDir: { readonly member: string | null } | null;
}

export function journalOf(directory: string): Journal | undefined {
  const path = join(directory, OPERATION, "journal.json");
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Journal) : undefined;
}

/** The old data is known by its inode, which a copy of the disk does not have: the journal gets that of the copy. */
export function keepIdentity(directory: string): void {
  letEtcdIn(directory);
  const journal = journalOf(directory);
  const member = oldMember(directory);
  if (journal?.dataDir?.member == null || member === undefined) return;
  const { dev, ino } = lstatSync(member);
  const dataDir = { ...journal.dataDir, member: `${dev}:${ino}` };
  writeFileSync(join(directory, OPERATION, "journal.json"), JSON.stringify({ ...journal, dataDir }));
}

/** Nothing of the node is lost: its data, and the manifests of its control plane, which run or are kept. */
export function checkKept(directory: string): void {
  assert.ok(oldMember(directory) !== undefined, "the old data is lost");
  for (const name of COMPONENTS) {
    const places = [MANIFESTS, `${OPERATION}/manifests`].map((place) => join(directory, place, `${name}.yaml`));
    const isKept = places.some((path) => existsSync(path) && readFileSync(path, "utf8") === manifest(name));
    assert.ok(isKept, `the manifest of ${name} is lost`);
  }
  assert.equal(readFileSync(join(directory, MANIFESTS, "web.yaml"), "utf8"), manifest("web"));
}

/** What has to be there again after an undo: manifests, the old data, and no file that was made. */
export function stateOf(directory: string): Readonly<Record<string, string>> {
  const all = ["etc/kubernetes", "var/lib/etcd"].flatMap((place) => files(join(directory, place)));
  const kept = all.filter((path) => !/\.undone-/.test(path));
  return Object.fromEntries(kept.map((path) => [relative(directory, path), readFileSync(path, "latin1")]));
}

/** Data that a stock etcd would start from. */
export function checkRestored(directory: string): void {
  const member = join(directory, "var/lib/etcd/member");
  const findings: unknown[] = [];
  checkBolt(readBolt(memorySource(readFileSync(join(member, "snap/db")))), (finding) => findings.push(finding));
  const wal = join(member, "wal");
  const log = readLog(readdirSync(wal).map((name) => memorySource(readFileSync(join(wal, name)), name)));
  assert.deepEqual([findings, log.breaks], [[], []]);
  assert.equal(readFileSync(join(directory, "etc/kubernetes/scheduler.conf"), "utf8"), "kubeconfig\n");
}

function checkJoining(directory: string): void {
  assert.ok(!existsSync(join(directory, "var/lib/etcd/member")), "it would start with its old data");
  assert.match(readFileSync(join(directory, MANIFESTS, "etcd.yaml"), "utf8"), /initial-cluster-state=existing/);
}

function expectRunning(directory: string): void {
  const names = [...COMPONENTS, LOST, "web"].map((name) => `${name}.yaml`).sort();
  assert.deepEqual(readdirSync(join(directory, MANIFESTS)).sort(), names);
}

/** Drafts and stagings of the run that was cut off, but the lock of a dead run in data that was moved aside. */
function expectNoDrafts(directory: string): void {
  const isDraft = (path: string): boolean =>
    /\.(?:draft|part|kubemend)$|\.kubemend-[0-9a-f]{16}|\.kubemend-lock$|\.staged-/.test(path);
  const isInOld = (path: string): boolean => /\/etcd\.[^/]+\/\.kubemend-lock$/.test(path);
  const left = files(directory).filter((path) => isDraft(path) && !isInOld(path));
  assert.deepEqual(left, []);
}

function operation(name: string, steps: readonly StepRequest[], checkEnd: (directory: string) => void): PowerJob[] {
  const reached = (said: number): number => {
    const step = steps[said - 1]?.step as keyof typeof STATE_AFTER | undefined;
    return step === undefined ? -1 : NODE_STATES.indexOf(STATE_AFTER[step]);
  };
  let states = 0;
  const argv = (file: string) => (directory: string, inputs: string) => [
    ...[PROGRAM, directory, join(inputs, file), join(inputs, "snapshot.db")],
  ];
  const undoAgain = (directory: string, inputs: string): void => {
    const before = join(inputs, "node");
    take(directory, inputs, UNDO_STEPS);
    assert.deepEqual(stateOf(directory), stateOf(before));
    expectNoDrafts(directory);
  };
  const prepare = (directory: string, inputs: string): void => {
    makeNode(directory);
    makeNode(join(inputs, "node"));
    writeSteps(inputs, "steps", steps);
  };
  return [
    {
      name: `${name} on a node`,
      prepare,
      env: NODE_MOUNTS,
      argv: argv("steps"),
      check(directory, { said }) {
        checkKept(directory);
        const state = journalOf(directory)?.state ?? "new";
        assert.ok(NODE_STATES.indexOf(state as never) >= reached(said), `${said} steps were done, and it is ${state}`);
      },
      async again(directory, inputs) {
        keepIdentity(directory);
        // Some are taken back at once, the others are continued.
        if (states++ % 3 === 2) {
          take(directory, inputs, UNDO_STEPS);
          assert.deepEqual(stateOf(directory), stateOf(join(inputs, "node")));
          expectNoDrafts(directory);
          return;
        }
        take(directory, inputs, steps);
        checkEnd(directory);
        checkKept(directory);
        expectRunning(directory);
        expectNoDrafts(directory);
      },
    },
    {
      name: `its undo on a node, after ${name}`,
      prepare(directory, inputs) {
        prepare(directory, inputs);
        take(directory, inputs, steps);
        writeSteps(inputs, "steps", UNDO_STEPS);
      },
      env: NODE_MOUNTS,
      argv: argv("steps"),
      check(directory, { inputs, said }) {
        checkKept(directory);
        if (said > 0) assert.equal(oldMember(directory), join(directory, "var/lib/etcd/member"));
        if (said > 1) assert.deepEqual(stateOf(directory), stateOf(join(inputs, "node")));
      },
      async again(directory, inputs) {
        keepIdentity(directory);
        undoAgain(directory, inputs);
      },
    },
  ];
}

export const NODE_JOBS: readonly PowerJob[] = canIsolate
  ? [
      ...operation("cluster restore", restoreSteps(SNAPSHOT), checkRestored),
      ...operation("a member that joins anew", JOIN_STEPS, checkJoining),
    ]
  : [];
