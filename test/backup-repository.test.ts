/** A backup repository in a directory, from a real etcd and back into one. */
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type EtcdServer, startEtcd } from "./etcd-server.ts";
import { kubemend, type Outcome } from "./kubemend.ts";
import { findProgram, PROGRAMS_MISSING, type Suite } from "./programs.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-backup-"));
const repository = join(directory, "repository");
const identity = join(directory, "identity");
const signing = join(directory, "signing.pem");
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const run = (...argv: string[]): Promise<Outcome> => kubemend(directory, argv);
async function json<T>(...argv: string[]): Promise<T> {
  const outcome = await run(...argv, "-o", "json");
  expect(outcome.stderr).toBe("");
  return JSON.parse(outcome.stdout) as T;
}

/** What a restored member answers for all keys. */
async function content(suite: Suite, dataDir: string): Promise<string> {
  const server = await startEtcd({ suite, dataDir });
  try {
    return await server.etcdctl("get", "", "--from-key", "-w", "fields");
  } finally {
    await server.stop();
  }
}

const withoutHeader = (fields: string): string =>
  fields
    .split("\n")
    .filter((line) => !/^"(ClusterID|MemberID|RaftTerm)"/.test(line))
    .join("\n");

describe.skipIf(findProgram("trixie", "etcd") === undefined)(`in a directory (${PROGRAMS_MISSING})`, () => {
  let server: EtcdServer;
  const answers: { revision: number; fields: string }[] = [];

  beforeAll(async () => {
    server = await startEtcd({ suite: "trixie", dataDir: join(directory, "live") });
    const made = await run("backup", "init", repository, "--signing-key", signing, "--identity", identity);
    expect(made).toMatchObject({ code: 0, stderr: "" });
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 20; i++) await server.etcdctl("put", `/registry/things/${i % 7}`, `${round}-${i}`);
      await server.etcdctl("del", `/registry/things/${round}`);
      const full = await json<{ revisions: { to: number } }>(
        ...["backup", "now", repository, "--signing-key", signing, "--endpoints", server.endpoint],
      );
      answers.push({
        revision: full.revisions.to,
        fields: await server.etcdctl("get", "", "--from-key", "-w", "fields"),
      });
    }
  }, 60_000);
  afterAll(() => server.stop());

  test("list shows each full, and that only their moments can be restored by time", async () => {
    const list = await json<{ spans: { fulls: object[]; continuous: boolean; toRevision: number }[]; gaps: object[] }>(
      "backup",
      "list",
      repository,
    );
    expect(list.spans).toHaveLength(1);
    expect(list.spans[0]).toMatchObject({ continuous: false, fromRevision: 1, toRevision: answers[2]!.revision });
    expect(list.spans[0]!.fulls).toHaveLength(3);
    expect(list.gaps).toEqual([]);
  });

  test("verify reads everything with the identity, and the stored bytes without it", async () => {
    expect(await json("backup", "verify", repository, "--identity", identity)).toMatchObject({
      depth: "content",
      findings: [],
      links: 3,
    });
    expect(await json("backup", "verify", repository)).toMatchObject({ depth: "stored", findings: [] });
    expect(await json("backup", "verify", repository, "--heads-only")).toMatchObject({
      depth: "heads",
      findings: [],
      bytesRead: 0,
    });
  });

  test.each([0, 1, 2])("restores full %i as etcd had it, proved by its HashKV", async (i) => {
    const { revision, fields } = answers[i]!;
    const dataDir = join(directory, `restored-${i}`);
    const result = await json<{ moment: { proof: object } }>(
      ...[
        "backup",
        "restore",
        repository,
        "--identity",
        identity,
        "--to-revision",
        String(revision),
        "--data-dir",
        dataDir,
      ],
    );
    expect(result).toMatchObject({ revision, moment: { proof: { verdict: "equal", revision } } });
    expect(withoutHeader(await content("trixie", dataDir))).toBe(withoutHeader(fields));
  });

  test("restores a revision between two fulls from what the next one still shows", async () => {
    const revision = answers[1]!.revision - 5;
    const dataDir = join(directory, "between");
    await json("backup", "restore", `${repository}@${revision}`, "--identity", identity, "--data-dir", dataDir);
    const expected = await server.etcdctl("get", "", "--from-key", "-w", "fields", `--rev=${revision}`);
    const found = await content("trixie", dataDir);
    const plain = (text: string): string => withoutHeader(text).replace(/^"Revision" : .*$/m, "");
    expect(plain(found)).toBe(plain(expected));
  });

  test("a snapshot file of a moment is one that etcdutl accepts", async () => {
    const file = join(directory, "moment.db");
    await json("backup", "restore", repository, "latest", "--identity", identity, "--output-file", file);
    const status = await json<{ revision: number; sha256: string }>("snapshot", "status", file);
    expect(status).toMatchObject({ revision: answers[2]!.revision, sha256: "verified" });
  });

  test("every command that takes a snapshot takes a moment", async () => {
    const moment = `${repository}@${answers[0]!.revision}`;
    const keys = await run("snapshot", "keys", moment, "--identity", identity);
    expect(keys.stdout).toContain("/registry/things/3\n");
    expect(keys.stdout).not.toContain("/registry/things/0\n");
    const status = await json<{ revision: number }>(
      "snapshot",
      "status",
      `${repository}@latest`,
      "--identity",
      identity,
    );
    expect(status.revision).toBe(answers[2]!.revision);
    const file = await run("snapshot", "keys", `${join(directory, "moment.db")}@${answers[0]!.revision}`);
    expect(file.stdout).toBe(keys.stdout);
  });

  test("without the identity nothing is shown but what the heads say", async () => {
    const refused = await run("backup", "restore", repository, "--data-dir", join(directory, "none"));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("no identity that was given opens it");
    const all = readdirSync(join(repository, "data")).map((name) =>
      readFileSync(join(repository, "data", name), "latin1"),
    );
    expect(all.join("").includes("/registry/things")).toBe(false);
  });

  test("a time between two fulls, before the first and after the last are refused, with what there is", async () => {
    const early = await run(
      "backup",
      "restore",
      repository,
      "--to-time",
      "2020-01-01T00:00:00Z",
      "--identity",
      identity,
      "--data-dir",
      "none",
    );
    expect(early.code).toBe(1);
    expect(early.stderr).toMatch(
      /cannot restore 2020-01-01T00:00:00.000Z by its time\nhint: it covers .*\(revision \d+\)/,
    );
    const late = await run(
      "backup",
      "restore",
      repository,
      "--to-time",
      "2100-01-01",
      "--identity",
      identity,
      "--data-dir",
      "none",
    );
    expect(late).toMatchObject({ code: 1 });
    const future = await run(
      "backup",
      "restore",
      repository,
      "--to-revision",
      "99999",
      "--identity",
      identity,
      "--data-dir",
      "none",
    );
    expect(future.stderr).toMatch(/cannot restore revision 99999\nhint: it covers revisions 1 to \d+/);
  });

  describe("damage", () => {
    const objects = (): string[] =>
      ["chain", "data"].flatMap((folder) => readdirSync(join(repository, folder)).map((name) => `${folder}/${name}`));
    async function verifyWith(
      change: (path: string, bytes: Buffer) => void,
      name: string,
    ): Promise<{ text: string; code: number }> {
      const path = join(repository, name);
      const bytes = readFileSync(path);
      try {
        change(path, bytes);
        const outcome = await run("backup", "verify", repository);
        return { text: outcome.stdout, code: outcome.code };
      } finally {
        writeFileSync(path, bytes);
      }
    }

    test("of every object: a byte, its end, or all of it gone, verify names it", async () => {
      expect(objects()).toHaveLength(6);
      for (const name of objects()) {
        for (const at of [0, 0.3, 0.6, 0.999]) {
          const changed = await verifyWith((path, bytes) => {
            const copy = Buffer.from(bytes);
            copy[Math.floor(copy.length * at)]! ^= 1;
            writeFileSync(path, copy);
          }, name);
          expect(changed, `${name} at ${at}`).toMatchObject({ code: 1 });
          expect(changed.text).toMatch(name.startsWith("data") ? name : new RegExp(`${name}|link \\d`));
        }
        const cut = await verifyWith((path, bytes) => writeFileSync(path, bytes.subarray(0, bytes.length - 1)), name);
        expect(cut.code).toBe(1);
        expect(cut.text).toContain(name);
      }
      for (const name of objects().filter((each) => !each.endsWith("0000000003"))) {
        const gone = await verifyWith((path) => rmSync(path), name);
        expect(gone.code, name).toBe(1);
        expect(gone.text).toContain(name);
      }
      expect((await run("backup", "verify", repository)).code).toBe(0);
    }, 60_000);

    test("two links that changed places, and one that another repository signed", async () => {
      const swapped = await verifyWith(
        (path) => copyFileSync(join(repository, "chain/0000000001"), path),
        "chain/0000000002",
      );
      expect(swapped.text).toContain("chain/0000000002: it is link 1: somebody copied it here [link-misplaced]");
      const other = join(directory, "other");
      await run("backup", "init", other, "--signing-key", join(directory, "other.pem"), "--unencrypted");
      await run("backup", "now", other, "--signing-key", join(directory, "other.pem"), "--endpoints", server.endpoint);
      const foreign = await verifyWith(
        (path) => copyFileSync(join(other, "chain/0000000001"), path),
        "chain/0000000002",
      );
      expect(foreign.text).toContain("[signature-invalid]");
    });

    test("links removed from the end are noticed by the tip that was known", async () => {
      const { tip } = await json<{ tip: { sequence: number; hash: string } }>("backup", "verify", repository);
      const path = join(repository, "chain/0000000003");
      const bytes = readFileSync(path);
      rmSync(path);
      const outcome = await run("backup", "verify", repository, "--known-tip", `${tip.sequence}:${tip.hash}`);
      writeFileSync(path, bytes);
      expect(outcome.code).toBe(1);
      expect(outcome.stdout).toContain("[chain-cut]");
    });

    test("of one full: a revision that an other one leads to is restored all the same, with a warning", async () => {
      const list = await json<{ spans: { fulls: { sequence: number }[] }[] }>("backup", "list", repository);
      const name = readFileSync(join(repository, "chain/0000000001"), "latin1").match(/data\/[0-9a-f-]+/)![0];
      const path = join(repository, name);
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.subarray(0, bytes.length >> 1));
      const outcome = await run(
        ...["backup", "restore", repository, "--to-revision", String(answers[0]!.revision)],
        ...["--identity", identity, "--output-file", join(directory, "other-way.db")],
      );
      writeFileSync(path, bytes);
      expect(list.spans[0]!.fulls).toHaveLength(3);
      expect(outcome).toMatchObject({ code: 0 });
      expect(outcome.stderr).toContain("another full is used [piece-damaged]");
    });
  });
});

test("recover, get and objects read a moment of a repository, and of a file's revision", async () => {
  const [place, key, file] = ["moments", "moments.pem", "moments.identity"].map((name) => join(directory, name));
  const snapshot = join(import.meta.dirname, "fixtures/kubeadm-k120/snapshot.db.gz");
  const env = { KUBEMEND_BACKUP_IDENTITY: file! };
  await kubemend(directory, ["backup", "init", place!, "--signing-key", key!, "--identity", file!]);
  const imported = await kubemend(directory, ["backup", "import", place!, snapshot, "--signing-key", key!]);
  expect(imported.code, imported.stderr).toBe(0);
  const recovered = join(directory, "recovered");
  const outcome = await kubemend(
    directory,
    ["recover", "--etcd-backup-file", `${place}@latest`, "--recovery-dir", recovered],
    env,
  );
  expect(outcome.code, outcome.stderr).toBe(0);
  expect(existsSync(join(recovered, "nodes/node1"))).toBe(true);
  const [fromMoment, fromFile] = await Promise.all(
    [`${place}@latest`, snapshot].map((from) =>
      kubemend(directory, ["snapshot", "get", from, "pods", "-A", "-o", "name"], env),
    ),
  );
  expect(fromMoment!.stdout).toBe(fromFile!.stdout);
  expect(fromMoment!.stdout).not.toBe("");
  const same = await kubemend(directory, ["objects", "diff", `${place}@latest`, snapshot, "pods"], env);
  expect(`${same.stdout}${same.stderr}`).toContain("0 changed, 0 added, 0 removed");
});

test("wrong use is named", async () => {
  const nobody = await run("backup", "init", join(directory, "x"), "--signing-key", join(directory, "x.pem"));
  expect(nobody).toMatchObject({ code: 2 });
  expect(nobody.stderr).toContain("nobody could read this repository");
  const nothing = await run("backup", "list", join(directory, "nothing"));
  expect(nothing.stderr).toContain("there is no backup repository at");
});
