/**
 * Writes a whole bbolt file in one pass: buckets and keys come in ascending byte order, pages go out in ascending order, and the two metas
 * last, so a file that was cut short has no valid meta. The result is what bbolt's own compaction leaves: no free pages.
 */
import { invariant, MendError } from "../errors/errors.ts";
import { encodeMeta } from "./meta.ts";
import { BUCKET_ELEMENT, BUCKET_HEADER_SIZE, encodePageHeader, PageFlag } from "./page.ts";
import { type ByteSink, createPageOutput } from "./page-output.ts";
import { createTreeWriter, type TreeWriter } from "./tree-writer.ts";

export interface BoltWriterOptions {
  /** Bytes: a power of two from 1 KiB to 64 KiB; 4096 unless given, as on the machines that etcd runs on. */
  readonly pageSize?: number;
  /** How full a page gets, 0.1 to 1. bbolt's default is 0.5; etcd sets 0.9 for its revisions, which is the default here. */
  readonly fillPercent?: number;
  /** `none` (the default) as etcd has it: no freelist page, the reader rebuilds the list. `page` writes an empty one. */
  readonly freelist?: "none" | "page";
  /** Whether a small bucket lies inside its parent's leaf, as bbolt does it. True unless given. */
  readonly inlineBuckets?: boolean;
}

export interface BoltWriter {
  /** Opens a bucket inside the open one, or at the root. Its name sorts after everything written there so far. */
  openBucket(name: Uint8Array, sequence?: bigint): void;
  /** A key in the open bucket. The bytes may be reused after the call. */
  put(key: Uint8Array, value: Uint8Array): void;
  closeBucket(): void;
  /** Writes what is left and both metas. Returns the file's size in bytes. */
  finish(): number;
}

interface OpenBucket {
  readonly name: Uint8Array;
  readonly sequence: bigint;
  readonly tree: TreeWriter;
}

export function createBoltWriter(sink: ByteSink, options: BoltWriterOptions = {}): BoltWriter {
  const { pageSize = 4096, fillPercent = 0.9, freelist = "none", inlineBuckets = true } = options;
  if (pageSize < 1024 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0) {
    throw new MendError("usage", `page size must be a power of two from 1024 to 65536, found ${pageSize}`);
  }
  if (!(fillPercent >= 0.1 && fillPercent <= 1)) {
    throw new MendError("usage", `fill percent must be between 0.1 and 1, found ${fillPercent}`);
  }
  const output = createPageOutput(sink, pageSize, 2);
  const newTree = (): TreeWriter => createTreeWriter(output, pageSize, fillPercent);
  const root = newTree();
  const open: OpenBucket[] = [];

  return {
    openBucket(name, sequence = 0n) {
      open.push({ name: name.slice(), sequence, tree: newTree() });
    },
    put(key, value) {
      const bucket = open.at(-1);
      invariant(bucket !== undefined, "a key needs an open bucket: the root of a bbolt file holds buckets only");
      bucket.tree.add(0, key, value);
    },
    closeBucket() {
      const bucket = open.pop();
      invariant(bucket !== undefined, "no bucket is open");
      const inline = inlineBuckets ? bucket.tree.inline() : undefined;
      const value = inline ?? new Uint8Array(BUCKET_HEADER_SIZE);
      const view = new DataView(value.buffer);
      if (inline === undefined) view.setBigUint64(0, BigInt(bucket.tree.finish()), true);
      view.setBigUint64(8, bucket.sequence, true);
      (open.at(-1)?.tree ?? root).add(BUCKET_ELEMENT, bucket.name, value);
    },
    finish() {
      invariant(open.length === 0, "a bucket is still open");
      const rootPage = root.finish();
      let freelistPage: number | undefined;
      if (freelist === "page") {
        const { id, page } = output.allocate(pageSize);
        encodePageHeader(new DataView(page.buffer, page.byteOffset), 0, {
          id,
          flags: PageFlag.freelist,
          count: 0,
          overflow: 0,
        });
        freelistPage = id;
      }
      output.flush();
      const highWater = output.nextPage;
      const meta = { pageSize, flags: 0, root: rootPage, rootSequence: 0, freelist: freelistPage, highWater };
      for (const page of [0, 1] as const) {
        sink.write(encodeMeta(page, { ...meta, transaction: page }), page * pageSize);
      }
      return highWater * pageSize;
    },
  };
}
