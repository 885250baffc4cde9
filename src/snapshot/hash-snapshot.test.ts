import { closeSync, openSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MendError } from "../errors/errors.ts";
import { startHash } from "./hash-snapshot.ts";
import type { SnapshotFile } from "./snapshot-file.ts";
import { THREAD_WORTHY_BYTES } from "./sweep-threads.ts";

/** A descriptor that cannot be read, as on a disk that fails: a directory's. */
let descriptor: number;
beforeEach(() => {
  descriptor = openSync("/", "r");
});
afterEach(() => closeSync(descriptor));

test("a file that a hashing thread cannot read is told as any file that cannot be read", async () => {
  const source = { name: "backup.db", size: THREAD_WORTHY_BYTES };
  const hash = startHash({ storedHash: new Uint8Array(32), source, descriptor } as SnapshotFile);
  const error = await hash.verdict.catch((thrown: unknown) => thrown);
  await hash.stop();
  expect(error).toBeInstanceOf(MendError);
  expect(error).toMatchObject({ where: "backup.db at byte 0", message: expect.stringContaining("cannot read") });
});
