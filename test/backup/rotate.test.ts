/** Rotating the keys of a repository under a running agent. */
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { startEtcd } from "../etcd-server.ts";
import { kubemend } from "../kubemend.ts";
import { findProgram } from "../programs.ts";
import { expectShown } from "../shown-on-page.ts";
import { listed, makeRepository, startAgent, storedTo } from "./agent.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-rotate-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.skipIf(findProgram("trixie", "etcd") === undefined)("rotating keys", () => {
  test("agents with the former key stop, those with the new one go on without a gap; each identity opens its part", async () => {
    const place = await makeRepository(join(directory, "place"));
    const at = (name: string): string => join(directory, "place", name);
    const server = await startEtcd({ suite: "trixie", dataDir: join(directory, "etcd") });
    const put = async (count: number): Promise<number> => {
      for (let i = 0; i < count; i++) await server.etcdctl("put", `/registry/things/${i}`, `${Math.random()}`);
      return JSON.parse(await server.etcdctl("get", "x", "-w", "json")).header.revision;
    };
    const former = startAgent(place, { name: "node-1", endpoints: [server.endpoint] });
    let other: ReturnType<typeof startAgent> | undefined;
    const rotate = (...more: string[]) =>
      kubemend(place.directory, [
        ...["backup", "rotate", place.repository, "--signing-key", place.signingKey],
        ...["--new-signing-key", at("second.pem"), ...more],
      ]);
    const read = async (moment: string | number, identity: string, file: string) => {
      const words = ["backup", "restore", `${place.repository}@${moment}`, "--identity", identity];
      return await kubemend(place.directory, [...words, "--output-file", at(file)]);
    };
    try {
      await former.logged("full stored");
      const before = await put(5);
      await storedTo(place, before);
      const shown = await kubemend(place.directory, ["backup", "list", place.repository]);
      expectShown("docs/back-up-continuously.md", "kubemend backup list", shown.stdout);
      copyFileSync(place.identity, at("old.identity"));
      const rotated = await rotate("--identity", at("old.identity"), "--new-identity", at("new.identity"));
      expect(rotated.code, rotated.stderr).toBe(0);
      expectShown("docs/back-up-continuously.md", "kubemend backup rotate", rotated.stdout);
      const after = await put(5);
      await former.logged("were replaced");
      expect(await former.stop()).toBe(1);

      place.signingKey = at("second.pem");
      other = startAgent(place, { name: "node-1", endpoints: [server.endpoint] });
      await other.logged("the keys were replaced"); // the reason of the full
      await storedTo(place, after);
      expect(await other.stop()).toBe(0);
      const list = await listed(place);
      expect(list.gaps).toEqual([]);
      expect(list.spans).toHaveLength(1);
      expect(list.spans[0]?.history).toBe(1);

      const verdict = await kubemend(place.directory, [
        ...["backup", "verify", place.repository, "--identity", at("new.identity")],
      ]);
      expect(verdict.stdout).toContain("no findings");
      expectShown(
        "docs/back-up-continuously.md",
        "kubemend backup verify s3://my-backups/prod --identity",
        verdict.stdout,
      );
      expect((await read(after, at("new.identity"), "new.db")).code).toBe(0);
      expect((await read(before, at("new.identity"), "before.db")).code).toBe(0); // it holds the former key too
      const refused = await read(after, at("old.identity"), "refused.db");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("were replaced, and the identity file is older");
      expect(existsSync(at("refused.db"))).toBe(false);
      const identities = readFileSync(at("new.identity"), "utf8").match(/^AGE-SECRET-KEY/gm);
      expect(identities).toHaveLength(2);
      const pruned = await kubemend(place.directory, [
        ...["backup", "prune", place.repository, "--signing-key", at("second.pem"), "--keep-last", "1"],
      ]);
      expect(pruned.code, pruned.stderr).toBe(0);
      const again = await kubemend(place.directory, [
        ...["backup", "verify", place.repository, "--identity", at("new.identity")],
      ]);
      expect(again.stdout).toContain("no findings");
    } finally {
      await former.stop("SIGKILL");
      await other?.stop("SIGKILL");
      await server.stop("SIGKILL");
    }
  });
});

test("a rotation that was interrupted is finished by running it again; a second one follows it", async () => {
  const place = await makeRepository(join(directory, "interrupted"));
  const at = (name: string): string => join(place.directory, name);
  const rotate = (key: string, next: string, identity: string) =>
    kubemend(place.directory, [
      ...["backup", "rotate", place.repository, "--signing-key", key, "--new-signing-key", next],
      ...["--new-identity", identity, "-o", "json"],
    ]);
  const first = await rotate(place.signingKey, at("second.pem"), at("second.identity"));
  expect(first.code, first.stderr).toBe(0);
  // As if it had died before the copy was written.
  rmSync(join(place.repository, "keys/0000000001"));
  const refused = await kubemend(place.directory, [
    ...["backup", "rotate", place.repository, "--signing-key", at("second.pem")],
    ...["--new-signing-key", at("third.pem")],
  ]);
  expect(refused.code).toBe(1);
  const repeated = await rotate(place.signingKey, at("second.pem"), at("second.identity"));
  expect(repeated.code, repeated.stderr).toBe(0);
  expect(JSON.parse(repeated.stdout)).toEqual(JSON.parse(first.stdout));
  // As if it had died when only its keys were written.
  for (const name of ["keys/0000000001", "chain/0000000001"]) rmSync(join(place.repository, name));
  const identity = readFileSync(at("second.identity"), "utf8");
  const other = await rotate(place.signingKey, at("other.pem"), at("second.identity"));
  expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("exists already")]);
  const resumed = await rotate(place.signingKey, at("second.pem"), at("second.identity"));
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(JSON.parse(resumed.stdout)).toEqual(JSON.parse(first.stdout));
  expect(readFileSync(at("second.identity"), "utf8")).toBe(identity);
  // As if it had died before anybody saw that it was done.
  const known = await rotate(place.signingKey, at("second.pem"), at("second.identity"));
  expect([known.code, JSON.parse(known.stdout)]).toEqual([0, JSON.parse(first.stdout)]);
  expect((await rotate(place.signingKey, at("x.pem"), at("x.identity"))).code).toBe(1);
  const second = await rotate(at("second.pem"), at("third.pem"), at("third.identity"));
  expect(second.code, second.stderr).toBe(0);
  expect(JSON.parse(second.stdout)).toMatchObject({ number: 2, fromLink: 3 });
  expect(readdirSync(join(place.repository, "keys"))).toEqual(["0000000001", "0000000002"]);
  const list = await kubemend(place.directory, [
    "backup",
    "verify",
    place.repository,
    "--identity",
    at("third.identity"),
  ]);
  expect(list.stdout).toContain("no findings");
});

test("a new repository is made as the page shows it", async () => {
  const directory = mkdtempSync(join(tmpdir(), "backup-init-"));
  try {
    const keys = ["--signing-key", "prod.key", "--identity", "prod.identity"];
    const { stdout } = await kubemend(directory, ["backup", "init", "repository", ...keys]);
    expectShown("docs/back-up-continuously.md", "kubemend backup init", stdout);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
