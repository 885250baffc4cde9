/** Checks a database before it is taken over. */
import { checkFreePages, checkMetas } from "../bolt/check.ts";
import { mapLeaves } from "../bolt/leaf-map.ts";
import { sweepInParallel } from "../io/parallel-sweep.ts";
import type { Snapshot, SnapshotOptions } from "./open-snapshot.ts";

/** Every page and every key-value, in parallel; what is wrong is among the findings of the snapshot afterwards. Made to run beside a copy of the file. */
export async function checkStructure(snapshot: Snapshot, options: SnapshotOptions): Promise<void> {
  const { bolt, buckets, findings, reached } = snapshot;
  checkMetas(bolt, findings.report);
  const map = mapLeaves(bolt, buckets, findings.report, reached);
  // Selecting the key that cannot exist has every entry read and none indexed.
  const spec = { index: { select: [{ prefix: new Uint8Array(0), exact: true }], seed: 0 } };
  await sweepInParallel(snapshot, map, spec, reached, findings.report, {
    onProgress: (done, total) => options.progress?.({ step: "copying and checking", done, total, unit: "bytes" }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  checkFreePages(bolt, reached, findings.report);
}
