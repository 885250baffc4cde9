import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import { realFileSystem } from "../../../io/files/durable/file-system.ts";
import { placeData } from "./place-data.ts";
import { bringDataBack, findData, noteData } from "./restore-member.ts";

const isRoot = process.getuid?.() === 0;
const canMount = isRoot && spawnSync("unshare", ["--mount", "true"]).status === 0;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "place-"));
});
afterEach(() => {
  spawnSync("umount", [join(root, "etcd")]);
  rmSync(root, { recursive: true });
});

function journal(id: string): NodeJournal {
  const empty = {
    manifests: null,
    made: [],
    dataDir: null,
    revision: null,
    snapshot: null,
    bump: null,
    leads: false,
    service: null,
  };
  return { ...empty, id, digest: "d", state: "stopped" };
}

function makeData(directory: string, text: string): void {
  mkdirSync(join(directory, "member", "snap"), { recursive: true });
  writeFileSync(join(directory, "member", "snap", "db"), text);
}

const dbOf = (directory: string): string => readFileSync(join(directory, "member", "snap", "db"), "utf8");

/** `member` of a directory as the tar archive that travels. */
async function* packed(directory: string, what = "member"): AsyncIterable<Uint8Array> {
  yield execFileSync("tar", ["-C", directory, "-cf", "-", what]);
}

describe.each([
  ["a directory of its own", false],
  ["a disk of its own", true],
])("the data directory is %s", (_, isMounted) => {
  test.skipIf(isMounted && !canMount)(
    "salvaged data takes its place, twice, and what was there comes back",
    async () => {
      const operations = join(root, "operations");
      const [dataDir, sent] = [join(root, "etcd"), join(root, "sent")];
      mkdirSync(dataDir);
      if (isMounted) execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", dataDir]);
      makeData(dataDir, "old");
      makeData(sent, "salvaged");

      for (const id of ["salvage-1", "salvage-2"]) {
        const placed = await placeData(journal(id), dataDir, packed(sent), operations);
        expect([placed.state, placed.leads, dbOf(dataDir)]).toEqual(["restored", true, "salvaged"]);
        expect(dbOf(findData(placed) ?? "")).toBe("old");
        // The same step once more, as after a run that was cut off.
        const again = await placeData({ ...placed, state: "stopped" }, dataDir, packed(sent), operations);
        expect([dbOf(dataDir), dbOf(findData(again) ?? "")]).toEqual(["salvaged", "old"]);
        bringDataBack(again);
        expect([dbOf(dataDir), findData(again)]).toEqual(["old", dataDir]);
        expect(existsSync(again.dataDir?.movedAside ?? "")).toBe(false);
        bringDataBack(again); // once more
        expect(dbOf(dataDir)).toBe("old");
      }
    },
  );

  test.skipIf(isMounted && !canMount)("an archive without data changes nothing", async () => {
    const dataDir = join(root, "etcd");
    mkdirSync(dataDir);
    if (isMounted) execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", dataDir]);
    makeData(dataDir, "old");
    mkdirSync(join(root, "sent", "other"), { recursive: true });
    await expect(
      placeData(journal("salvage-1"), dataDir, packed(join(root, "sent"), "other"), join(root, "operations")),
    ).rejects.toThrow("it has no member in it");
    expect(dbOf(dataDir)).toBe("old");
  });
});

test("what was unpacked is flushed before it takes its place", async () => {
  const [dataDir, sent] = [join(root, "etcd"), join(root, "sent")];
  makeData(dataDir, "old");
  makeData(sent, "salvaged");
  const seen: string[] = [];
  const { syncTree, rename } = realFileSystem;
  vi.spyOn(realFileSystem, "syncTree").mockImplementation(async (path) => {
    expect(readFileSync(join(path, "member/snap/db"), "utf8")).toBe("salvaged");
    seen.push("flushed");
    await syncTree(path);
  });
  vi.spyOn(realFileSystem, "rename").mockImplementation((from, to) => {
    if (to === dataDir) seen.push("placed");
    rename(from, to);
  });
  await placeData(journal("salvage-1"), dataDir, packed(sent), join(root, "operations"));
  vi.restoreAllMocks();
  expect(seen).toEqual(["flushed", "placed"]);
});

test("a node that has lost its data directory gets one", async () => {
  const [dataDir, sent] = [join(root, "etcd"), join(root, "sent")];
  makeData(sent, "salvaged");
  const placed = await placeData(journal("salvage-1"), dataDir, packed(sent), join(root, "operations"));
  expect([dbOf(dataDir), findData(placed)]).toEqual(["salvaged", null]);
  bringDataBack(placed);
  expect(existsSync(dataDir)).toBe(false);
});

test("old data that is nowhere is an error, and what was restored stays", async () => {
  const dataDir = join(root, "etcd");
  makeData(dataDir, "old");
  const noted = await noteData(journal("restore-1"), dataDir, join(root, "operations"));
  renameSync(dataDir, join(root, "elsewhere"));
  makeData(dataDir, "restored");
  expect(() => bringDataBack(noted)).toThrow(`the data of before restore-1 is neither at "${dataDir}" nor beside it`);
  expect(dbOf(dataDir)).toBe("restored");
});

test("a device that got another number since does not hide the old data", async () => {
  const dataDir = join(root, "etcd");
  makeData(dataDir, "old");
  const noted = await noteData(journal("restore-1"), dataDir, join(root, "operations"));
  renameSync(dataDir, `${dataDir}.before-restore`);
  makeData(dataDir, "restored");
  const [, inode] = noted.dataDir?.member?.split(":") ?? [];
  const renumbered = { ...noted, dataDir: { path: dataDir, member: `9999:${inode}`, movedAside: null } };
  expect(findData(renumbered)).toBe(`${dataDir}.before-restore`);
});
