import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as zlib from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ArchiveOptions, openArchive } from "./archive.ts";

const FIXTURES = join(import.meta.dirname, "../../../test/fixtures/archives");
/** Of the snapshot in the fixtures, as their README gives it. */
const SHA256 = "84b36800132f34f61a8c98cab5499a4c8e679f1ce7647938a148d377afec776e";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-archive-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

interface Opened {
  readonly kind: string;
  readonly entry: string | undefined;
  readonly sha256: string;
  readonly size: number;
}

async function open(path: string, options: ArchiveOptions = {}): Promise<Opened | undefined> {
  const fd = openSync(path, "r");
  try {
    const archive = await openArchive(path.replace(directory, "DIR").replace(FIXTURES, "FIXTURES"), fd, {
      temporaryDirectory: directory,
      ...options,
    });
    fstatSync(fd); // still open: it is the caller's
    if (archive === undefined) return undefined;
    expect(fstatSync(archive.fd).mode & 0o777).toBe(0o600);
    const content = Buffer.alloc(archive.size + 1);
    expect(readSync(archive.fd, content, 0, content.length, 0)).toBe(archive.size);
    closeSync(archive.fd);
    const sha256 = createHash("sha256").update(content.subarray(0, archive.size)).digest("hex");
    return { kind: archive.kind, entry: archive.entry, sha256, size: archive.size };
  } finally {
    closeSync(fd);
  }
}

const write = (name: string, bytes: Uint8Array): string => {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
};

describe("archives made by the usual programs", () => {
  test.each([
    ["small.db.gz", "gzip", undefined],
    ["small.db.zst", "zstd", undefined],
    ["small.zip", "zip", "small.db"],
    ["small-with-metadata.zip", "zip", "small.db"],
  ])("%s", async (file, kind, entry) => {
    expect(await open(join(FIXTURES, file))).toEqual({ kind, entry, sha256: SHA256, size: 20512 });
    expect(readdirSync(directory)).toEqual([]);
  });

  test("the name does not matter, the content does", async () => {
    const gzip = readFileSync(join(FIXTURES, "small.db.gz"));
    expect((await open(write("snapshot.zip", gzip)))?.kind).toBe("gzip");
    expect(await open(write("plain.gz", zlib.gunzipSync(gzip)))).toBeUndefined();
    expect(await open(write("empty.gz", Buffer.alloc(0)))).toBeUndefined();
  });

  test.each([
    ["two-snapshots.zip", `"FIXTURES/two-snapshots.zip" holds 2 snapshots, expected one: "small.db", "other.db"`],
    ["no-snapshot.zip", `"FIXTURES/no-snapshot.zip" holds no snapshot: "notes.txt", "small.db.metadata"`],
    ["password.zip", `entry "small.db" of "FIXTURES/password.zip" is protected with a password`],
    ["small.tar.gz", `"FIXTURES/small.tar.gz" holds a tar archive, expected a snapshot`],
  ])("%s is refused", async (file, message) => {
    await expect(open(join(FIXTURES, file))).rejects.toThrow(message);
    expect(readdirSync(directory)).toEqual([]);
  });
});

test("a zip archive of directories without end is not read to its end", async () => {
  const count = 10_001;
  // Central directory records of PKWARE's APPNOTE 4.3.12, and its end, 4.3.16: all that a reader looks at.
  const record = Buffer.alloc(46 + 2);
  record.writeUInt32LE(0x02014b50, 0);
  record.writeUInt16LE(2, 28);
  record.write("d/", 46);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  for (const at of [8, 10]) end.writeUInt16LE(count, at);
  end.writeUInt32LE(count * record.length, 12);
  end.writeUInt32LE(4, 16);
  const start = Buffer.from("PK\u0003\u0004", "latin1");
  const path = write("directories.zip", Buffer.concat([start, ...Array<Buffer>(count).fill(record), end]));
  await expect(open(path)).rejects.toMatchObject({
    code: "archive-invalid",
    message: `"DIR/directories.zip" holds more than 10000 files and directories, expected one snapshot`,
  });
});

describe("several members or frames", () => {
  const parts = ["one ".repeat(50_000), "two ".repeat(300_000), ""].map((text) => Buffer.from(text));
  const sha256 = createHash("sha256").update(Buffer.concat(parts)).digest("hex");

  test("gzip", async () => {
    const path = write("members", Buffer.concat(parts.map((part) => zlib.gzipSync(part))));
    expect((await open(path))?.sha256).toBe(sha256);
  });

  test("zstd, with a skippable frame between and before", async () => {
    const skippable = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const frames = parts.flatMap((part) => [skippable, zlib.zstdCompressSync(part)]);
    expect((await open(write("frames", Buffer.concat(frames))))?.sha256).toBe(sha256);
  });
});

describe("damage", () => {
  test.each(["small.db.gz", "small.db.zst", "small.zip"])("%s cut at any byte never opens", async (file) => {
    const whole = readFileSync(join(FIXTURES, file));
    for (let length = 4; length < whole.length; length += 7) {
      await expect(open(write("cut", whole.subarray(0, length)))).rejects.toMatchObject({ code: "archive-invalid" });
    }
  });

  test.each(["small.db.gz", "small.db.zst", "small.zip"])(
    "%s with a flipped byte opens unchanged or not at all",
    async (file) => {
      const whole = readFileSync(join(FIXTURES, file));
      for (let position = 4; position < whole.length; position += 5) {
        const flipped = Buffer.from(whole);
        flipped[position]! ^= 0xff;
        const result = await open(write("flipped", flipped)).catch((error: { code: string }) => error);
        // Names, times and other fields that nothing depends on may be wrong.
        if (result && "sha256" in result) expect(result.sha256).toBe(SHA256);
        else expect(result).toMatchObject({ code: expect.stringMatching(/^(archive-invalid|unsupported|no-space)$/) });
      }
    },
  );

  test("says where", async () => {
    const gzip = readFileSync(join(FIXTURES, "small.db.gz"));
    await expect(open(write("cut.gz", gzip.subarray(0, 300)))).rejects.toMatchObject({
      message: `"DIR/cut.gz" is truncated`,
      where: "DIR/cut.gz · near byte 300 of 300",
    });
    gzip[gzip.length - 6]! ^= 1;
    await expect(open(write("bad.gz", gzip))).rejects.toThrow(`"DIR/bad.gz" is damaged: incorrect data check`);
  });

  test("garbage after a zstd frame", async () => {
    const frame = zlib.zstdCompressSync(Buffer.from("x"));
    await expect(open(write("tail", Buffer.concat([frame, Buffer.from("garbage")])))).rejects.toThrow(
      `"DIR/tail" is damaged: no zstd frame here`,
    );
  });
});

describe("room", () => {
  test("a bomb stops at the limit and leaves nothing", async () => {
    const bomb = zlib.gzipSync(Buffer.alloc(64 << 20));
    let written = 0;
    const onProgress = (bytes: number) => {
      written = bytes;
    };
    await expect(open(write("bomb", bomb), { mostBytes: 3 << 20, onProgress })).rejects.toMatchObject({
      code: "no-space",
    });
    expect(written).toBeLessThanOrEqual(3 << 20);
    expect(readdirSync(directory)).toEqual(["bomb"]);
  });

  test("a zip that claims too much is refused before anything is written", async () => {
    await expect(open(join(FIXTURES, "small.zip"), { mostBytes: 20511 })).rejects.toMatchObject({ code: "no-space" });
  });

  test("a directory that cannot be written to", async () => {
    const missing = join(directory, "missing");
    await expect(open(join(FIXTURES, "small.zip"), { temporaryDirectory: missing })).rejects.toMatchObject({
      code: "io",
      message: `cannot make a temporary file in "${missing}": ENOENT`,
      hint: expect.stringContaining("TMPDIR"),
    });
  });

  test("the content has no name while it is written", async () => {
    const seen: string[][] = [];
    const onProgress = () => seen.push(readdirSync(directory));
    await open(join(FIXTURES, "small.db.gz"), { onProgress });
    expect(seen).not.toEqual([]);
    expect(seen.flat()).toEqual([]);
  });

  test("an interruption stops it", async () => {
    const signal = AbortSignal.abort();
    await expect(open(join(FIXTURES, "small.db.gz"), { signal })).rejects.toThrow("aborted");
  });
});

const TMPFS = 0x01021994;
const hasMemory = existsSync("/dev/shm") && statfsSync("/dev/shm").type === TMPFS;

test.skipIf(!hasMemory)("a small content stays in memory, a larger one goes where it fits", async () => {
  const placeOf = async (path: string): Promise<string> => {
    const fd = openSync(path, "r");
    try {
      const archive = await openArchive(path, fd);
      const place = readlinkSync(`/proc/self/fd/${archive!.fd}`);
      expect(fstatSync(archive!.fd).size).toBe(archive!.size);
      closeSync(archive!.fd);
      return place;
    } finally {
      closeSync(fd);
    }
  };
  expect(await placeOf(join(FIXTURES, "small.db.gz"))).toMatch(/^\/dev\/shm\/kubemend-/);
  expect(await placeOf(join(FIXTURES, "small.db.zst"))).toMatch(/^\/dev\/shm\/kubemend-/);
  // Zeros pack well: the archive is small.
  const large = Buffer.alloc(300 << 20);
  for (const packed of [zlib.gzipSync(large, { level: 1 }), zlib.zstdCompressSync(large)]) {
    expect(await placeOf(write("large", packed))).not.toMatch(/^\/dev\/shm\//);
  }
  expect(readdirSync("/dev/shm").filter((name) => /^kubemend-[0-9a-f]{24}$/.test(name))).toEqual([]);
});
