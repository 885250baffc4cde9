/**
 * The thread that `index-contents.ts` starts: reads every value once, in the order of the file, and fills the filters
 * that both threads see.
 */

import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { defined } from "../errors/defined.ts";
import { descriptorSource } from "../io/files/file-source.ts";
import { addContents, FILTER_BYTES } from "../kubeapi/page/content-index.ts";
import type { ContentOrder } from "./index-contents.ts";
import { createValueReader } from "./read-keyspace.ts";

/** Values between two reports. */
const REPORTED = 512;

if (!isMainThread) {
  const { descriptor, name, size, meta, metas, pageCount, page, item, block, filters, done } =
    workerData as ContentOrder;
  const bolt = { source: descriptorSource(descriptor, name, size), meta, metas, pageCount };
  const read = createValueReader({ bolt, buckets: [] });
  for (let row = 0; row < page.length; row++) {
    const found = read(defined(page[row]), defined(item[row]));
    if (typeof found !== "string") addContents(filters, defined(block[row]) * FILTER_BYTES, found.value);
    if (row % REPORTED === 0) Atomics.store(done, 0, row);
  }
  Atomics.store(done, 0, page.length);
  parentPort?.postMessage("done");
}
