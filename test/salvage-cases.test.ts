/** Data dirs of real clusters that lost writes, or could not be started, after an earlier salvage; started by a real etcd. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { input } from "../src/errors/input.ts";
import { type SalvageOptions, type SalvageResult, salvage } from "../src/operations/etcd/salvage.ts";
import { startEtcd } from "./etcd-server.ts";
import { freePorts } from "./free-ports.ts";
import { findProgram, PROGRAMS_MISSING } from "./programs.ts";
import { memberNames } from "./restored-cluster.ts";

const FIXTURES = join(import.meta.dirname, "fixtures/salvage");
const SUITE = "trixie";
let directory: string;
let ports: [number, number];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "salvage-cases-"));
  ports = (await freePorts(2)) as [number, number];
});
afterEach(() => rmSync(directory, { recursive: true }));

function unpack(name: string): void {
  execFileSync("tar", ["--sparse", "-xzf", join(FIXTURES, `${name}.tar.gz`), "-C", directory]);
}

function salvaged(names: readonly string[], more: Partial<SalvageOptions> = {}): Promise<SalvageResult> {
  return salvage(
    names.map((name) => join(directory, name)),
    {
      dataDir: join(directory, "out"),
      name: "m0",
      initialAdvertisePeerUrls: `http://127.0.0.1:${ports[1]}`,
      ...more,
    },
  );
}

/** What a real etcd serves on the result: its revision and how many keys begin with `k`. */
async function served(result: SalvageResult): Promise<{ readonly revision: number; readonly keys: number }> {
  const server = await startEtcd({ suite: SUITE, dataDir: result.dataDir, name: "m0", ports });
  try {
    const counted = JSON.parse(await server.etcdctl("get", "k", "--prefix", "--keys-only", "-w", "json")) as {
      header: { revision: number };
      count?: number;
    };
    expect(await memberNames(server)).toEqual({ [result.memberId]: "m0" });
    await server.etcdctl("put", "/after", "salvage");
    return { revision: counted.header.revision, keys: counted.count ?? 0 };
  } finally {
    await server.stop();
  }
}

const codes = (result: SalvageResult): string[] => result.findings.map(({ code }) => code).sort();
const wal = (name: string): string => join(directory, name, "member/wal");
const segmentOf = (name: string): string =>
  join(wal(name), readdirSync(wal(name)).find((file) => file.endsWith(".wal"))!);

describe.skipIf(findProgram(SUITE, "etcd") === undefined)(`etcd of ${SUITE} (${PROGRAMS_MISSING})`, () => {
  test("a database that is older than the log beside it: the entries in between are named", async () => {
    unpack("stale-database");
    const result = await salvaged(["a"]);
    expect(result).toMatchObject({
      isComplete: false,
      lastIndex: 20,
      lost: [
        { from: 21, to: 153, kind: "missing", isCommitted: true },
        { from: 154, to: 200, kind: "behind-a-hole", isCommitted: true, dataDir: join(directory, "a") },
      ],
    });
    const [missing] = result.findings;
    expect(missing).toMatchObject({ level: "error", text: expect.stringMatching(/entries 21 to 153 .* 133 writes/) });
    expect((await served(result)).revision).toBe(11);
  });

  test.each([[["a", "b"]], [["b", "a"]]])("the newer database of another survivor is used: %j", async (names) => {
    unpack("stale-database");
    const result = await salvaged(names);
    expect(result).toMatchObject({ isComplete: true, chosen: join(directory, "b"), lastIndex: 200, lost: [] });
    expect((await served(result)).revision).toBe(186);
  });

  test("a segment that continues the database is used where a later one is missing", async () => {
    unpack("segment-missing");
    const result = await salvaged(["e"]);
    expect(result).toMatchObject({
      isComplete: false,
      lastIndex: 70,
      replayedEntries: 26,
      lost: [
        { from: 71, to: 134, kind: "missing" },
        { from: 135, to: 156, kind: "behind-a-hole" },
      ],
    });
    expect((await served(result)).keys).toBe(64);
  });

  test.each([[["t", "m2"]], [["m2", "t"]]])("a torn log beside a newer database: %j", async (names) => {
    unpack("torn-wal-newer-database");
    const result = await salvaged(names);
    expect(result).toMatchObject({ isComplete: true, chosen: join(directory, "t"), lastIndex: 109, lastTerm: 3 });
    expect(await served(result)).toEqual({ revision: 100, keys: 99 });
  });

  test("a member that had been removed continues as a new one", async () => {
    unpack("removed-member");
    const result = await salvaged(["m2"]);
    expect(result).toMatchObject({ isNewMember: true, survivors: [{ role: "removed", memberId: "a661f1a5fda0f7ca" }] });
    expect(result.memberId).not.toBe("a661f1a5fda0f7ca");
    expect(codes(result)).toEqual(["etcd-version", "member-new", "member-removed", "survivors-too-few"]);
    expect((await served(result)).revision).toBe(31);
  });

  test.each([[["m2", "m0"]], [["m0", "m2"]]])(
    "beside a member, one that was removed is not chosen: %j",
    async (names) => {
      unpack("removed-and-whole-member");
      const result = await salvaged(names);
      expect(result).toMatchObject({ isNewMember: false, chosen: join(directory, "m0"), memberId: "42061ccd36c94ccf" });
      expect((await served(result)).revision).toBe(21);
    },
  );

  test.each([
    ["no WAL", (name: string) => rmSync(wal(name), { recursive: true }), "wal-missing"],
    ["an empty WAL dir", (name: string) => rmSync(segmentOf(name)), "wal-missing"],
    ["an empty segment", (name: string) => truncateSync(segmentOf(name), 0), "wal-segment-empty"],
    ["a zeroed segment", (name: string) => writeFileSync(segmentOf(name), Buffer.alloc(64_000)), "wal-segment-empty"],
    ["nothing in its WAL", (name: string) => writeFileSync(segmentOf(name), "no log at all"), "wal-torn"],
    ["no database", (name: string) => rmSync(join(directory, name, "member/snap/db")), "database-missing"],
    [
      "nothing at all",
      (name: string) => rmSync(join(directory, name, "member"), { recursive: true }),
      "data-dir-unreadable",
    ],
  ])("a survivor with %s is described, and the other one is used", async (_, damage, code) => {
    unpack("torn-wal-newer-database");
    damage("m2");
    const result = await salvaged(["m2", "t"]);
    expect(result).toMatchObject({ isComplete: true, chosen: join(directory, "t"), lastIndex: 109 });
    expect(result.survivors[0]!.findings.map((finding) => finding.code)).toContain(code);
  });

  test("the database of a survivor without a WAL is joined with the identity of another", async () => {
    unpack("torn-wal-newer-database");
    rmSync(wal("t"), { recursive: true });
    const result = await salvaged(["m2", "t"]);
    expect(result).toMatchObject({ lastIndex: 109, memberId: "a661f1a5fda0f7ca", chosen: join(directory, "t") });
    expect(await served(result)).toEqual({ revision: 100, keys: 99 });
  });

  test("a database alone is refused, and the way for it is named", async () => {
    unpack("removed-and-whole-member");
    rmSync(wal("m0"), { recursive: true });
    const database = join(directory, "m0/member/snap/db");
    await expect(salvaged(["m0"])).rejects.toMatchObject({
      code: "not-found",
      hint: expect.stringContaining(`kubemend snapshot restore ${database} ${input("skipHashCheck")}`),
    });
    expect(existsSync(join(directory, "out"))).toBe(false);
  });

  test("a member that has never taken part is described, and refused where there is no other", async () => {
    unpack("removed-and-whole-member");
    mkdirSync(join(directory, "new/member/snap"), { recursive: true });
    mkdirSync(wal("new"));
    const result = await salvaged(["new", "m0"]);
    expect(result).toMatchObject({ isComplete: true, chosen: join(directory, "m0") });
    await expect(salvaged(["new"], { dataDir: join(directory, "other") })).rejects.toMatchObject({ code: "not-found" });
  });

  test("a log of entries from the first on is enough where no database is sound", async () => {
    unpack("removed-and-whole-member");
    writeFileSync(join(directory, "m0/member/snap/db"), "no database");
    const result = await salvaged(["m0"]);
    expect(result).toMatchObject({ isComplete: true, database: null, lastIndex: 30 });
    expect(codes(result)).toContain("database-rebuilt");
    expect((await served(result)).revision).toBe(21);
  });

  test("a dry run says the same and writes nothing", async () => {
    unpack("torn-wal-newer-database");
    const planned = await salvaged(["t", "m2"], { dryRun: true });
    expect(existsSync(join(directory, "out"))).toBe(false);
    const done = await salvaged(["t", "m2"]);
    expect({ ...planned, isDryRun: false }).toEqual(done);
  });
});
