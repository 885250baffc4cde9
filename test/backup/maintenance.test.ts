/** What is done with a repository besides adding to it: prune, import, drill, status, the files of a node. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type EtcdServer, program, startEtcd } from "../etcd-server.ts";
import { kubemend, type Outcome } from "../kubemend.ts";
import { findProgram, PROGRAMS_MISSING } from "../programs.ts";
import { type BackupPlace, listed, makeRepository, startAgent, storedTo } from "./agent.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-backup-maintenance-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.skipIf(findProgram("trixie", "etcd") === undefined)(`a repository (${PROGRAMS_MISSING})`, () => {
  let server: EtcdServer;
  let place: BackupPlace;
  const revisions: number[] = [];
  const run = (...argv: string[]): Promise<Outcome> => kubemend(directory, argv);
  const now = (): Promise<Outcome> =>
    run("backup", "now", place.repository, "--signing-key", place.signingKey, "--endpoints", server.endpoint);
  const put = async (key: string, value: string): Promise<number> =>
    JSON.parse(await server.etcdctl("put", key, value, "-w", "json")).header.revision;

  beforeAll(async () => {
    server = await startEtcd({ suite: "trixie", dataDir: join(directory, "etcd") });
    place = await makeRepository(join(directory, "place"));
    mkdirSync(join(directory, "node/pki"), { recursive: true });
    writeFileSync(join(directory, "node/pki/ca.key"), "a secret", { mode: 0o600 });
    const manifest = `spec: {containers: [{command: [kube-apiserver, "--encryption-provider-config=${directory}/enc.yaml"]}]}`;
    writeFileSync(join(directory, "node/kube-apiserver.yaml"), manifest, { mode: 0o644 });
    writeFileSync(join(directory, "enc.yaml"), "kind: EncryptionConfiguration", { mode: 0o600 });
    symlinkSync("pki/ca.key", join(directory, "node/link"));
    const agent = startAgent(place, { endpoints: [server.endpoint], nodeFiles: [join(directory, "node")] });
    await agent.logged("full stored");
    for (let i = 0; i < 6; i++) {
      revisions.push(await put("/registry/things/a", `${i}`));
      await storedTo(place, revisions.at(-1)!);
      if (i === 2 || i === 4) expect((await now()).code).toBe(0);
    }
    expect(await agent.stop()).toBe(0);
  });
  afterAll(() => server.stop("SIGKILL"));

  test("drill restores, proves, starts a stock etcd, and leaves a note for list and status", async () => {
    const outcome = await run(
      "backup",
      "drill",
      place.repository,
      "--identity",
      place.identity,
      "--etcd",
      program("trixie", "etcd"),
      "-o",
      "json",
    );
    expect(outcome.code, outcome.stderr).toBe(0);
    const result = JSON.parse(outcome.stdout);
    expect(result).toMatchObject({ ok: true, hashKv: "equal", controlPlane: null });
    expect(result.etcd).toMatchObject({ revision: revisions.at(-1), hashKv: "equal" });
    const status = await run("backup", "status", place.directory, "-o", "json");
    expect(status.code, status.stdout).toBe(0);
    expect(JSON.parse(status.stdout)).toMatchObject([
      { state: "good", repository: place.repository, newestRevision: revisions.at(-1), gaps: 0 },
    ]);
    expect(JSON.parse(status.stdout)[0].lastDrill).not.toBeNull();
    expect((await run("backup", "status", place.directory, "--max-lag", "1ms")).code).toBe(1);
    expect((await run("backup", "status", join(directory, "etcd"))).stderr).toContain(
      "there is no backup repository at",
    );
  });

  test("drill renders the control plane that the backup holds", async () => {
    const other = await makeRepository(join(directory, "kubernetes"));
    const snapshot = join(directory, "kubeadm.db");
    writeFileSync(
      snapshot,
      gunzipSync(readFileSync(join(import.meta.dirname, "../fixtures/kubeadm-k120/snapshot.db.gz"))),
    );
    const keys = ["--signing-key", other.signingKey, "--file-time"];
    expect((await run("backup", "import", other.repository, snapshot, ...keys)).code).toBe(0);
    const drill = ["backup", "drill", other.repository, "--identity", other.identity, "-o", "json"];
    const outcome = await run(...drill, "--etcd", program("trixie", "etcd"));
    const result = JSON.parse(outcome.stdout);
    expect([outcome.code, result.controlPlane?.flavour, result.controlPlane?.missing]).toEqual([0, "static-pods", []]);
    expect(result.controlPlane.files).toBeGreaterThan(3);
    expect(result.etcd.hashKv).toBe("absent");
  });

  test("drill with the wrong etcd program, or a damaged backup, fails", async () => {
    const outcome = await run(
      "backup",
      "drill",
      place.repository,
      "--identity",
      place.identity,
      "--etcd",
      "/bin/false",
    );
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain("etcd does not start on what was restored");
    // One that failed does not count as the last drill.
    const notes = readdirSync(join(place.repository, "reports")).filter((name) => name.startsWith("drill"));
    expect(notes.map((name) => name.replace(/-\d.*/, "")).sort()).toEqual(["drill", "drill-failed"]);
    const { lastDrill } = JSON.parse((await run("backup", "list", place.repository, "-o", "json")).stdout);
    expect(notes.find((name) => !name.startsWith("drill-f"))).toContain(lastDrill.slice(0, 10));
  });

  test("the files of a node come back with modes, links, and the encryption configuration that a manifest names", async () => {
    const target = join(directory, "node-back");
    const outcome = await run(
      "backup",
      "restore",
      place.repository,
      "--identity",
      place.identity,
      "--node",
      "node-1",
      "--files-dir",
      target,
      "-o",
      "json",
    );
    expect(outcome.code, outcome.stderr).toBe(0);
    expect(JSON.parse(outcome.stdout)).toMatchObject({ files: 4, node: "node-1" });
    const at = (path: string): string => join(target, directory, path);
    expect(readFileSync(at("node/pki/ca.key"), "utf8")).toBe("a secret");
    expect(statSync(at("node/pki/ca.key")).mode & 0o777).toBe(0o600);
    expect(statSync(at("node/kube-apiserver.yaml")).mode & 0o777).toBe(0o644);
    expect(readFileSync(at("node/link"), "utf8")).toBe("a secret");
    expect(readFileSync(at("enc.yaml"), "utf8")).toContain("EncryptionConfiguration");
    const again = await run(
      "backup",
      "restore",
      place.repository,
      "--identity",
      place.identity,
      "--node",
      "node-1",
      "--files-dir",
      target,
    );
    expect(again.stderr).toContain("is not empty");
    const other = await run(
      "backup",
      "restore",
      place.repository,
      "--identity",
      place.identity,
      "--node",
      "node-9",
      "--files-dir",
      `${target}2`,
    );
    expect(other.stderr).toContain("it has those of node-1");
  });

  test("prune shows what it would do, does it, and verify knows it from damage; every kept moment comes back", async () => {
    const dry = await run(
      "backup",
      "prune",
      place.repository,
      "--signing-key",
      place.signingKey,
      "--keep-last",
      "1",
      "--dry-run",
      "-o",
      "json",
    );
    expect(dry.code, dry.stderr).toBe(0);
    const plan = JSON.parse(dry.stdout);
    expect(plan.removedLinks).toBeGreaterThan(2);
    expect((await listed(place)).spans[0]!.fulls).toHaveLength(3);

    const done = await run(
      "backup",
      "prune",
      place.repository,
      "--signing-key",
      place.signingKey,
      "--keep-last",
      "1",
      "-o",
      "json",
    );
    expect(JSON.parse(done.stdout)).toMatchObject({
      removedLinks: plan.removedLinks,
      removedObjects: plan.removedObjects,
    });
    const verdict = await run("backup", "verify", place.repository, "--identity", place.identity);
    expect(verdict.stdout).toContain("no findings");
    const latest = await run(
      "backup",
      "restore",
      place.repository,
      "--identity",
      place.identity,
      "--output-file",
      join(directory, "latest.db"),
    );
    expect(latest.code, latest.stderr).toBe(0);
    expect((await listed(place)).nodes).toHaveLength(1);
    const gone = await run(
      "backup",
      "restore",
      place.repository,
      String(revisions[0]),
      "--identity",
      place.identity,
      "--output-file",
      join(directory, "x.db"),
    );
    // An old revision is still within what the kept full shows: etcd has compacted nothing.
    expect(gone.code).toBe(0);
    const again = await run(
      "backup",
      "prune",
      place.repository,
      "--signing-key",
      place.signingKey,
      "--keep-last",
      "1",
      "-o",
      "json",
    );
    expect(JSON.parse(again.stdout)).toMatchObject({ removedObjects: 0 });
  });

  test("prune refuses a repository that is damaged", async () => {
    const chain = join(place.repository, "chain");
    const path = join(chain, readdirSync(chain).sort().at(-2)!);
    const bytes = readFileSync(path);
    rmSync(path);
    const outcome = await run(
      "backup",
      "prune",
      place.repository,
      "--signing-key",
      place.signingKey,
      "--keep-last",
      "1",
    );
    writeFileSync(path, bytes);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain("the chain is not whole, so nothing is removed");
  });

  test("import takes snapshots of other tools, with the times that their names tell, and refuses damaged ones", async () => {
    const other = await makeRepository(join(directory, "imported"));
    const snapshot = join(directory, "latest.db");
    const k3s = join(directory, "etcd-snapshot-node-1-1764412937");
    const openshift = join(directory, "snapshot_2026-11-28_104217.db");
    const plain = join(directory, "plain.db");
    for (const path of [k3s, openshift, plain]) copyFileSync(snapshot, path);
    utimesSync(plain, 1_700_000_000, 1_700_000_000);
    const outcome = await run(
      "backup",
      "import",
      other.repository,
      k3s,
      openshift,
      plain,
      "--signing-key",
      other.signingKey,
    );
    expect(outcome.code, outcome.stderr).toBe(0);
    expect(outcome.stdout).toMatch(/plain\.db" as full 1: revision \d+, time unknown/);
    expect(outcome.stdout).toMatch(/1764412937" as full 2: revision \d+, 2025-11-29T10:42:17.000Z by its name/);
    const back = await run(
      "snapshot",
      "status",
      `${other.repository}@2026-11-28T10:42:17Z`,
      "--identity",
      other.identity,
      "-o",
      "json",
    );
    expect(JSON.parse(back.stdout).revision).toBe(revisions.at(-1));
    const bytes = readFileSync(snapshot);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(plain, bytes);
    const refused = await run("backup", "import", other.repository, plain, "--signing-key", other.signingKey);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("is damaged");
  });
});
