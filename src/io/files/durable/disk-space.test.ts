import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bytesOnDisk, checkDiskSpace, fits, isSameDisk } from "./disk-space.ts";

const XFS = 0x58465342;
const EXT4 = 0xef53;
const BTRFS = 0x9123683e;
const disk = (type: number, { blocks = 1000, dev = 1 } = {}) => ({ type, dev, blocks, bsize: 4096, bavail: 10 });

test("a copy takes no space only of a disk that shares blocks, and only of a file that is on it", () => {
  expect(fits(40_960, disk(EXT4), undefined)).toBe(true);
  expect(fits(40_961, disk(EXT4), disk(EXT4))).toBe(false);
  expect(fits(40_961, disk(XFS), disk(XFS))).toBe(true);
  // What is received, unpacked or written anew shares nothing; neither does what comes from another disk.
  expect(fits(40_961, disk(XFS), undefined)).toBe(false);
  expect(fits(40_961, disk(XFS), disk(XFS, { dev: 2 }))).toBe(false); // as large by chance
  expect(fits(40_961, disk(BTRFS), disk(BTRFS, { dev: 2 }))).toBe(true); // a subvolume
  expect(fits(40_961, disk(BTRFS), disk(BTRFS, { dev: 2, blocks: 999 }))).toBe(false);
  expect(fits(40_961, disk(XFS), disk(EXT4, { dev: 2 }))).toBe(false);
});

test("what does not fit is refused with both sizes, also below directories that are not there yet", () => {
  const path = join(tmpdir(), "not/there/yet");
  checkDiskSpace(path, 1);
  expect(() => checkDiskSpace(path, 1e18)).toThrow(
    /^"\S+yet" needs 1000000000000000000 bytes, but its disk has \d+ left$/,
  );
});

test.skipIf(process.platform !== "linux")("paths that are not there yet are on the disk that they will be on", () => {
  expect(isSameDisk(tmpdir(), join(tmpdir(), "not/there/yet"))).toBe(true);
  expect(isSameDisk("/proc/self", tmpdir())).toBe(false);
});

test("files count with what they take of the disk, without their holes", () => {
  const directory = mkdtempSync(join(tmpdir(), "disk-space-"));
  try {
    mkdirSync(join(directory, "deep"));
    writeFileSync(join(directory, "deep/sparse"), "x");
    truncateSync(join(directory, "deep/sparse"), 1 << 30);
    const little = bytesOnDisk(directory);
    expect(little).toBeLessThan(1 << 20);
    writeFileSync(join(directory, "deep/full"), randomBytes(4 << 20), { flush: true });
    expect(bytesOnDisk(directory) - little).toBeGreaterThanOrEqual(4 << 20);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
