/**
 * Two runs on one target in two containers, which share nothing but the file system: namespaces of their own for
 * processes, mounts, network and host names, so that both may have the same process id. `KUBEMEND_RACES=100` runs as
 * many of each.
 */
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readBolt } from "../src/bolt/bolt.ts";
import { memorySource } from "../src/bolt/byte-source.ts";
import { checkBolt } from "../src/bolt/check.ts";
import type { Finding } from "../src/errors/errors.ts";
import { readAssetDir } from "../src/io/files/asset-record.ts";
import { readLog } from "../src/wal/log.ts";
import { canUnshare, type Ended, race as raceIn, recordRaces } from "./containers.ts";
import { kubemend } from "./kubemend.ts";
import { clusterEntries, madeSnapshot } from "./made-snapshot.ts";

const RACES = Number(process.env.KUBEMEND_RACES || 3);
/** Of each command that makes something new. */
const RACES_OF_EACH = Number(process.env.KUBEMEND_RACES || 1);

let directory: string;
let disk: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "containers-"));
  disk = join(directory, "disk");
  mkdirSync(disk);
  const maps = Array.from({ length: 200 }, (_, i) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "default", name: `map-${i}`, annotations: { filler: "x".repeat(1000) } },
  }));
  writeFileSync(join(directory, "snapshot.db"), madeSnapshot(clusterEntries(maps)));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function race(commands: readonly (readonly string[])[], before: readonly string[] = []): Promise<readonly Ended[]> {
  return raceIn(
    directory,
    commands.map((args, i) => ({ args, before: before[i] ?? "true" })),
  );
}

const restoreTo = (dataDir: string, ...more: string[]): string[] => [
  "snapshot",
  "restore",
  join(directory, "snapshot.db"),
  `--data-dir=${dataDir}`,
  ...more,
];

function checkDataDir(path: string, commit = 1): void {
  const findings: Finding[] = [];
  checkBolt(readBolt(memorySource(readFileSync(join(path, "member/snap/db")))), (finding) => findings.push(finding));
  expect(findings).toEqual([]);
  const wal = join(path, "member/wal");
  const log = readLog(readdirSync(wal).map((name) => memorySource(readFileSync(join(wal, name)))));
  expect(log).toMatchObject({ state: { commit, term: 1 }, breaks: [] });
}

/** One has done it, and the other says who that is, or where that had ended already, that something has come. */
function checkOutcome(ended: readonly Ended[]): void {
  expect(ended.map(({ code }) => code).sort(), JSON.stringify(ended)).toEqual([0, 1]);
  const loser = ended.find(({ code }) => code === 1)!;
  expect(loser.stderr).toMatch(
    /is being written by process \d+ on "node-[12]" \(kubemend snapshot restore\)|was changed by another run|is not empty/,
  );
}

describe.runIf(canUnshare)("two containers", () => {
  test.each(["absent", "there, and to be replaced"])(
    "a data dir that is %s",
    { timeout: 30_000 + RACES * 10_000 },
    async (what) => {
      for (let i = 0; i < RACES; i++) {
        const dataDir = join(disk, "etcd");
        rmSync(disk, { recursive: true });
        mkdirSync(disk);
        if (what !== "absent") {
          mkdirSync(join(dataDir, "member"), { recursive: true });
          writeFileSync(join(dataDir, "member/old"), "old");
        }
        const command = restoreTo(dataDir, ...(what === "absent" ? [] : ["--replace"]));
        checkOutcome(await race([command, command]));
        checkDataDir(dataDir);
        expect(readdirSync(disk).sort()).toEqual(what === "absent" ? ["etcd"] : ["etcd", "etcd.before-restore"]);
      }
      recordRaces(`snapshot restore, to a data dir that is ${what}`, RACES);
    },
  );

  test("one sees the data dir as a mount point, the other as a directory", {
    timeout: 30_000 + RACES * 10_000,
  }, async () => {
    for (let i = 0; i < RACES; i++) {
      const dataDir = join(disk, "etcd");
      const mounted = join(directory, "mounted");
      rmSync(disk, { recursive: true });
      for (const each of [dataDir, mounted]) mkdirSync(each, { recursive: true });
      checkOutcome(
        await race([restoreTo(dataDir), restoreTo(mounted)], ["true", `mount --bind '${dataDir}' '${mounted}'`]),
      );
      checkDataDir(dataDir);
      expect(readdirSync(disk)).toEqual(["etcd"]);
      expect(readdirSync(dataDir)).toEqual(["member"]);
    }
    recordRaces("snapshot restore, where one sees a mount point and the other a directory", RACES);
  });

  test("a mount point with an old data dir in it: what is in it moves, and keeps its owner", async () => {
    const dataDir = join(disk, "etcd");
    const mounted = join(directory, "mounted");
    for (const each of [join(dataDir, "member"), mounted]) mkdirSync(each, { recursive: true });
    writeFileSync(join(dataDir, "member/old"), "old");
    mkdirSync(join(dataDir, "lost+found"));
    for (const each of [dataDir, join(dataDir, "member")]) chownSync(each, 1000, 1001);
    const [first] = await race([restoreTo(mounted, "--replace")], [`mount --bind '${dataDir}' '${mounted}'`]);
    expect(first?.stderr).not.toMatch(/error/);
    expect(first?.code).toBe(0);
    checkDataDir(dataDir);
    expect(readdirSync(dataDir).sort()).toEqual(["before-restore", "lost+found", "member"]);
    expect(readFileSync(join(dataDir, "before-restore/member/old"), "utf8")).toBe("old");
    for (const name of [".", "member", "member/snap/db", "member/wal", "before-restore"]) {
      const { uid, gid } = statSync(join(dataDir, name));
      expect({ name, uid, gid }).toEqual({ name, uid: 1000, gid: 1001 });
    }
    // Once more: the first one's output moves too, and what was moved before stays.
    const [again] = await race([restoreTo(mounted, "--replace")], [`mount --bind '${dataDir}' '${mounted}'`]);
    expect(again?.code).toBe(0);
    expect(readdirSync(dataDir).sort()).toEqual(["before-restore", "before-restore-2", "lost+found", "member"]);
    checkDataDir(dataDir);
  });
});

/** Whoever comes second, while the first is at it or has just ended. */
const SECOND = new RegExp(
  [
    'is being written by process \\d+ on "node-[12]" \\(kubemend [a-z ]+\\)|was changed by another run',
    "is not empty|exists already|holds the output of an earlier run",
  ].join("|"),
);

interface Raced {
  readonly name: string;
  readonly argv: (place: string) => readonly string[];
  /** Judges what is at the place in the end. */
  readonly check: (place: string) => void | Promise<void>;
}

const RACED: readonly Raced[] = [
  {
    name: "snapshot edit",
    argv: (place) => ["snapshot", "edit", join(directory, "snapshot.db"), place, "--remove=configmaps/map-1"],
    async check(place) {
      const { code, stderr } = await kubemend(directory, ["snapshot", "verify", place]);
      expect(code, stderr).toBe(0);
    },
  },
  {
    name: "etcd salvage",
    argv: (place) => [
      "etcd",
      "salvage",
      join(directory, "survivor"),
      `--data-dir=${place}`,
      "--name=m",
      "--initial-advertise-peer-urls=http://127.0.0.1:2380",
    ],
    // The log's second entry makes this member the only one.
    check: (place) => checkDataDir(place, 2),
  },
  {
    name: "recover",
    argv: (place) => [
      "recover",
      `--recovery-dir=${place}`,
      `--etcd-backup-file=${join(import.meta.dirname, "fixtures/kubeadm-k120/snapshot.db.gz")}`,
    ],
    check: checkAssets,
  },
  {
    name: "render",
    argv: (place) => ["render", `--asset-dir=${place}`, "--api-servers=https://10.0.0.1:6443"],
    check: checkAssets,
  },
];

/** Every file is as its record says: all of them are of one run. */
function checkAssets(place: string): void {
  const state = readAssetDir(place);
  expect(Object.keys(state?.record.files ?? {}).length).toBeGreaterThan(3);
  expect(state).toMatchObject({ changed: [], foreign: [] });
}

describe.runIf(canUnshare)("two containers with one target", () => {
  test.each(RACED)("of $name", { timeout: 60_000 + RACES * 20_000 }, async ({ name, argv, check }) => {
    await kubemend(directory, restoreTo(join(directory, "survivor")));
    for (let i = 0; i < RACES_OF_EACH; i++) {
      rmSync(disk, { recursive: true });
      mkdirSync(disk);
      const place = join(disk, "place");
      const ended = await race([argv(place), argv(place)]);
      expect(ended.map(({ code }) => code).sort(), JSON.stringify(ended)).toEqual([0, 1]);
      expect(ended.find(({ code }) => code === 1)?.stderr).toMatch(SECOND);
      expect(readdirSync(disk)).toEqual(["place"]);
      await check(place);
    }
    recordRaces(name, RACES_OF_EACH);
  });
});
