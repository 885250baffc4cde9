import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MendError } from "../errors/errors.ts";
import { HASH_THREAD_WORTHY_BYTES, hashCopied, startHash } from "./hash-snapshot.ts";
import type { SnapshotFile } from "./snapshot-file.ts";

/** A descriptor that cannot be read, as on a disk that fails: a directory's. */
let descriptor: number;
beforeEach(() => {
  descriptor = openSync("/", "r");
});
afterEach(() => closeSync(descriptor));

test("a file that a hashing thread cannot read is told as any file that cannot be read", async () => {
  const source = { name: "backup.db", size: HASH_THREAD_WORTHY_BYTES };
  const hash = startHash({ storedHash: new Uint8Array(32), source, descriptor } as SnapshotFile);
  const error = await hash.verdict.catch((thrown: unknown) => thrown);
  await hash.stop();
  expect(error).toBeInstanceOf(MendError);
  expect(error).toMatchObject({ where: "backup.db at byte 0", message: expect.stringContaining("cannot read") });
});

test("a copy is hashed by its pieces, without what follows the content", async () => {
  const content = Buffer.alloc(100_000, "etcd");
  const storedHash = createHash("sha256").update(content).digest();
  const whole = Buffer.concat([content, storedHash]);
  const unreadable = {
    name: "backup.db",
    size: content.length,
    read: () => expect.unreachable("it was hashed already"),
  };
  const file = { storedHash, source: unreadable, descriptor } as unknown as SnapshotFile;
  const copy = (bytes: Buffer) => async (add: (piece: Uint8Array) => void) => {
    const memory = Buffer.alloc(1 << 10);
    for (let at = 0; at < bytes.length; at += memory.length) {
      add(memory.subarray(0, bytes.copy(memory, 0, at)));
      await Promise.resolve();
    }
  };
  expect(await hashCopied(file, copy(whole)).verdict).toBe("verified");
  whole[content.length - 1]! ^= 1;
  expect(await hashCopied(file, copy(whole)).verdict).toBe("mismatch");
});

test("where a copy shows no pieces, or a part of them, the file is hashed; where it fails or is stopped, nothing is", async () => {
  const content = Buffer.alloc(5000, "etcd");
  const storedHash = createHash("sha256").update(content).digest();
  let reads = 0;
  const read = (target: Uint8Array, position: number): number => {
    reads++;
    return content.copy(target, 0, position);
  };
  const file = { storedHash, source: { name: "backup.db", size: content.length, read } } as unknown as SnapshotFile;
  expect(await hashCopied(file, async () => {}).verdict).toBe("verified");
  expect(await hashCopied(file, async (add) => add(content.subarray(0, 4999))).verdict).toBe("verified");
  expect(reads).toBe(2);
  const full = new MendError("no-space", "the disk is full");
  await expect(hashCopied(file, () => Promise.reject(full)).verdict).rejects.toBe(full);
  const { promise, resolve } = Promise.withResolvers<void>();
  const hash = hashCopied(file, () => promise);
  await hash.stop();
  resolve();
  await expect(hash.verdict).rejects.toThrow("hashing was stopped");
  expect(reads).toBe(2);
  const { storedHash: _, ...raw } = file;
  expect(await hashCopied(raw as SnapshotFile, async (add) => add(content)).verdict).toBe("absent");
});

test("a file that is hashed here leaves others their turn, and stops when it is told", async () => {
  const content = Buffer.alloc(20 << 20, "etcd");
  const storedHash = createHash("sha256").update(content).digest();
  const read = (target: Uint8Array, position: number): number => content.copy(target, 0, position);
  const file = { storedHash, source: { name: "backup.db", size: content.length, read } } as unknown as SnapshotFile;
  let turns = 0;
  const other = setInterval(() => turns++, 0);
  expect(await startHash(file).verdict).toBe("verified");
  clearInterval(other);
  expect(turns).toBeGreaterThan(0);
  content[19 << 20]! ^= 1;
  expect(await startHash(file).verdict).toBe("mismatch");
  const hash = startHash(file);
  await hash.stop();
  await expect(hash.verdict).rejects.toThrow("hashing was stopped");
});
