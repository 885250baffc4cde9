/**
 * The commands whose target another run may write again afterwards, in two containers at once: what is there in the end
 * is of one of them, and whoever was in the way was named. `KUBEMEND_RACES=100` runs as many of each.
 */
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { RECORD_NAME } from "../src/nodes/clean-record.ts";
import { readUndoFile } from "../src/operations/objects/undo-log.ts";
import { Authority } from "../testbed/pki.ts";
import { CleanWorld } from "./clean-world.ts";
import { type Contained, canUnshare, type Ended, race, recordRaces } from "./containers.ts";
import { type EtcdServer, startEtcd } from "./etcd-server.ts";
import { writeNode } from "./kubeadm-nodes.ts";
import { kubemend } from "./kubemend.ts";
import { clusterEntries, madeSnapshot } from "./made-snapshot.ts";
import { findProgram } from "./programs.ts";
import { startRestorable } from "./restorable-cluster.ts";

const RACES = Number(process.env.KUBEMEND_RACES || 1);
const TIME = 60_000 + RACES * 20_000;
const NAMED = /is being written by (?:process \d+ on "node-[12]" \(kubemend [a-z -]+\)|another run)/;

let directory: string;
let disk: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "writers-"));
  disk = join(directory, "disk");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function races(each: (place: string) => Promise<void>): Promise<void> {
  for (let i = 0; i < RACES; i++) {
    rmSync(disk, { recursive: true, force: true });
    mkdirSync(disk);
    await each(disk);
  }
  recordRaces(
    expect
      .getState()
      .currentTestName?.replace(/^.* > /, "")
      .replace(/:.*$/, "") ?? "",
    RACES,
  );
}

const both = (contained: Contained): Promise<readonly Ended[]> => race(directory, [contained, contained]);

/** One has done it. The other has done it afterwards, or was refused with who is at it. */
function expectOrderly(ended: readonly Ended[], refused: RegExp = NAMED): readonly Ended[] {
  const all = JSON.stringify(ended);
  const done = ended.filter(({ code }) => code === 0);
  expect(done.length, all).toBeGreaterThan(0);
  for (const { code, stderr } of ended) {
    if (code === 0) continue;
    expect(code, all).toBe(1);
    expect(stderr.replaceAll('\\"', '"')).toMatch(refused);
  }
  return done;
}

const noStaged = (path: string): void => {
  const names = readdirSync(path, { recursive: true, encoding: "utf8" });
  expect(names.filter((name) => /kubemend-(?:lock|[0-9a-f]{16})$|\.part|kubemend-staged/.test(name))).toEqual([]);
};

describe.runIf(canUnshare)("two containers at once", () => {
  test("certificate renew", { timeout: TIME }, () =>
    races(async (place) => {
      const ca = await Authority.create(join(place, "pki"), "kubernetes");
      const old = await ca.issue("apiserver", { commonName: "kube-apiserver", use: "server", names: ["10.0.0.1"] });
      const done = expectOrderly(
        await both({ args: ["certificate", "renew", old.certificatePath, "--days=400", "-o", "json"] }),
      );
      const now = new X509Certificate(readFileSync(old.certificatePath));
      expect(now.checkPrivateKey(createPrivateKey(old.key))).toBe(true);
      expect(now.validToDate.getTime()).toBeGreaterThan(Date.now() + 399 * 86_400_000);
      // What each of them has replaced is kept, and nothing else.
      const kept = done.map(({ stdout }) => JSON.parse(stdout).renewed[0].kept as string);
      expect(new Set(kept).size).toBe(kept.length);
      expect(kept.map((path) => readFileSync(path, "utf8"))).toContain(old.certificate);
      noStaged(place);
    }),
  );

  test("certificate issue", { timeout: TIME }, () =>
    races(async (place) => {
      const node = writeNode("m1", place);
      const at = (file: string): string => join(node.kubernetesDir, file);
      for (const file of ["pki/apiserver.crt", "pki/apiserver.key", "admin.conf"]) rmSync(at(file));
      const ended = await both({ args: ["certificate", "issue", ...node.flags] });
      expectOrderly(ended, new RegExp(`${NAMED.source}|exists already`));
      const certificate = new X509Certificate(readFileSync(at("pki/apiserver.crt")));
      expect(certificate.checkPrivateKey(createPrivateKey(readFileSync(at("pki/apiserver.key"))))).toBe(true);
      const config = readFileSync(at("admin.conf"), "utf8");
      const [inside, key] = ["client-certificate-data", "client-key-data"].map((name) =>
        Buffer.from(new RegExp(`${name}: (\\S+)`).exec(config)![1]!, "base64"),
      ) as [Buffer, Buffer];
      expect(new X509Certificate(inside).checkPrivateKey(createPrivateKey(key))).toBe(true);
      noStaged(place);
    }),
  );

  test("node clean", { timeout: TIME }, () =>
    races(async () => {
      using world = new CleanWorld();
      const words = ["--keep-in", world.keep, "--pod-manifest-path", world.path("manifests")];
      const places = ["--kubelet-dir", world.path("kubelet"), "--etcd-data-dir", world.path("etcd")];
      const args = [
        "node",
        "clean",
        "--yes",
        "--skip-containers",
        "--no-start-kubelet",
        "--log-dir",
        world.path("log"),
      ];
      expectOrderly(await both({ args: [...args, ...words, ...places] }));
      const [cleaned, ...more] = readdirSync(world.keep).filter((name) => name.startsWith("cleaned-"));
      expect(more).toEqual([]);
      expect(JSON.parse(readFileSync(join(world.keep, cleaned!, RECORD_NAME), "utf8"))).toMatchObject({
        state: "done",
      });
      expect(readdirSync(world.path("manifests"))).toEqual([]);
    }),
  );

  test("start", { timeout: TIME }, () =>
    races(async (place) => {
      const program = join(import.meta.dirname, "start-in-container.ts");
      const ended = await race(
        directory,
        [1, 2].map((i) => ({ program, args: [join(place, `own-${i}`), place], sharesNetwork: true })),
      );
      expectOrderly(ended);
      for (const i of [1, 2]) expect(readdirSync(join(place, `own-${i}/manifests`))).toEqual([]);
      expect(existsSync(join(place, "bootstrap-secrets"))).toBe(false);
    }),
  );

  test("the node agent: one works, the other waits for it", { timeout: TIME }, () =>
    races(async (place) => {
      const kubeconfig = join(place, "kubeconfig");
      const config = {
        clusters: [{ name: "c", cluster: { server: "http://127.0.0.1:1" } }],
        contexts: [{ name: "x", context: { cluster: "c" } }],
        "current-context": "x",
      };
      writeFileSync(kubeconfig, JSON.stringify(config));
      const args = ["checkpoint", "run", `--kubeconfig=${kubeconfig}`, `--lock-file=${place}/lock`];
      const places = [`--kubernetes-directory=${place}`, "--metrics-address=none"];
      // Each is ended by the shell that runs beside it, when one has said that it waits and the other that it works.
      const before = `(until [ -e ${directory}/end ]; do sleep 0.05; done; kill -TERM 1) & true`;
      const heard = ["", ""];
      const isWaiting = (text: string): boolean => /"msg":"another agent of this node/.test(text);
      const hear = (i: number) => (text: string) => {
        heard[i] = text;
        if (heard.some(isWaiting) && heard.every((each) => each !== "")) writeFileSync(join(directory, "end"), "");
      };
      const agent = { args: [...args, ...places, "--container-runtime-endpoint=unix:///nowhere"], before };
      const ended = await race(
        directory,
        [0, 1].map((i) => ({ ...agent, env: { NODE_NAME: "m1" }, heard: hear(i) })),
      );
      rmSync(join(directory, "end"), { force: true });
      expect(ended.filter(({ stderr }) => isWaiting(stderr)).length, JSON.stringify(ended)).toBe(1);
      noStaged(place);
    }),
  );

  test("backup init", { timeout: TIME }, () =>
    races(async (place) => {
      const keys = (i: number): string[] => ["--signing-key", join(place, `k${i}`), "--identity", join(place, `i${i}`)];
      const ended = await race(
        directory,
        [1, 2].map((i) => ({ args: ["backup", "init", join(place, "repository"), ...keys(i), "-o", "json"] })),
      );
      const [done] = expectOrderly(ended, /there is a backup repository at/);
      const { code, stdout } = await kubemend(directory, ["backup", "list", join(place, "repository"), "-o", "json"]);
      expect(code, stdout).toBe(0);
      expect(JSON.parse(stdout).id).toBe(JSON.parse(done!.stdout).id);
      // The other one leaves no keys that open nothing.
      expect(readdirSync(place).length, readdirSync(place).join()).toBe(3);
    }),
  );

  test("backup import: both add theirs to one chain", { timeout: TIME }, () =>
    races(async (place) => {
      const repository = join(place, "repository");
      const keys = ["--signing-key", join(place, "signing"), "--identity", join(place, "identity")];
      expect((await kubemend(directory, ["backup", "init", repository, ...keys])).code).toBe(0);
      const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "default", name: "map" } };
      for (const i of [1, 2]) {
        const path = join(place, `snapshot_2026-11-2${i}_104217.db`);
        writeFileSync(path, madeSnapshot(clusterEntries(Array.from({ length: i }, (_, n) => ({ ...map, n })))));
      }
      const ended = await race(
        directory,
        [1, 2].map((i) => ({
          args: ["backup", "import", repository, join(place, `snapshot_2026-11-2${i}_104217.db`), ...keys.slice(0, 2)],
        })),
      );
      expect(
        ended.map(({ code }) => code),
        JSON.stringify(ended),
      ).toEqual([0, 0]);
      const verified = await kubemend(directory, ["backup", "verify", repository, ...keys.slice(2)]);
      expect(verified.code, verified.stdout).toBe(0);
      expect(verified.stdout).toMatch(/^2 links/m);
    }),
  );

  test("backup prune: the chain stays whole", { timeout: TIME }, () =>
    races(async (place) => {
      const { repository, signing, identity } = await filledRepository(place, 3);
      const args = ["backup", "prune", repository, "--keep-last=1", ...signing, "-o", "json"];
      expectOrderly(await both({ args }), /changed|is gone|not there/);
      const verified = await kubemend(directory, ["backup", "verify", repository, ...identity]);
      expect(verified.code, verified.stdout + verified.stderr).toBe(0);
      expect(verified.stdout).toMatch(/^1 links?/m);
    }),
  );

  test("backup rotate: one key follows, and who has lost holds none that opens anything", { timeout: TIME }, () =>
    races(async (place) => {
      const { repository, signing, identity } = await filledRepository(place, 1);
      const fresh = (i: number) => [`--new-signing-key=${place}/key-${i}`, `--new-identity=${place}/identity-${i}`];
      const ended = await race(
        directory,
        [1, 2].map((i) => ({ args: ["backup", "rotate", repository, ...signing, ...identity, ...fresh(i)] })),
      );
      expect(ended.map(({ code }) => code).sort(), JSON.stringify(ended)).toEqual([0, 1]);
      const winner = ended.findIndex(({ code }) => code === 0) + 1;
      const verified = await kubemend(directory, [
        ...["backup", "verify", repository, "--identity", join(place, `identity-${winner}`)],
      ]);
      expect(verified.code, verified.stdout + verified.stderr).toBe(0);
      const more = ["backup", "import", repository, join(place, "snapshot_2026-11-21_104217.db")];
      const added = await kubemend(directory, [...more, "--signing-key", join(place, `key-${winner}`)]);
      expect(added.code, added.stderr).toBe(0);
    }),
  );

  test(
    "backup init with the same key files: one makes them, and the repository opens with them",
    { timeout: TIME },
    () =>
      races(async (place) => {
        const repository = join(place, "repository");
        const keys = ["--signing-key", join(place, "signing"), "--identity", join(place, "identity")];
        expectOrderly(
          await both({ args: ["backup", "init", repository, ...keys] }),
          /being written by|exists? already|there is a backup/,
        );
        writeFileSync(join(place, "snapshot_2026-11-21_104217.db"), madeSnapshot(clusterEntries([])));
        const words = [
          "backup",
          "import",
          repository,
          join(place, "snapshot_2026-11-21_104217.db"),
          ...keys.slice(0, 2),
        ];
        const added = await kubemend(directory, words);
        expect(added.code, added.stderr).toBe(0);
        const verified = await kubemend(directory, ["backup", "verify", repository, ...keys.slice(2)]);
        expect(verified.code, verified.stdout).toBe(0);
      }),
  );

  test("objects restore with one undo file, and what takes it back", { timeout: TIME }, () =>
    races(async (place) => {
      const { server, env, words } = await clusterToRestore(place);
      try {
        const undo = join(place, "undo");
        const restored = await both({ args: [...words, "--undo-file", undo], sharesNetwork: true, env });
        const done = expectOrderly(restored, /exists already|another run is writing/);
        // Whoever comes when the first one has ended finds everything there.
        const made = done.filter(({ stdout }) => stdout.includes("3 created"));
        expect(made.length, JSON.stringify(restored)).toBe(1);
        for (const { stdout, stderr } of done)
          if (!stdout.includes("3 created")) expect(stderr).toContain("nothing was changed");
        expect(readUndoFile(undo).entries.map(({ outcome }) => outcome?.uid)).toEqual(["uid-a", "uid-b", "uid-c"]);
        const back = { args: ["objects", "undo", undo, "--yes"], sharesNetwork: true, env };
        expectOrderly(await both(back), /another run is writing/);
        for (const name of ["a", "b", "c"]) expect(server.get("ConfigMap", `default/${name}`), name).toBeUndefined();
      } finally {
        server.close();
      }
    }),
  );

  test("a step of a cluster's operation on one node: the second one waits, and finds it done", { timeout: TIME }, () =>
    races(async (place) => {
      for (const name of ["etc/kubernetes/manifests", "var/lib", "var/log"])
        mkdirSync(join(place, name), { recursive: true });
      const snapshot = madeSnapshot(clusterEntries([]));
      const sha256 = createHash("sha256").update(snapshot).digest("hex");
      const plan = { id: STEP_ID, digest: "d", size: snapshot.length };
      const request = { step: "receive", plan, size: snapshot.length, sha256 };
      const before = ["etc", "var/lib", "var/log"]
        .map((name) => `mount --bind '${place}/${name}' '/${name}'`)
        .join("; ");
      const stdin = Buffer.concat([Buffer.from(`${JSON.stringify(request)}\n`), snapshot]);
      const ended = await both({ args: ["cluster", "node"], before, stdin });
      expect(
        ended.map(({ code }) => code),
        JSON.stringify(ended),
      ).toEqual([0, 0]);
      const kept = join(place, "var/lib/kubemend/cluster", STEP_ID);
      expect(readFileSync(join(kept, "snapshot.db")).equals(snapshot)).toBe(true);
      expect(JSON.parse(readFileSync(join(kept, "journal.json"), "utf8"))).toMatchObject({ state: "received" });
      expect(readdirSync(kept).sort()).toEqual(["journal.json", "snapshot.db"]);
    }),
  );
});

const STEP_ID = "restore-20261129-104217-3f9c2a";

/** A repository beside its keys, with so many links. */
async function filledRepository(place: string, links: number) {
  const repository = join(place, "repository");
  const signing = ["--signing-key", join(place, "signing")];
  const identity = ["--identity", join(place, "identity")];
  expect((await kubemend(directory, ["backup", "init", repository, ...signing, ...identity])).code).toBe(0);
  for (let i = 1; i <= links; i++) {
    const path = join(place, `snapshot_2026-11-2${i}_104217.db`);
    const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "default", name: `map-${i}` } };
    writeFileSync(path, madeSnapshot(clusterEntries([map])));
    expect((await kubemend(directory, ["backup", "import", repository, path, ...signing])).code).toBe(0);
  }
  return { repository, signing, identity };
}

/** A cluster without the three objects of a backup. */
async function clusterToRestore(place: string) {
  const map = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "default", name } });
  const backup = join(place, "backup.db");
  writeFileSync(backup, madeSnapshot(clusterEntries(["a", "b", "c"].map(map))));
  const server = await startRestorable(place, ["kube-system", "default"]);
  const words = ["objects", "restore", backup, "configmaps", "-n", "default", "--yes"];
  return { server, env: { KUBECONFIG: server.kubeconfig }, words };
}

describe.runIf(canUnshare && findProgram("bookworm", "etcd") !== undefined)("two containers and an etcd", () => {
  let etcd: EtcdServer;
  let home: string;
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), "writers-etcd-"));
    etcd = await startEtcd({ suite: "bookworm", dataDir: join(home, "etcd") });
    for (let i = 0; i < 20; i++) await etcd.etcdctl("put", `key-${i}`, "x".repeat(1000));
  }, 60_000);
  afterAll(async () => {
    await etcd.stop("SIGKILL");
    rmSync(home, { recursive: true, force: true });
  });

  test("snapshot save", { timeout: TIME }, () =>
    races(async (place) => {
      const file = join(place, "saved.db");
      const args = ["snapshot", "save", file, "--endpoints", etcd.endpoint, "-o", "json"];
      const done = expectOrderly(await both({ args, sharesNetwork: true }));
      const { code, stdout } = await kubemend(directory, ["snapshot", "status", file, "-o", "json"]);
      expect(code, stdout).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ sha256: "verified" });
      for (const each of done) expect(JSON.parse(each.stdout)).toMatchObject({ file });
      expect(readdirSync(place)).toEqual(["saved.db"]);
    }),
  );

  test("backup now: both add theirs to one chain", { timeout: TIME }, () =>
    races(async (place) => {
      const repository = join(place, "repository");
      const keys = ["--signing-key", join(place, "signing"), "--identity", join(place, "identity")];
      expect((await kubemend(directory, ["backup", "init", repository, ...keys])).code).toBe(0);
      const args = ["backup", "now", repository, ...keys.slice(0, 2), "--endpoints", etcd.endpoint];
      const ended = await both({ args, sharesNetwork: true });
      expect(
        ended.map(({ code }) => code),
        JSON.stringify(ended),
      ).toEqual([0, 0]);
      const verified = await kubemend(directory, ["backup", "verify", repository, ...keys.slice(2)]);
      expect(verified.code, verified.stdout).toBe(0);
      expect(verified.stdout).toMatch(/^2 links/m);
    }),
  );
});
