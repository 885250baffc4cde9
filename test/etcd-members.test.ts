/**
 * `etcd member …`, `move-leader`, `defrag`, `compact` and `alarm` on a real cluster: what they print, what they refuse,
 * and what is true afterwards.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type ChangeLine, changeLines, expectAudited } from "./audited.ts";
import { type EtcdServer, ready, startEtcd } from "./etcd-server.ts";
import { kubemend } from "./kubemend.ts";
import { findProgram, PROGRAMS_MISSING } from "./programs.ts";
import { memberNames, planMembers, startMembers } from "./restored-cluster.ts";
import { expectShown } from "./shown-on-page.ts";
import { startSlowProxy } from "./slow-proxy.ts";

let directory: string;
let running: EtcdServer[] = [];
/** What all tests have changed. */
const audited: ChangeLine[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "etcd-members-"));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop("SIGKILL")));
  audited.push(...changeLines(join(directory, "audit.log")));
  rmSync(directory, { recursive: true });
});

const suites = (["bookworm", "sid", "newer"] as const).filter((suite) => findProgram(suite, "etcd"));

async function etcd(server: EtcdServer, ...argv: string[]) {
  const env = { KUBEMEND_AUDIT_LOG: join(directory, "audit.log") };
  return kubemend(directory, ["etcd", ...argv, "--endpoints", server.endpoint], env);
}

async function members(server: EtcdServer): Promise<{ id: string; name: string; isLearner: boolean }[]> {
  const { stdout } = await etcd(server, "member", "list", "-o", "json");
  const list = JSON.parse(stdout.replace(/"ID":(\d+)/g, '"ID":"$1"')) as {
    members: { ID: string; name?: string; isLearner?: boolean }[];
  };
  return list.members.map(({ ID, name = "", isLearner = false }) => ({ id: BigInt(ID).toString(16), name, isLearner }));
}

describe.skipIf(suites.length === 0).each(suites)(`on etcd of %s (${PROGRAMS_MISSING})`, (suite) => {
  test("a member is added as a learner, started with what is printed, promoted, leads, and is removed", async () => {
    const { members: planned, initialCluster } = await planMembers(4);
    const [first, second, third, fourth] = planned as [
      (typeof planned)[0],
      (typeof planned)[0],
      (typeof planned)[0],
      (typeof planned)[0],
    ];
    const cluster = initialCluster.split(",").slice(0, 3).join(",");
    running = await startMembers(suite, directory, [first, second, third], cluster);
    const [one] = running as [EtcdServer, ...EtcdServer[]];

    const added = await etcd(one, "member", "add", "m4", `--peer-urls=${fourth.peer}`);
    expect(added.stderr).toContain('next, for "m4"');
    expect(added.code).toBe(0);
    const id = /^Member +([0-9a-f]+) added to cluster +[0-9a-f]+\n\n/.exec(added.stdout)?.[1];
    expect(id).toBeDefined();
    const value = (name: string) => new RegExp(`^${name}="(.*)"$`, "m").exec(added.stdout)?.[1];
    expect(value("ETCD_NAME")).toBe("m4");
    expect(value("ETCD_INITIAL_CLUSTER_STATE")).toBe("existing");
    expect(value("ETCD_INITIAL_ADVERTISE_PEER_URLS")).toBe(fourth.peer);

    const again = await etcd(one, "member", "add", "m5", `--peer-urls=${fourth.peer}`);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining(`has the peer URL ${fourth.peer} already`)]);
    const early = await etcd(one, "member", "promote", id!);
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining(`member ${id} does not answer`)]);

    const flags = ["--initial-cluster", value("ETCD_INITIAL_CLUSTER")!, "--initial-cluster-state", "existing"];
    const options = { suite, dataDir: join(directory, "m4"), name: "m4", ports: fourth.ports, flags };
    const learner = await startEtcd(options, false);
    running.push(learner);
    await refusesReads(learner);
    // A learner among the endpoints refuses most requests: the next endpoint is asked.
    const both = await kubemend(directory, [
      "etcd",
      "alarm",
      "list",
      "--endpoints",
      `${learner.endpoint},${one.endpoint}`,
    ]);
    expect([both.code, both.stderr]).toEqual([0, ""]);
    const promoted = await promote(one, id!);
    expect([promoted.code, promoted.stderr.replace(/^.*has not caught up.*\n/gm, "")]).toEqual([0, ""]);
    expectShown("docs/back-up-and-restore-etcd.md", "kubemend etcd member promote", promoted.stdout);
    expect(promoted.stdout).toMatch(new RegExp(`^Member +${id} promoted in cluster +[0-9a-f]+\n$`));
    expect(await members(one)).toContainEqual({ id, name: "m4", isLearner: false });
    expect((await etcd(one, "member", "promote", "m4")).stderr).toContain("votes already");

    const moved = await etcd(one, "move-leader", "m4");
    expect(moved.stdout).toMatch(new RegExp(`^Leadership transferred from [0-9a-f]+ to ${id}\n$`));
    expect((await etcd(one, "move-leader", "nobody")).stderr).toContain('no member "nobody"');

    const removed = await etcd(one, "member", "remove", "m4");
    expect(removed.stdout).toMatch(new RegExp(`^Member +${id} removed from cluster +[0-9a-f]+\n$`));
    expect(Object.values(await memberNames(one)).sort()).toEqual(["m1", "m2", "m3"]);
  });

  test("what would leave no quorum is refused, and nothing is changed", async () => {
    const { members: planned, initialCluster } = await planMembers(3);
    running = await startMembers(suite, directory, planned, initialCluster);
    const [one, two, three] = running as [EtcdServer, EtcdServer, EtcdServer];
    await three.stop("SIGKILL");

    const removal = await etcd(one, "member", "remove", "m2");
    expectShown("docs/back-up-and-restore-etcd.md", "kubemend etcd member remove", removal.stderr);
    expect([removal.code, removal.stderr]).toEqual([1, expect.stringContaining("1 of 2 voters answer and 2 have to")]);
    const addition = await etcd(one, "member", "add", "m4", "--peer-urls=http://127.0.0.1:1", "--voter");
    expect([addition.code, addition.stderr]).toEqual([
      1,
      expect.stringContaining("with one more voter, 3 have to answer, and 2 do"),
    ]);
    const defrag = await etcd(one, "defrag");
    expect([defrag.code, defrag.stderr]).toEqual([1, expect.stringContaining("2 of 3 voters answer")]);
    expect(await members(one)).toHaveLength(3);

    const lost = await etcd(one, "member", "remove", "m3");
    expect(lost.code).toBe(0);
    await two.stop("SIGKILL");
    const none = await etcd(one, "member", "remove", "m2");
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("1 of 2 voters answer, and 2 have to")]);
    expect(none.stderr).toContain("hint: bring members back, or start over from their data: kubemend etcd salvage");
  });

  test("a change is seen by a member that is behind the one that makes it", async () => {
    const { members: planned } = await planMembers(4);
    const proxies = await Promise.all(planned.slice(0, 3).map(({ ports }) => startSlowProxy(ports[1], 150)));
    try {
      const peers = proxies.map(({ port }) => `http://127.0.0.1:${port}`);
      const cluster = peers.map((peer, i) => `m${i + 1}=${peer}`).join(",");
      for (const [i, { name, ports }] of planned.slice(0, 3).entries()) {
        const flags = ["--initial-cluster", cluster, "--initial-advertise-peer-urls", peers[i]!];
        const dataDir = join(directory, name);
        running.push(await startEtcd({ suite, dataDir, name, ports, flags }, false));
      }
      for (const server of running) await ready(server);
      // The first one of the list makes the change, and the last one is asked.
      const ids = (await members(running[0]!)).map(({ id, name }) => ({ id, at: Number(name.slice(1)) - 1 }));
      ids.sort((a, b) => (BigInt(`0x${a.id}`) < BigInt(`0x${b.id}`) ? -1 : 1));
      const [first, last] = [ids[0]!, running[ids[2]!.at]!];
      const moved = await etcd(last, "move-leader", first.id);
      expect([moved.code, moved.stderr]).toEqual([0, ""]);
      const added = await etcd(last, "member", "add", "m4", `--peer-urls=${planned[3]!.peer}`);
      expect([added.code, added.stderr]).toEqual([0, expect.stringContaining('next, for "m4"')]);
      const id = /^Member +([0-9a-f]+) added/.exec(added.stdout)?.[1] ?? "";
      const removed = await etcd(last, "member", "remove", id);
      expect([removed.code, removed.stderr]).toEqual([0, ""]);
      expect(await members(running[first.at]!)).toHaveLength(3);
    } finally {
      await Promise.all(running.splice(0).map((server) => server.stop("SIGKILL")));
      await Promise.all(proxies.map((proxy) => proxy.close()));
    }
  });

  test("the last member stays; compact, defrag and alarms do what they say", async () => {
    const options = {
      suite,
      dataDir: join(directory, "data"),
      flags: ["--quota-backend-bytes", String(4 * 1024 * 1024)],
    };
    const server = await startEtcd(options);
    running = [server];
    expect((await etcd(server, "member", "remove", "default")).stderr).toContain("is the last voting member");

    const value = "x".repeat(500_000);
    for (let i = 0; i < 20; i++) {
      const put = await server.etcdctl("put", "key", `${i}${value.slice(0, 90_000)}`).catch((error: Error) => error);
      if (put instanceof Error) break;
    }
    for (let i = 0; i < 60; i++) {
      if ((await server.etcdctl("put", "key", `${i}${value.slice(0, 90_000)}`).catch(() => "full")) === "full") break;
    }
    const alarms = await etcd(server, "alarm", "list");
    expect(alarms.stderr).toBe("");
    expect(alarms.stdout).toMatch(/^memberID:\d+ alarm:NOSPACE \n$/);
    expect(alarms.stdout).toBe(`${(await server.etcdctl("alarm", "list")).trimEnd()} \n`);
    const early = await etcd(server, "alarm", "disarm", "--quota-backend-bytes", String(4 * 1024 * 1024));
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining("still fills its quota")]);

    const { revision } = (
      JSON.parse(await server.etcdctl("endpoint", "status", "-w", "json")) as [
        { Status: { header: { revision: number } } },
      ]
    )[0].Status.header;
    const future = await etcd(server, "compact", String(revision + 1));
    expect(future.stderr).toContain(`the newest revision is ${revision}`);
    expect((await etcd(server, "compact", String(revision), "--physical")).stdout).toBe(
      `compacted revision ${revision}\n`,
    );
    const defrag = await etcd(server, "defrag", "--cluster", "-o", "json");
    const { members: done } = JSON.parse(defrag.stdout) as { members: { before: number; after: number }[] };
    expect(done[0]!.after).toBeLessThan(done[0]!.before);
    expect((await etcd(server, "alarm", "disarm")).stdout).toMatch(/^memberID:\d+ alarm:NOSPACE \n$/);
    expect((await etcd(server, "alarm", "list")).stdout).toBe("");
    await server.etcdctl("put", "key", "again");

    const peers = `${server.peer},http://127.0.0.2:2380`;
    const updated = await etcd(server, "member", "update", "default", `--peer-urls=${peers}`);
    expect([updated.code, updated.stdout]).toEqual([
      0,
      expect.stringMatching(/^Member +[0-9a-f]+ updated in cluster /),
    ]);
    expect((await server.etcdctl("member", "list")).replaceAll(" ", "")).toContain(peers);
  });

  test("the manifest of a new member is made from that of one that runs", async () => {
    const { members: planned, initialCluster } = await planMembers(1);
    running = await startMembers(suite, directory, planned, initialCluster);
    const manifest = join(directory, "etcd.yaml");
    writeFileSync(manifest, MANIFEST);
    const [one] = running as [EtcdServer];
    const added = await etcd(one, "member", "add", "cp2", "--peer-urls=https://10.0.0.2:2380", "--manifest", manifest);
    expect(added.code).toBe(0);
    expectShown("docs/back-up-and-restore-etcd.md", "kubemend etcd member add", added.stderr);
    const pod = parse(added.stdout) as { metadata: unknown; spec: { containers: { command: string[] }[] } };
    expect(pod.spec.containers[0]!.command).toEqual([
      "etcd",
      "--advertise-client-urls=https://10.0.0.2:2379",
      "--initial-advertise-peer-urls=https://10.0.0.2:2380",
      expect.stringMatching(
        /^--initial-cluster=(cp2=https:\/\/10.0.0.2:2380,m1=http[^,]+|m1=http[^,]+,cp2=https:\/\/10.0.0.2:2380)$/,
      ),
      "--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.2:2379",
      "--name=cp2",
      "--cert-file=/etc/kubernetes/pki/etcd/server.crt",
      "--initial-cluster-state=existing",
    ]);
    expect(pod.metadata).toMatchObject({
      annotations: { "kubeadm.kubernetes.io/etcd.advertise-client-urls": "https://10.0.0.2:2379" },
    });
    const wrong = await etcd(
      one,
      "member",
      "add",
      "cp3",
      "--peer-urls=https://10.0.0.3:2380",
      "--manifest",
      join(directory, "none"),
    );
    expect(wrong.code).toBe(1);
    expect(await members(one)).toHaveLength(2);
  });

  // After the tests above, of what they have done.
  test("each change is in the audit log", () => {
    const changes = ["member add", "member update", "member promote", "member remove", "move-leader"];
    for (const name of [...changes, "compact", "defrag", "alarm disarm"])
      expectAudited(
        `etcd ${name}`,
        audited.filter(({ command }) => command === `etcd ${name}`),
      );
  });
});

/** Until it answers as a learner does. */
async function refusesReads({ endpoint }: EtcdServer): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    const read = { method: "POST", body: JSON.stringify({ key: "YQ==" }), signal: AbortSignal.timeout(2000) };
    const said = await fetch(`${endpoint}/v3/kv/range`, read).then(
      (answer) => answer.text(),
      () => "",
    );
    if (said.includes("not supported for learner")) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${endpoint} does not answer as a learner`);
}

/** The learner connects first, which takes a moment. */
async function promote(server: EtcdServer, id: string) {
  for (let attempt = 0; ; attempt++) {
    const outcome = await etcd(server, "member", "promote", id, "--wait", "20s");
    if (outcome.code === 0 || attempt === 40) return outcome;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

const MANIFEST = `apiVersion: v1
kind: Pod
metadata:
  name: etcd
  namespace: kube-system
  labels: {component: etcd, tier: control-plane}
  annotations:
    kubeadm.kubernetes.io/etcd.advertise-client-urls: https://10.0.0.1:2379
spec:
  hostNetwork: true
  containers:
  - name: etcd
    image: registry.k8s.io/etcd:3.5.16-0
    command:
    - etcd
    - --advertise-client-urls=https://10.0.0.1:2379
    - --initial-advertise-peer-urls=https://10.0.0.1:2380
    - --initial-cluster=cp1=https://10.0.0.1:2380
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379
    - --name=cp1
    - --cert-file=/etc/kubernetes/pki/etcd/server.crt
`;
