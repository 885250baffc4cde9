/**
 * The thread that `index-contents.ts` starts: reads every value once, in the order of the file, and fills the filters
 * that both threads see.
 */

import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { defined } from "../errors/defined.ts";
import { descriptorSource } from "../io/files/file-source.ts";
import { createContentAdder, FILTER_BYTES } from "../kubeapi/page/content-index.ts";
import type { ContentOrder } from "./index-contents.ts";
import { createValueReader } from "./read-keyspace.ts";

/** Values between two reports. */
const REPORTED = 512;

if (!isMainThread) {
  const { descriptor, name, size, meta, metas, pageCount, page, item, block, filters, done } =
    workerData as ContentOrder;
  const bolt = { source: descriptorSource(descriptor, name, size), meta, metas, pageCount };
  const read = createValueReader({ bolt, buckets: [] });
  const adder = createContentAdder(filters);
  const inFile = Uint32Array.from(page, (_, row) => row).sort(
    (a, b) => defined(page[a]) - defined(page[b]) || defined(item[a]) - defined(item[b]),
  );
  for (const [count, row] of inFile.entries()) {
    const found = read(defined(page[row]), defined(item[row]));
    if (typeof found !== "string") adder.add(defined(block[row]) * FILTER_BYTES, found.value);
    if (count % REPORTED === 0) Atomics.store(done, 0, count);
  }
  Atomics.store(done, 0, page.length);
  parentPort?.postMessage("done");
}
