/**
 * The checker: every finding in a file, with page ids. Made of parts, because a large file is swept by several threads:
 * {@link checkBolt} runs them all in one.
 */
import type { BoltFile } from "./bolt.ts";
import { type Bucket, decodeBucket, readBuckets } from "./bucket.ts";
import { readFreelist } from "./freelist.ts";
import { mapLeaves } from "./leaf-map.ts";
import { openLeafWindow } from "./leaf-window.ts";
import { BUCKET_ELEMENT, leafFlags, type Page } from "./page.ts";
import { addPage, createPageSet, hasPage, type PageSet } from "./page-set.ts";
import { sweepLeaves } from "./sweep.ts";
import type { Report } from "./tree.ts";

/** A run of pages is one finding: a lost subtree would otherwise fill the screen. */
function reportRuns(ids: Iterable<number>, report: (where: string, pages: string) => void): void {
  let from = -1;
  let to = -1;
  const flush = (): void => {
    if (from < 0) return;
    report(
      from === to ? `page ${from}` : `pages ${from}-${to}`,
      from === to ? "the page is" : `${to - from + 1} pages are`,
    );
  };
  for (const id of ids) {
    if (id === to + 1 && from >= 0) {
      to = id;
      continue;
    }
    flush();
    from = id;
    to = id;
  }
  flush();
}

/** Reports metas that do not count and a file that is shorter than its high-water mark. */
export function checkMetas(bolt: BoltFile, report: Report): void {
  bolt.metas.forEach((verdict, i) => {
    if (verdict.valid) return;
    report({
      level: "warning",
      code: "meta-invalid",
      where: `page ${i}`,
      text: `meta ${i} is not valid: ${verdict.reason}; the other one is used`,
    });
  });
  const { highWater, pageSize } = bolt.meta;
  const size = highWater * pageSize;
  if (bolt.source.size < size) {
    const text = `the file ends at byte ${bolt.source.size}, its pages reach to byte ${size}: ${size - bolt.source.size} bytes are missing`;
    report({ level: "error", code: "file-truncated", where: bolt.source.name, text });
  }
}

/**
 * Compares what was reached with what is free. Without a freelist on disk every unreached page counts as free, as it does for etcd.
 */
export function checkFreePages(bolt: BoltFile, reached: PageSet, report: Report): void {
  const seen = createPageSet(bolt.pageCount);
  const free = readFreelist(bolt, seen, report);
  if (free === undefined) return;
  const freedButUsed: number[] = [];
  const unreachable: number[] = [];
  for (let id = 2; id < bolt.pageCount; id++) {
    const used = hasPage(reached, id);
    if (used && hasPage(seen, id)) {
      report({
        level: "error",
        code: "page-double-referenced",
        where: `page ${id}`,
        text: "the page is part of the freelist and of a bucket",
      });
    } else if (used && hasPage(free, id)) freedButUsed.push(id);
    else if (!used && !hasPage(free, id) && !hasPage(seen, id)) unreachable.push(id);
  }
  reportRuns(freedButUsed, (where, pages) => {
    report({ level: "error", code: "page-freed-but-used", where, text: `${pages} in the freelist and in use` });
  });
  reportRuns(unreachable, (where, pages) => {
    report({ level: "error", code: "page-unreachable", where, text: `${pages} neither in use nor in the freelist` });
  });
}

/** Checks a whole file in one thread and reports every finding. Nested buckets are followed. */
export function checkBolt(bolt: BoltFile, report: Report): void {
  checkMetas(bolt, report);
  const reached = createPageSet(bolt.pageCount);
  addPage(reached, 0);
  addPage(reached, 1);
  const paths = new Set<string>();
  let buckets = readBuckets(bolt, report, reached);
  while (buckets.length > 0) {
    const nested: Bucket[] = [];
    const visit = (page: Page, path: string): void => {
      for (let i = 0; i < page.count; i++) {
        if ((leafFlags(page, i) & BUCKET_ELEMENT) === 0) continue;
        const bucket = decodeBucket(page, i, path, report);
        if (bucket !== undefined && !paths.has(bucket.path)) {
          paths.add(bucket.path);
          nested.push(bucket);
        }
      }
    };
    for (const bucket of buckets) {
      if (typeof bucket.root !== "number") {
        visit(bucket.root, bucket.path);
        continue;
      }
      const map = mapLeaves(bolt, [bucket], report, reached);
      const range = [2, bolt.pageCount] as const;
      for (const _ of sweepLeaves(
        map,
        openLeafWindow(bolt, map.slots),
        range,
        reached,
        (page) => visit(page, bucket.path),
        report,
      ));
    }
    buckets = nested;
  }
  checkFreePages(bolt, reached, report);
}
