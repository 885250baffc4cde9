/**
 * Data dirs and snapshots that are damaged in any way: a restore and a salvage either refuse them in words, or write a
 * data dir that is whole.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readBolt } from "../../src/bolt/bolt.ts";
import { memorySource } from "../../src/bolt/byte-source.ts";
import { checkBolt } from "../../src/bolt/check.ts";
import { type Finding, MendError } from "../../src/errors/errors.ts";
import { salvage } from "../../src/operations/etcd/salvage.ts";
import { restoreSnapshot } from "../../src/operations/snapshot/restore.ts";
import { readLog } from "../../src/wal/log.ts";
import { ENTRY_NORMAL } from "../../src/wal/raft.ts";
import { decodeRaftSnapshot } from "../../src/wal/raft-snapshot.ts";
import { createWalWriter } from "../../src/wal/writer.ts";
import { mutate } from "./mutate.ts";
import { sampleSnapshot } from "./sample-snapshot.ts";

const SEEDS = 40;
const MEMBER = {
  name: "m1",
  initialCluster: "m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380",
  initialClusterToken: "t",
  initialAdvertisePeerUrls: "http://10.0.0.1:2380",
};

let base: string;
let files: { wal: Uint8Array; walName: string; snap: Uint8Array; snapName: string; db: Uint8Array };

/** A member whose log has entries behind its database. */
beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), "damaged-data-dir-"));
  writeFileSync(join(base, "sample.db"), sampleSnapshot(6));
  const dataDir = join(base, "whole");
  await restoreSnapshot(join(base, "sample.db"), { ...MEMBER, dataDir });
  const [walName, snapName] = [
    readdirSync(join(dataDir, "member/wal"))[0]!,
    readdirSync(join(dataDir, "member/snap"))[0]!,
  ];
  const old = readLog([memorySource(readFileSync(join(dataDir, "member/wal", walName)))]);
  let wal = Buffer.alloc(0);
  const writer = createWalWriter(old.metadata!, () => ({
    write(bytes, position) {
      wal = Buffer.concat([wal.subarray(0, position), bytes]);
    },
  }));
  for (const mark of [{ index: 0, term: 0, confState: undefined }, old.marks.at(-1)!]) writer.mark(mark);
  for (let i = 3; i < 60; i++) writer.entry({ type: ENTRY_NORMAL, term: 1, index: i, data: Buffer.alloc(i * 9, i) });
  writer.state({ term: 1, vote: 0n, commit: 50 });
  writer.finish();
  files = {
    wal: new Uint8Array(wal),
    walName,
    snapName,
    snap: new Uint8Array(readFileSync(join(dataDir, "member/snap", snapName))),
    db: new Uint8Array(readFileSync(join(dataDir, "member/snap/db"))),
  };
});
afterAll(() => rmSync(base, { recursive: true }));

function expectWhole(dataDir: string): void {
  const findings: Finding[] = [];
  checkBolt(readBolt(memorySource(readFileSync(join(dataDir, "member/snap/db")))), (finding) => findings.push(finding));
  expect(findings.filter((finding) => finding.level === "error")).toEqual([]);
  const wal = readdirSync(join(dataDir, "member/wal")).map((name) =>
    memorySource(readFileSync(join(dataDir, "member/wal", name))),
  );
  expect(readLog(wal).breaks).toEqual([]);
  const snap = readdirSync(join(dataDir, "member/snap")).find((name) => name.endsWith(".snap"));
  if (snap !== undefined) decodeRaftSnapshot(readFileSync(join(dataDir, "member/snap", snap)), snap);
}

/** A refusal in words counts; anything else that is thrown does not. */
async function unlessRefused(attempt: Promise<unknown>): Promise<boolean> {
  try {
    await attempt;
    return true;
  } catch (error) {
    if (error instanceof MendError && error.code !== "internal") return false;
    throw error;
  }
}

test.each(["wal", "snap", "db"] as const)("salvage from a data dir whose %s is damaged", async (part) => {
  const survivor = join(base, `survivor-${part}`);
  for (const folder of ["member/wal", "member/snap"]) mkdirSync(join(survivor, folder), { recursive: true });
  const paths = {
    wal: join(survivor, "member/wal", files.walName),
    snap: join(survivor, "member/snap", files.snapName),
    db: join(survivor, "member/snap/db"),
  };
  for (const name of ["wal", "snap", "db"] as const) writeFileSync(paths[name], files[name]);
  let done = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    writeFileSync(paths[part], mutate(files[part], seed, part === "db" ? 1024 : 64));
    const dataDir = join(base, `out-${part}-${seed}`);
    const options = { dataDir, name: "m1", initialAdvertisePeerUrls: "http://10.0.0.1:2380" };
    if (!(await unlessRefused(salvage([survivor], options)))) continue;
    done++;
    expectWhole(dataDir);
    rmSync(dataDir, { recursive: true });
  }
  expect(done).toBeGreaterThan(part === "db" ? 0 : SEEDS / 3);
});

test("restore from a damaged snapshot, with and without all findings allowed", async () => {
  const path = join(base, "damaged.db");
  const sample = sampleSnapshot(6);
  for (let seed = 0; seed < SEEDS; seed++) {
    writeFileSync(path, mutate(sample.subarray(0, sample.length - 32), seed, 1024));
    const dataDir = join(base, `restored-${seed}`);
    const options = { ...MEMBER, dataDir, skipHashCheck: true, compact: seed % 2 === 0 };
    if (await unlessRefused(restoreSnapshot(path, options))) {
      expectWhole(dataDir);
      rmSync(dataDir, { recursive: true });
    }
    const allow = [
      "page-truncated",
      "page-flags",
      "page-id",
      "page-out-of-range",
      "page-out-of-bounds",
      "key-order",
      "key-value-invalid",
      "revision-invalid",
      "page-double-referenced",
      "file-truncated",
      "bucket-invalid",
      "page-unreachable",
    ];
    if (await unlessRefused(restoreSnapshot(path, { ...options, allow }))) rmSync(dataDir, { recursive: true });
  }
});
