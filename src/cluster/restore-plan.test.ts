import { describe, expect, test } from "vitest";
import type { NodeFacts, NodeJournal } from "./node-facts.ts";
import { checkRestore } from "./restore-check.ts";
import {
  bumpFor,
  controlPlaneOf,
  nodesOf,
  type PlanInput,
  type PlannedMember,
  planRestore,
  type Surveyed,
} from "./restore-plan.ts";

const GIB = 1024 ** 3;
const backup = { path: "backup.db", size: 50_000_000, revision: 1000, keys: 300, sha256: "ab".repeat(32) };

function member(number: number): PlannedMember {
  return {
    node: `m${number}`,
    name: `m${number}`,
    address: `10.0.0.${number}`,
    peerUrl: `https://10.0.0.${number}:2380`,
    clientUrls: [`https://10.0.0.${number}:2379`],
    dataDir: "/var/lib/etcd",
  };
}

const COMPONENTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

function facts(number: number, more: Partial<NodeFacts> = {}): NodeFacts {
  return {
    version: "0.1.0",
    nodeName: `m${number}`,
    time: 1_000_000,
    isRoot: true,
    kubelet: { running: true, staticPods: "/etc/kubernetes/manifests", hasUnit: false },
    manifests: COMPONENTS,
    unreadableManifests: [],
    etcdManifest: null,
    freeForBackup: null,
    running: COMPONENTS,
    etcd: {
      present: true,
      newestRevision: 1200,
      fault: null,
      freeBytes: 10 * GIB,
      foreign: [],
      peerUrls: [],
      revisionsBeside: [],
    },
    missingFiles: [],
    sharedFiles: [],
    authorities: [],
    etcdService: null,
    expired: [],
    takenPorts: [],
    absentImages: [],
    journals: [],
    ...more,
  };
}

const MATERIAL = {
  nodes: new Map(),
  stored: new Map(),
  certs: new Set<string>(),
  inBackup: new Set<string>(),
  authorities: [],
  acceptNewAuthority: false,
};

function input(surveys: Record<string, Surveyed>, without: readonly string[] = []): PlanInput {
  const members = [1, 2, 3].map(member).filter(({ node }) => !without.includes(node));
  return {
    backup,
    members,
    without,
    surveys: new Map(Object.entries(surveys)),
    now: Date.UTC(2026, 10, 29, 10, 42),
    material: MATERIAL,
    random: "3f9c2a",
  };
}

const healthy = { m1: { facts: facts(1) }, m2: { facts: facts(2) }, m3: { facts: facts(3) } };

describe("how far the revision is raised", () => {
  test("above what the newest old data holds", () => expect(bumpFor(1000, [1200, 900], 0)).toBe(1_000_200));
  test("nothing is there: by the margin alone", () => expect(bumpFor(1000, [], 0)).toBe(1_000_000));
  test("blindly again: above what the first restore has reached meanwhile", () => {
    const at = (day: number) => bumpFor(1000, [null], Date.UTC(2026, 10, day));
    expect(at(30) - at(29)).toBe(86_400_000);
    expect(bumpFor(1000, [null, 5_000_000_000_000], 0)).toBe(5_000_000_999_000);
  });
  test("also above what was restored and taken back, which clients have seen", () => {
    const { etcd } = facts(2);
    const back = { facts: facts(2, { etcd: { ...etcd, revisionsBeside: [900, 1_002_000] } }) };
    expect(planRestore(input({ ...healthy, m2: back })).bumpRevision).toBe(2_001_000);
    const empty = { facts: facts(2, { etcd: { ...etcd, present: false, revisionsBeside: [1_002_000] } }) };
    expect(planRestore(input({ ...healthy, m2: empty })).bumpRevision).toBe(2_001_000);
  });
  test("old data that cannot be read may hold anything", () =>
    expect(bumpFor(1000, [1200, null], 0)).toBe(1_000_000_000));
});

test("the plan of three healthy nodes", () => {
  const given = input(healthy);
  const plan = planRestore(given);
  expect(plan).toMatchObject({
    id: "restore-20261129-104200-3f9c2a",
    token: "kubemend-restore-20261129-104200-3f9c2a",
    initialCluster: "m1=https://10.0.0.1:2380,m2=https://10.0.0.2:2380,m3=https://10.0.0.3:2380",
    bumpRevision: 1_000_200,
  });
  expect(checkRestore(plan, given)).toEqual({
    problems: [],
    warnings: [1, 2, 3].map((n) => `node "m${n}": its data goes to revision 1200: 200 revisions are not in the backup`),
  });
});

describe("etcd is a service of its own hosts", () => {
  const controlPlane = [8, 9].map((number) => ({ node: `m${number}`, address: `10.0.0.${number}` }));
  const external = { controlPlane, cacert: "/pki/ca.crt", cert: "/pki/client.crt", key: "/pki/client.key" };
  const service = { unit: "etcd.service", active: true, dataDir: "/var/lib/etcd", owner: "etcd:etcd" };
  const host = (number: number, more: Partial<NodeFacts> = {}) => ({
    facts: facts(number, { etcdService: service, manifests: [], nodeName: `host-${number}`, ...more }),
  });
  const beside = (number: number) => ({
    facts: facts(number, {
      manifests: COMPONENTS.slice(1),
      etcd: {
        present: false,
        newestRevision: null,
        fault: null,
        freeBytes: 0,
        foreign: [],
        peerUrls: [],
        revisionsBeside: [],
      },
    }),
  });
  const surveys = { m1: host(1), m2: host(2), m3: host(3), m8: beside(8), m9: beside(9) };

  test("its hosts are the members, and the control plane is stopped and started beside them", () => {
    const given = { ...input(surveys), external };
    const plan = planRestore(given);
    expect(nodesOf(plan)).toEqual(["m1", "m2", "m3", "m8", "m9"]);
    expect(controlPlaneOf(plan).map(({ node }) => node)).toEqual(["m8", "m9"]);
    expect(plan.bumpRevision).toBe(1_000_200);
    expect(Object.keys(plan.files)).toEqual(["m8", "m9"]);
    expect(checkRestore(plan, given).problems).toEqual([]);
    expect(plan.digest).not.toBe(planRestore(input(surveys)).digest);
  });

  test("a host without the unit, or whose unit does not say where its data is", () => {
    const odd = {
      ...surveys,
      m1: host(1, { etcdService: null }),
      m2: host(2, { etcdService: { ...service, dataDir: null } }),
      m9: { facts: { ...beside(9).facts, nodeName: "other" } },
    };
    const given = { ...input(odd), external };
    expect(checkRestore(planRestore(given), given).problems).toEqual([
      'host "m1": systemd has no etcd.service there: use the runbook of cluster restore',
      'host "m2": etcd.service does not say where its data is: set ETCD_DATA_DIR there',
      'the machine at 10.0.0.9 is node "other", not "m9"',
    ]);
  });
});

test("an operation that was begun continues under its name, with its token", () => {
  const first = planRestore(input(healthy));
  const journal: NodeJournal = {
    id: first.id,
    state: "stopped",
    digest: first.digest,
    snapshot: "/x",
    manifests: null,
    made: [],
    dataDir: null,
    revision: null,
    bump: null,
    leads: false,
    service: null,
  };
  const begun = { ...healthy, m2: { facts: facts(2, { journals: [journal], manifests: [], running: [] }) } };
  const again = planRestore({ ...input(begun), random: "000000", now: 0 });
  expect([again.id, again.token]).toEqual([first.id, first.token]);
  expect(checkRestore(again, input(begun)).problems).toEqual([]);
  const other = planRestore({ ...input(begun), backup: { ...backup, sha256: "cd".repeat(32) }, random: "111111" });
  expect(other.id).not.toBe(first.id);
  expect(checkRestore(other, input(begun)).problems).toEqual([
    `node "m2": operation ${first.id} was begun and not finished`,
  ]);
  for (const state of ["done", "undone"] as const) {
    const ended = { ...healthy, m2: { facts: facts(2, { journals: [{ ...journal, state }] }) } };
    expect(planRestore({ ...input(ended), random: "000000" }).id).toBe("restore-20261129-104200-000000");
  }
});

test("a run that was cut off while nodes were restored raises the others by as much", () => {
  const first = planRestore(input(healthy));
  const empty = {
    snapshot: "/x",
    manifests: null,
    made: [],
    dataDir: null,
    revision: null,
    leads: false,
    service: null,
  };
  const journal = { ...empty, id: first.id, digest: first.digest };
  const restored = 1000 + first.bumpRevision;
  const cut = input({
    m1: {
      facts: facts(1, {
        journals: [{ ...journal, state: "restored", revision: restored, bump: first.bumpRevision }],
        etcd: {
          present: true,
          newestRevision: restored,
          fault: null,
          freeBytes: 10 * GIB,
          foreign: [],
          peerUrls: [],
          revisionsBeside: [],
        },
      }),
    },
    m2: { facts: facts(2, { journals: [{ ...journal, state: "stopped", bump: null }] }) },
    m3: { facts: facts(3, { journals: [{ ...journal, state: "stopped", bump: null }] }) },
  });
  const again = planRestore(cut);
  expect([again.id, again.bumpRevision]).toEqual([first.id, first.bumpRevision]);
  expect(checkRestore(again, cut).warnings.filter((text) => text.includes('"m1"'))).toEqual([]);
});

test("clocks that only seem apart, because an answer took long, are no warning", () => {
  const slow = { facts: facts(1, { time: 1_009_000 }), asked: { sent: 1_000_000, received: 1_010_000 } };
  const quick = { facts: facts(2, { time: 1_000_500 }), asked: { sent: 1_000_000, received: 1_001_000 } };
  const fast = { facts: facts(3, { time: 1_020_500 }), asked: { sent: 1_000_000, received: 1_001_000 } };
  const alike = input({ m1: slow, m2: quick, m3: quick });
  expect(checkRestore(planRestore(alike), alike).warnings.filter((text) => text.includes("clocks"))).toEqual([]);
  const apart = input({ m1: slow, m2: quick, m3: fast });
  expect(checkRestore(planRestore(apart), apart).warnings).toContain("the nodes' clocks are 19.0 s apart");
});

test("a backup that was restored already is restored again with a warning", () => {
  const first = planRestore(input(healthy));
  const empty = {
    snapshot: null,
    manifests: null,
    made: [],
    dataDir: null,
    revision: 1,
    bump: 1,
    leads: false,
    service: null,
  };
  const journals = [{ ...empty, id: first.id, digest: first.digest, state: "done" as const }];
  const given = { ...input({ ...healthy, m1: { facts: facts(1, { journals }) } }), random: "000000" };
  expect(checkRestore(planRestore(given), given).warnings).toContain(
    `node "m1": was restored from this backup by ${first.id} already: what was written since will be lost`,
  );
});

describe("what speaks against it", () => {
  test.each<[string, Partial<NodeFacts>, string]>([
    ["another machine", { nodeName: "worker-7" }, 'the machine at 10.0.0.2 is node "worker-7", not "m2"'],
    ["no root", { isRoot: false }, 'node "m2": kubemend does not run as root there'],
    [
      "no kubelet",
      { kubelet: { running: false, staticPods: "/m", hasUnit: false } },
      'node "m2": no kubelet runs, which starts and stops the static pods',
    ],
    [
      "a file that nobody has",
      { missingFiles: ["/etc/kubernetes/audit.yaml"] },
      'node "m2": /etc/kubernetes/audit.yaml is missing: nothing but a backup of the node has it: ' +
        "copy it from there, or from another control-plane node",
    ],
    [
      "space",
      {
        etcd: {
          present: false,
          newestRevision: null,
          fault: null,
          freeBytes: 100_000_000,
          foreign: [],
          peerUrls: [],
          revisionsBeside: [],
        },
      },
      'node "m2": 100 MB are free for /var/lib/etcd, and 235 MB are needed',
    ],
  ])("%s", (_, more, problem) => {
    const given = input({ ...healthy, m2: { facts: facts(2, more) } });
    expect(checkRestore(planRestore(given), given).problems).toEqual([problem]);
  });

  test("a node that cannot be reached, unless it is left out", () => {
    const given = input({ ...healthy, m3: { fault: "no connection to 10.0.0.3" } });
    expect(checkRestore(planRestore(given), given).problems).toEqual([
      'node "m3" cannot be surveyed: no connection to 10.0.0.3',
    ]);
    const without = input(healthy, ["m3"]);
    const plan = planRestore(without);
    expect(plan.initialCluster).toBe("m1=https://10.0.0.1:2380,m2=https://10.0.0.2:2380");
    expect(checkRestore(plan, without).warnings).toContain("without m3: the restored etcd has 2 of 3 members");
  });

  test("clocks, lost manifests and data that cannot be read are worth a warning", () => {
    const etcd = {
      present: true,
      newestRevision: null,
      fault: "page 7 is damaged",
      freeBytes: 10 * GIB,
      foreign: [],
      peerUrls: [],
      revisionsBeside: [],
    };
    const given = input({
      m1: { facts: facts(1, { time: 1_060_000 }) },
      m2: { facts: facts(2, { manifests: ["etcd"] }) },
      m3: { facts: facts(3, { etcd }) },
    });
    const { problems, warnings } = checkRestore(planRestore(given), given);
    expect(problems).toEqual([]);
    expect(warnings).toContain("the nodes' clocks are 60.0 s apart");
    expect(warnings).toContain(
      'node "m2": no manifest of kube-apiserver, kube-controller-manager, kube-scheduler: made again from the backup',
    );
    expect(warnings).toContain('node "m3": the old data cannot be read: page 7 is damaged');
  });
});

describe("what the node's own manifests and disks say", () => {
  const manifest = { dataDir: "/var/lib/etcd", walDir: null, forcesNewCluster: false };
  const problems = (more: Partial<NodeFacts>) => {
    const given = input({ ...healthy, m2: { facts: facts(2, more) } });
    return checkRestore(planRestore(given), given).problems;
  };
  test("the same as the plan", () => expect(problems({ etcdManifest: manifest })).toEqual([]));
  test.each<[what: string, more: Partial<NodeFacts>, problem: string]>([
    [
      "another data directory",
      { etcdManifest: { ...manifest, dataDir: "/data/etcd" } },
      'node "m2": the manifest of etcd there has its data in /data/etcd, and the plan in /var/lib/etcd: make them agree',
    ],
    [
      "a new cluster at each start",
      { etcdManifest: { ...manifest, forcesNewCluster: true } },
      'node "m2": the manifest of etcd there has --force-new-cluster, with which each member makes a cluster of its ' +
        "own: take it out",
    ],
    [
      "too small a disk for the backup",
      { freeForBackup: 20_000_000 },
      'node "m2": 20 MB are free for the backup in /var/lib/kubemend, and 50 MB are needed',
    ],
    [
      "nothing, since it is torn",
      { unreadableManifests: [{ path: "/m/etcd.yaml", fault: "it holds no pod" }] },
      'node "m2": /m/etcd.yaml cannot be read as a manifest (it holds no pod): move it away',
    ],
  ])("%s", (_, more, problem) => expect(problems(more)).toEqual([problem]));
});
