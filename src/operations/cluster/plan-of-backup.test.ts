/**
 * Plans of a restore on a real backup of three control-plane nodes: where missing files come from, and what contradicts
 * the plan before anything is touched.
 */
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NodeFacts } from "../../cluster/node-facts.ts";
import { wantedFiles } from "../../cluster/node-needs.ts";
import { checkRestore } from "../../cluster/restore-check.ts";
import { type PlanInput, planRestore, type Surveyed } from "../../cluster/restore-plan.ts";
import { gatherFiles, materialOf } from "./gather-files.ts";
import { type ClusterBackup, readClusterBackup } from "./read-backup-plan.ts";

const SNAPSHOT = join(import.meta.dirname, "../../../test/fixtures/kubeadm-ha-k136/snapshot.db.gz");
const KEY = "0123456789abcdef".repeat(4);
const COMPONENTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
const PKI = "/etc/kubernetes/pki";
const SHARED = [
  "ca.crt",
  "ca.key",
  "sa.pub",
  "sa.key",
  "front-proxy-ca.crt",
  "front-proxy-ca.key",
  "etcd/ca.crt",
  "etcd/ca.key",
];

let backup: ClusterBackup;
let withKey: ClusterBackup;
beforeAll(async () => {
  backup = await readClusterBackup(SNAPSHOT, {});
  withKey = await readClusterBackup(SNAPSHOT, { certificateKey: KEY });
});
afterAll(() => {
  backup[Symbol.dispose]();
  withKey[Symbol.dispose]();
});

function facts(node: string, more: Partial<NodeFacts> = {}): NodeFacts {
  return {
    version: "0.1.0",
    nodeName: node,
    time: 1_000_000,
    isRoot: true,
    kubelet: { running: true, staticPods: "/etc/kubernetes/manifests", hasUnit: true },
    manifests: COMPONENTS,
    unreadableManifests: [],
    etcdManifest: null,
    freeForBackup: null,
    running: [],
    etcd: {
      present: false,
      newestRevision: null,
      fault: null,
      freeBytes: 1e12,
      foreign: [],
      peerUrls: [],
      revisionsBeside: [],
    },
    missingFiles: [],
    sharedFiles: SHARED.map((file) => `${PKI}/${file}`),
    authorities: [...backup.authorities],
    etcdService: null,
    expired: [],
    takenPorts: [],
    absentImages: [],
    journals: [],
    ...more,
  };
}

/** m2 is as `more` says, the others are whole. */
function input(more: Partial<NodeFacts>, from = backup, acceptNewAuthority = false): PlanInput {
  const surveys = new Map<string, Surveyed>(
    ["m1", "m2", "m3"].map((node) => [node, { facts: facts(node, node === "m2" ? more : {}) }]),
  );
  const { backup: about, members } = from;
  const material = materialOf(from, acceptNewAuthority);
  return { backup: about, members, without: [], surveys, material, now: 0, random: "3f9c2a" };
}

function check(given: PlanInput) {
  return checkRestore(planRestore(given), given);
}

test("members, and for whom the certificates of a node are", () => {
  expect(backup.members.map(({ name, peerUrl, dataDir }) => [name, peerUrl, dataDir])).toEqual([
    ["m1", "https://10.77.0.11:2380", "/var/lib/etcd"],
    ["m2", "https://10.77.0.12:2380", "/var/lib/etcd"],
    ["m3", "https://10.77.0.13:2380", "/var/lib/etcd"],
  ]);
  expect(backup.nodes.get("m2")?.identity).toEqual({
    node: "m2",
    address: "10.77.0.12",
    serviceAddress: "10.96.0.1",
    domain: "cluster.local",
    minor: 36,
    endpoint: "https://10.77.0.11:6443",
    port: 6443,
    otherNames: ["10.77.0.11"],
  });
  expect(backup.nodes.get("m2")?.ports).toEqual([
    [2379, "etcd"],
    [2380, "etcd"],
    [6443, "kube-apiserver"],
  ]);
  expect(check(input({}))).toEqual({ problems: [], warnings: [] });
});

test("what is carried can be proved on the node, also where the backup is a copy of a database without its SHA-256", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-carried-"));
  try {
    const whole = gunzipSync(readFileSync(SNAPSHOT));
    const copy = join(directory, "db");
    writeFileSync(copy, whole.subarray(0, -32));
    using from = await readClusterBackup(copy, {});
    const carried = Buffer.concat([...from.content()]);
    expect(carried.equals(whole)).toBe(true);
    expect([from.size, from.sha256]).toEqual([carried.length, createHash("sha256").update(carried).digest("hex")]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

describe("an empty machine", () => {
  const everything = () => wantedFiles(backup.nodes.get("m2")?.named ?? []);
  const empty = (): Partial<NodeFacts> => ({
    manifests: [],
    missingFiles: everything(),
    sharedFiles: [],
    authorities: [],
    kubelet: { running: false, staticPods: "/etc/kubernetes/manifests", hasUnit: true },
  });

  test("beside whole ones: the shared files come from one of them, the rest is made", async () => {
    const given = input(empty());
    const plan = planRestore(given);
    expect(checkRestore(plan, given)).toEqual({
      problems: [],
      warnings: [
        'node "m2": no kubelet runs: it is started when its files are there',
        'node "m2": no manifest of etcd, kube-apiserver, kube-controller-manager, kube-scheduler: made again from the backup',
      ],
    });
    const files = plan.files.m2 ?? [];
    expect(files.map(({ path }) => path)).toEqual(everything());
    expect(files.filter(({ from }) => from === "node").map(({ path }) => path)).toEqual(
      SHARED.map((file) => `${PKI}/${file}`).sort(),
    );
    expect(files.find(({ path }) => path === "/var/lib/kubelet/config.yaml")?.from).toBe("backup");
    const made = files.filter(({ from }) => from === "authority").map(({ path }) => path);
    expect(made).toContain(`${PKI}/apiserver.crt`);
    expect(made).toContain(`${PKI}/etcd/peer.key`);
    expect(made).toContain("/etc/kubernetes/kubelet.conf");
  });

  test(
    "all three empty: with the certificate key everything is there; without it what is lacking is " +
      "listed with how to get it",
    async () => {
      const all = (from: ClusterBackup): PlanInput => {
        const given = input(empty(), from);
        const surveys = new Map(["m1", "m2", "m3"].map((node) => [node, { facts: facts(node, empty()) }]));
        return { ...given, surveys };
      };
      const given = all(withKey);
      const plan = planRestore(given);
      expect(checkRestore(plan, given).problems).toEqual([]);
      const sent = await gatherFiles("m1", plan.files.m1 ?? [], withKey.files, () => expect.unreachable());
      const pem = (path: string) =>
        Buffer.from(sent.find((each) => each.path === path)?.content ?? "", "base64").toString();
      const authority = new X509Certificate(pem(`${PKI}/ca.crt`));
      expect(authority.fingerprint256).toBe(backup.authorities[0]);
      expect(pem(`${PKI}/ca.key`)).toContain("PRIVATE KEY");
      expect(sent.find(({ path }) => path === `${PKI}/ca.key`)?.mode).toBe(0o600);

      const { problems } = check(all(backup));
      const ofFirst = problems.filter((text) => text.includes('"m1"'));
      expect(ofFirst).toContainEqual(
        expect.stringMatching(/pki\/ca\.key is missing: copy it from .*make a new authority/),
      );
      expect(ofFirst).toContainEqual(expect.stringMatching(/pki\/sa\.key is missing: .*makes every token/));
      expect(ofFirst).toContainEqual(
        `node "m1": ${PKI}/apiserver.crt is missing, and it cannot be made without ${PKI}/ca.key: copy one of the two from a backup`,
      );
      expect(ofFirst).not.toContainEqual(expect.stringContaining("pki/ca.crt is missing"));
    },
  );

  test("a key of another upload, and a backup without the secret", async () => {
    await expect(readClusterBackup(SNAPSHOT, { certificateKey: "00".repeat(32) })).rejects.toMatchObject({
      code: "certificate-invalid",
      message: 'the certificate key does not open "ca.crt" of secret kubeadm-certs',
    });
    await expect(readClusterBackup(SNAPSHOT, { certificateKey: "secret" })).rejects.toMatchObject({ code: "usage" });
    const other = join(import.meta.dirname, "../../../test/fixtures/kubeadm-k120/snapshot.db.gz");
    await expect(readClusterBackup(other, { certificateKey: KEY })).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("what contradicts the plan", () => {
  const etcd = {
    present: true,
    newestRevision: 800,
    fault: null,
    freeBytes: 1e12,
    foreign: [],
    peerUrls: [],
    revisionsBeside: [],
  };
  test.each<[string, Partial<NodeFacts>, string]>([
    ["another cluster's backup", { authorities: ["AB:CD"] }, "is not the one of the backup's cluster: this is another"],
    ["foreign data", { etcd: { ...etcd, foreign: ["postgres"] } }, "/var/lib/etcd holds what is not etcd's: postgres"],
    ["no space", { etcd: { ...etcd, freeBytes: 1e6 } }, "1 MB are free for /var/lib/etcd, and "],
    [
      "a port that is taken",
      { takenPorts: [{ port: 2379, component: "etcd", program: "haproxy" }] },
      "haproxy listens on port 2379, which etcd needs: stop it first",
    ],
    [
      "a kubelet that is down while etcd runs",
      { kubelet: { running: false, staticPods: "/m", hasUnit: true }, running: ["etcd"] },
      "no kubelet runs, and etcd still does: start the kubelet, so that it stops them",
    ],
    [
      "certificates that are over and cannot be renewed",
      { expired: [{ name: "apiserver", renewable: false }] },
      "expired, and without the authority's key not to be renewed here: apiserver",
    ],
  ])("%s", (_, more, problem) => {
    expect(check(input(more)).problems.filter((text) => text.includes(problem))).toHaveLength(1);
  });

  test.each<[string, Partial<NodeFacts>, string]>([
    ["clocks that are apart", { time: 1_060_000 }, "the nodes' clocks are 60.0 s apart"],
    [
      "an image that is missing",
      { absentImages: ["etcd:3.6"] },
      "not there, and pulled when they are started: etcd:3.6",
    ],
    [
      "data of another cluster",
      { etcd: { ...etcd, peerUrls: ["https://10.9.9.9:2380"] } },
      "/var/lib/etcd is of another etcd cluster, with the members https://10.9.9.9:2380: it is moved aside",
    ],
    [
      "certificates that are over",
      { expired: [{ name: "apiserver", renewable: true }] },
      "renewed for a year: apiserver",
    ],
  ])("worth a warning: %s", (_, more, warning) => {
    const found = check(input(more));
    expect(found.problems).toEqual([]);
    expect(found.warnings.filter((text) => text.includes(warning))).toHaveLength(1);
  });

  test("a new authority is accepted where its owner says so; two that differ never are", () => {
    const given = input({ authorities: ["AB:CD"] }, backup, true);
    expect(check(given).problems).toEqual(["m1 and m2 have different authorities"]);
    const surveys = new Map(
      ["m1", "m2", "m3"].map((node) => [node, { facts: facts(node, { authorities: ["AB:CD"] }) }]),
    );
    const all = check({ ...given, surveys });
    expect(all.problems).toEqual([]);
    expect(all.warnings).toContainEqual(
      expect.stringContaining("every kubelet and every kubeconfig needs the new one"),
    );
  });
});
