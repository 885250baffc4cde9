/** Deltas that wait on this machine until the store answers: sealed already, each in a file of its own, in order. */

import { constants } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { fromSystemError } from "../../errors/system-error.ts";
import type { DeltaHead, HeadDraft } from "../../repository/head.ts";
import { realFileSystem } from "../files/durable/file-system.ts";
import { isOursOrRoots } from "../files/durable/ours-alone.ts";
import { openTrustedDirectory } from "../files/durable/trusted-directory.ts";
import { removeFile, writeOnce } from "../files/durable/write-once.ts";

export type DeltaDraft = Extract<HeadDraft, { kind: "delta" }>;

export interface Waiting {
  readonly draft: DeltaDraft;
  readonly payload: Uint8Array;
}

export interface Spool {
  /** Bytes that wait. */
  readonly bytes: number;
  readonly count: number;
  /** The newest draft; undefined where nothing waits. */
  readonly newest: DeltaDraft | undefined;
  add(waiting: Waiting): Promise<void>;
  /** The oldest one; it stays until it is removed. */
  first(): Promise<Waiting | undefined>;
  removeFirst(): Promise<void>;
}

const NAME = /^\d{10}\.delta$/;
const digits = (n: number): string => `${String(n).padStart(10, "0")}.delta`;

/** Opens what an earlier run left. Throws a `MendError` for a directory that cannot be used. */
export async function openSpool(directory: string): Promise<Spool> {
  const names = (await namesIn(directory)).filter((name) => NAME.test(name)).sort();
  const waiting: { name: string; size: number; draft: DeltaDraft }[] = [];
  for (const name of names) {
    const read = await readWaiting(join(directory, name));
    waiting.push({ name, size: read.payload.length, draft: read.draft });
  }
  let next = names.length === 0 ? 1 : Number.parseInt(defined(names.at(-1)), 10) + 1;
  return {
    get bytes() {
      return waiting.reduce((sum, { size }) => sum + size, 0);
    },
    get count() {
      return waiting.length;
    },
    get newest() {
      return waiting.at(-1)?.draft;
    },
    async add({ draft, payload }) {
      const name = digits(next++);
      await writeOnce(join(directory, name), Buffer.concat([Buffer.from(`${JSON.stringify(draft)}\n`), payload]));
      waiting.push({ name, size: payload.length, draft });
    },
    async first() {
      const [oldest] = waiting;
      return oldest === undefined ? undefined : await readWaiting(join(directory, oldest.name));
    },
    async removeFirst() {
      const oldest = waiting.shift();
      if (oldest !== undefined) await removeFile(join(directory, oldest.name));
    },
  };
}

/** It will be signed: only what this user, or root, has written is taken. */
async function readWaiting(path: string): Promise<Waiting> {
  try {
    const bytes = await readOwn(path);
    const end = bytes.indexOf(0x0a);
    const draft = JSON.parse(bytes.subarray(0, end).toString()) as DeltaDraft;
    return { draft, payload: bytes.subarray(end + 1) };
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new MendError("io", `"${path}" is not a delta that waits to be stored`, {
        where: path,
        hint: "move it away: it was written by something else",
        cause: error,
      });
    }
    throw fromSystemError(error, "read", path);
  }
}

async function readOwn(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (stat.isFile() && isOursOrRoots(stat.uid)) return await file.readFile();
  } finally {
    await file.close();
  }
  throw new MendError("directory-untrusted", `"${path}" was put into the spool by another user`, {
    where: path,
    hint: "remove it, and give the agent a spool that only its user can write to",
  });
}

/** Makes the directory where it is not there. Throws `directory-untrusted` where others could exchange it. */
async function namesIn(directory: string): Promise<string[]> {
  try {
    realFileSystem.makeDirectory(directory, 0o700);
    openTrustedDirectory(directory)[Symbol.dispose]();
    return await readdir(directory);
  } catch (error) {
    throw fromSystemError(error, "read directory", directory);
  }
}

/** Whether a link of this history already holds what a draft does. */
export function isCovered(draft: DeltaDraft, others: readonly DeltaHead[]): boolean {
  return others.some(
    ({ history, revisions }) =>
      history === draft.history && revisions.to >= draft.revisions.to && revisions.from <= draft.revisions.from,
  );
}
