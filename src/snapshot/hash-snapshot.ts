/** The SHA-256 that etcd puts at the end of a snapshot, computed beside everything else: for a large file in a thread of its own. */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { ByteSource } from "../bolt/byte-source.ts";
import { MendError } from "../errors/errors.ts";
import type { SnapshotFile } from "./snapshot-file.ts";
import { startThread, thrownByThread } from "./start-thread.ts";

/** `absent`: a raw copy of `member/snap/db` carries no hash. */
export type HashVerdict = "verified" | "absent" | "mismatch";

/** As much as a core's second-level cache takes. */
const BUFFER_BYTES = 256 << 10;

/** A smaller file is hashed sooner than a thread of its own has started. */
export const HASH_THREAD_WORTHY_BYTES = 128 << 20;
/** Of such a file, so much is hashed between two turns of this thread. */
const BYTES_A_TURN = 8 << 20;

export interface HashOrder {
  readonly descriptor: number;
  readonly name: string;
  readonly size: number;
}

/** The SHA-256 of a source, read a piece at a time. */
export function sha256(source: ByteSource): Uint8Array {
  const hashing = hashInPieces(source);
  for (;;) {
    const { done, value } = hashing.next();
    if (done) return value;
  }
}

/** Yields after each piece the bytes that were hashed so far. */
function* hashInPieces(source: ByteSource): Generator<number, Uint8Array> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (let position = 0; position < source.size; ) {
    const got = source.read(buffer, position);
    if (got === 0) break;
    hash.update(buffer.subarray(0, got));
    position += got;
    yield position;
  }
  return hash.digest();
}

export interface RunningHashJob {
  readonly verdict: Promise<HashVerdict>;
  /** Whether a thread of its own hashes. */
  readonly hasThread: boolean;
  stop(): Promise<void>;
}

function runningJob(verdict: Promise<HashVerdict>, hasThread: boolean, stop: () => Promise<void>): RunningHashJob {
  verdict.catch(() => {}); // awaited later; an abort may come first
  return { verdict, hasThread, stop };
}

/**
 * Hashes a snapshot by the pieces of its copy, so that it is not read once more; or, where `copying` ends and showed
 * none or not all of them, as {@link startHash}. A copy that fails has no verdict.
 */
export function hashCopied(
  snapshot: SnapshotFile,
  copying: (add: (piece: Uint8Array) => void) => Promise<unknown>,
): RunningHashJob {
  const { storedHash, source, vouched } = snapshot;
  const hash = vouched === true || storedHash === undefined ? undefined : createHash("sha256");
  let added = 0;
  const add = (piece: Uint8Array): void => {
    const part = piece.subarray(0, Math.max(0, source.size - added)); // the hash at the end is not hashed
    hash?.update(part);
    added += part.length;
  };
  let again: RunningHashJob | undefined;
  let isStopped = false;
  const verdict = copying(add).then((): HashVerdict | Promise<HashVerdict> => {
    if (isStopped) throw new MendError("internal", "hashing was stopped");
    if (hash !== undefined && storedHash !== undefined && added === source.size)
      return hash.digest().equals(storedHash) ? "verified" : "mismatch";
    again = startHash(snapshot);
    return again.verdict;
  });
  return runningJob(verdict, false, async () => {
    isStopped = true;
    await again?.stop();
  });
}

/** Hashes a file in this thread, by turns with what else it does. */
function hashHere(source: ByteSource, judge: (digest: Uint8Array) => HashVerdict): RunningHashJob {
  let isStopped = false;
  const work = async (): Promise<HashVerdict> => {
    const hashing = hashInPieces(source);
    for (let turn = BYTES_A_TURN; ; ) {
      const { done, value } = hashing.next();
      if (done) return judge(value);
      if (value < turn) continue;
      turn += BYTES_A_TURN;
      await setImmediate();
      if (isStopped) throw new MendError("internal", "hashing was stopped");
    }
  };
  return runningJob(work(), false, async () => {
    isStopped = true;
  });
}

/** Starts to hash a snapshot; the verdict comes while the caller continues. */
export function startHash(snapshot: SnapshotFile): RunningHashJob {
  const { storedHash, source, descriptor } = snapshot;
  const known = (verdict: HashVerdict): RunningHashJob => runningJob(Promise.resolve(verdict), false, async () => {});
  if (snapshot.vouched === true) return known("verified");
  if (storedHash === undefined) return known("absent");
  const judge = (digest: Uint8Array): HashVerdict => (Buffer.from(digest).equals(storedHash) ? "verified" : "mismatch");
  if (source.size < HASH_THREAD_WORTHY_BYTES) return hashHere(source, judge);
  const order: HashOrder = { descriptor, name: source.name, size: source.size };
  const worker = startThread("hash-worker", { workerData: order });
  const verdict = new Promise<HashVerdict>((resolve, reject) => {
    worker.once("message", (digest: Uint8Array) => resolve(judge(digest)));
    worker.once("error", (error) => reject(thrownByThread(error)));
    worker.once("exit", (code) => reject(new MendError("internal", `the hashing thread ended with code ${code}`)));
  });
  return runningJob(verdict, true, async () => {
    await worker.terminate();
  });
}
