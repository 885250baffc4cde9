/**
 * Every step of a restore on one node, and of its undo, killed after changes that it makes on the disk and asked for
 * again: kubemend's own program in namespaces of its own, with real files and no cluster.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect } from "vitest";
import { readBolt } from "../../src/bolt/bolt.ts";
import { memorySource } from "../../src/bolt/byte-source.ts";
import { checkBolt } from "../../src/bolt/check.ts";
import type { RestorePlan } from "../../src/cluster/restore-plan.ts";
import type { StepRequest } from "../../src/operations/cluster/node/run-step.ts";
import { readLog } from "../../src/wal/log.ts";
import { clusterEntries, madeSnapshot } from "../made-snapshot.ts";
import { longTest } from "./kubernetes.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const RECORDER = join(import.meta.dirname, "../power/record-writes.ts");
/** What the node sees instead of the machine's own. */
const PLACES = ["/etc", "/var/lib", "/var/log"];
const ID = "restore-20261129-104217-3f9c2a";
const COMPONENTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
const MANIFESTS = "etc/kubernetes/manifests";
/** The first process of a namespace cannot be killed from inside. */
const NOT_FIRST = '"$@"\nexit $?';
/** A step that makes more changes than this would never end. */
const MOST_CHANGES = 2000;

const canIsolate =
  process.getuid?.() === 0 && spawnSync("unshare", ["--mount", "--pid", "--net", "--fork", "true"]).status === 0;

describe.skipIf(!canIsolate).each([
  ["a directory of its own", false],
  ["a disk of its own", true],
])("one node of a restore, whose etcd has %s", (_, isMounted) => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "step-killed-"));
    makeNode(root);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  longTest(
    "killed again and again in every step, it continues; killed again and again in an undo, all is as before",
    () => {
      const snapshot = madeSnapshot(clusterEntries([]));
      const plan = planOf(snapshot);
      const before = stateOf(root);
      const kills = new Map<string, number>();
      const through = (request: StepRequest, payload?: Uint8Array): void => {
        kills.set(request.step, killedAgainAndAgain(root, isMounted, request, payload));
      };

      through({ step: "receive", plan, ...about(snapshot) }, snapshot);
      through({ step: "stop", id: ID, staticPods: "/etc/kubernetes/manifests", spare: SPARE });
      expect(readdirSync(join(root, MANIFESTS))).toEqual(["web.yaml"]);
      through({ step: "restore", plan, node: "m1" });
      through({ step: "prepare", id: ID, files: [SENT], identity: {}, issue: false });
      through({ step: "start-etcd", id: ID });
      expect(readdirSync(join(root, MANIFESTS)).sort()).toEqual(["etcd.yaml", "web.yaml"]);
      through({ step: "start", id: ID });
      through({ step: "finish", id: ID });
      expectRestored(root);
      expect(readdirSync(join(root, MANIFESTS)).sort()).toEqual(
        [...COMPONENTS.map((name) => `${name}.yaml`), "web.yaml"].sort(),
      );

      through({ step: "undo-data", id: ID });
      through({ step: "undo-finish", id: ID });
      expect(stateOf(root)).toEqual(before);
      process.stderr.write(`killed: ${[...kills].map((each) => each.join(" ")).join(", ")}\n`);
      for (const [step, times] of kills) expect(times, step).toBeGreaterThan(0);
    },
    3_600_000,
  );

  longTest(
    "killed in every step and taken back at once, all is as before",
    () => {
      const snapshot = madeSnapshot(clusterEntries([]));
      const plan = planOf(snapshot);
      const before = stateOf(root);
      const steps: readonly (readonly [StepRequest, Uint8Array?])[] = [
        [{ step: "receive", plan, ...about(snapshot) }, snapshot],
        [{ step: "stop", id: ID, staticPods: "/etc/kubernetes/manifests", spare: SPARE }],
        [{ step: "restore", plan, node: "m1" }],
        [{ step: "prepare", id: ID, files: [SENT], identity: {}, issue: false }],
        [{ step: "start-etcd", id: ID }],
        [{ step: "start", id: ID }],
        [{ step: "finish", id: ID }],
      ];
      const kills = new Map<string, number>();
      for (const [i, [request, payload]] of steps.entries()) {
        kills.set(request.step, 0);
        for (const cut of cuts(1)) {
          const done = (each: StepRequest, sent?: Uint8Array) =>
            expect(ask(root, isMounted, each, sent), `${each.step} with ${request.step}`).toHaveProperty("result");
          // Each time anew: the old data is known by its inode, which a copy of the node would not have.
          for (const [earlier, sent] of steps.slice(0, i)) done(earlier, sent);
          const isKilled = ask(root, isMounted, request, payload, cut) === undefined;
          done({ step: "undo-data", id: ID });
          done({ step: "undo-finish", id: ID });
          expect(stateOf(root), `${request.step} killed after ${cut} changes`).toEqual(before);
          if (i > 0) {
            expect(ask(root, isMounted, request, payload)).toMatchObject({ error: { code: "plan-refused" } });
          }
          clear(root);
          if (!isKilled) break;
          kills.set(request.step, kills.get(request.step)! + 1);
        }
      }
      process.stderr.write(`killed and taken back: ${[...kills].map((each) => each.join(" ")).join(", ")}\n`);
      for (const [step, times] of kills) expect(times, step).toBeGreaterThan(0);
    },
    3_600_000,
  );
});

/** Its manifest is lost, and made again from the backup. */
const LOST = "kube-scheduler";
const SENT = {
  path: "/etc/kubernetes/scheduler.conf",
  content: Buffer.from("kubeconfig\n").toString("base64"),
  mode: 0o600,
  uid: 0,
  gid: 0,
};

function manifest(name: string): string {
  return `apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: kube-system}
spec:
  containers: [{name: ${name}, image: "registry.k8s.io/${name}:v1", command: [${name}]}]
`;
}

const SPARE = { [`${LOST}.yaml`]: manifest(LOST) };

function makeNode(root: string): void {
  for (const place of [MANIFESTS, "var/lib/etcd/member/snap", "var/log/pods", "disk"])
    mkdirSync(join(root, place), { recursive: true });
  for (const name of COMPONENTS.filter((each) => each !== LOST))
    writeFileSync(join(root, MANIFESTS, `${name}.yaml`), manifest(name));
  writeFileSync(join(root, MANIFESTS, "web.yaml"), manifest("web"));
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\n");
  // Its kubelet has let etcd in.
  const logs = join(root, "var/log/pods", `kube-system_etcd-m1_${"0".repeat(32)}`);
  mkdirSync(logs);
  // Whenever its manifest comes, the kubelet has written there later.
  utimesSync(logs, new Date(Date.UTC(2100, 0)), new Date(Date.UTC(2100, 0)));
  writeFileSync(join(root, "var/lib/etcd/member/snap/db"), "what was written before");
  mkdirSync(join(root, "disk/member/snap"), { recursive: true });
  writeFileSync(join(root, "disk/member/snap/db"), "what was written before");
}

/** What earlier operations have left beside it. */
function clear(root: string): void {
  rmSync(join(root, "var/lib/kubemend"), { recursive: true, force: true });
  for (const place of ["var/lib", "disk", "etc/kubernetes"]) {
    for (const name of readdirSync(join(root, place))) {
      if (/undone-|unused-/.test(name)) rmSync(join(root, place, name), { recursive: true });
    }
  }
}

/** What has to be there again after an undo: manifests, the old data, and no file that was made. */
function stateOf(root: string): Readonly<Record<string, string>> {
  const places = ["etc/kubernetes", "var/lib/etcd/member", "disk/member"];
  return Object.fromEntries(
    places.flatMap((place) =>
      readdirSync(join(root, place), { recursive: true, withFileTypes: true })
        .filter((each) => each.isFile() && !/\.undone-/.test(each.name))
        .map((each) => join(each.parentPath, each.name))
        .map((path) => [path, readFileSync(path, "utf8")] as const),
    ),
  );
}

function about(snapshot: Uint8Array): { readonly size: number; readonly sha256: string } {
  return { size: snapshot.length, sha256: createHash("sha256").update(snapshot).digest("hex") };
}

function planOf(snapshot: Uint8Array): RestorePlan {
  const peerUrl = "https://10.0.0.11:2380";
  const member = { node: "m1", name: "m1", peerUrl, dataDir: "/var/lib/etcd", address: "10.0.0.11" };
  return {
    id: ID,
    digest: "d",
    backup: { path: "backup.db", revision: 3, keys: 2, ...about(snapshot) },
    members: [{ ...member, clientUrls: ["https://10.0.0.11:2379"] }],
    initialCluster: `m1=${peerUrl}`,
    token: `kubemend-${ID}`,
    bumpRevision: 1000,
    without: [],
    files: {},
  };
}

/** After how many changes runs are killed, one after the other: later by one at first, and by a part of it from then on. */
function* cuts(part: number): Generator<number> {
  for (let after = 1; after < MOST_CHANGES; after += Math.max(1, Math.floor(after / part))) yield after;
  throw new Error(`it makes more than ${MOST_CHANGES} changes`);
}

/** Each run is killed later than the one before, until one ends by itself. Returns how many were killed. */
function killedAgainAndAgain(
  root: string,
  isMounted: boolean,
  request: StepRequest,
  payload: Uint8Array | undefined,
): number {
  let kills = 0;
  for (const after of cuts(10)) {
    const answer = ask(root, isMounted, request, payload, after);
    if (answer !== undefined) {
      expect(answer, `${request.step}, after ${kills} kills: ${JSON.stringify(answer)}`).toHaveProperty("result");
      break;
    }
    kills++;
  }
  return kills;
}

/** One step by a kubemend of its own on the node. Undefined where it was killed. */
function ask(
  root: string,
  isMounted: boolean,
  request: StepRequest,
  payload: Uint8Array = new Uint8Array(0),
  killAfter?: number,
): unknown {
  const binds = PLACES.map((place) => `mount --bind '${root}${place}' ${place}`);
  const disk = isMounted ? [`mount --bind '${root}/disk' /var/lib/etcd`] : [];
  const script = ["set -e", ...binds, ...disk, "mount -t proc proc /proc", NOT_FIRST].join("\n");
  const recorder = killAfter === undefined ? [] : [`--import=${RECORDER}`];
  const program = [process.execPath, ...recorder, MAIN, "cluster", "node"];
  const isolated = ["--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c", script, "sh", ...program];
  const { status, signal, error, stdout, stderr } = spawnSync("unshare", isolated, {
    input: Buffer.concat([Buffer.from(`${JSON.stringify(request)}\n`), payload]),
    env: {
      PATH: process.env.PATH,
      KUBEMEND_RECORD_ROOT: "/etc/kubernetes:/var/lib:/var/log",
      KUBEMEND_RECORD_LOG: "/dev/null",
      ...(killAfter === undefined ? {} : { KUBEMEND_KILL_AFTER: String(killAfter) }),
    },
    timeout: 120_000,
  });
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  if (code === "ETIMEDOUT") throw new Error(`${request.step} does not end: ${stdout}${stderr}`, { cause: error });
  const lines = stdout.toString().trim().split("\n");
  const answers = lines.filter((line) => /^\{"(result|error)"/.test(line));
  if (answers.length === 0) {
    if (killAfter !== undefined && (status === 137 || signal === "SIGKILL")) return undefined;
    throw new Error(`${request.step} ends with ${status} and no answer: ${stdout}${stderr}`);
  }
  return JSON.parse(answers.at(-1)!);
}

/** The data that a stock etcd would start from is whole, and what was there before is kept. */
function expectRestored(root: string): void {
  const isMounted = existsSync(join(root, "disk/member/wal"));
  const directory = join(root, isMounted ? "disk" : "var/lib/etcd");
  const findings: unknown[] = [];
  const database = memorySource(readFileSync(join(directory, "member/snap/db")));
  checkBolt(readBolt(database), (finding) => findings.push(finding));
  const wal = join(directory, "member/wal");
  const log = readLog(readdirSync(wal).map((name) => memorySource(readFileSync(join(wal, name)), name)));
  expect([findings, log.breaks]).toEqual([[], []]);
  const found = execFileSync("grep", ["-rl", "what was written before", join(root, "var/lib"), join(root, "disk")]);
  expect(found.toString().trim().split("\n")).toHaveLength(2);
  expect(readFileSync(join(root, "etc/kubernetes/scheduler.conf"), "utf8")).toBe("kubeconfig\n");
}
