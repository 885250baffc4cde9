/**
 * The freelist page: `count` page ids (u64) after the header, or, where count is 0xffff, the number of ids as the first
 * u64. etcd since 3.4 writes none (the meta says so) and finds the free pages when it starts.
 */
import { type BoltFile, readPage } from "./bolt.ts";
import { PAGE_HEADER_SIZE, PageFlag, pageTypeName, readU64 } from "./page.ts";
import { addPage, createPageSet, type PageSet } from "./page-set.ts";
import { mark, type Report } from "./tree.ts";

/**
 * Reads the freelist into a set of free pages, marking its own pages in `seen`; undefined where the file keeps none or
 * it is unreadable.
 */
export function readFreelist(bolt: BoltFile, seen: PageSet, report: Report): PageSet | undefined {
  const id = bolt.meta.freelist;
  if (id === undefined) return undefined;
  const where = `page ${id} · freelist`;
  const result = readPage(bolt, id);
  if ("fault" in result) {
    report({ level: "error", code: result.code, where, text: result.fault });
    return undefined;
  }
  const { page, flags, overflow } = result;
  if (flags !== PageFlag.freelist) {
    report({
      level: "error",
      code: "page-flags",
      where,
      text: `a ${pageTypeName(flags)} page where the freelist belongs`,
    });
    return undefined;
  }
  if (!mark(seen, id, overflow, () => where, report)) return undefined;
  const long = page.count === 0xffff;
  const count = long ? readU64(page.view, PAGE_HEADER_SIZE) : page.count;
  const first = PAGE_HEADER_SIZE + (long ? 8 : 0);
  if (first + count * 8 > page.end) {
    report({
      level: "error",
      code: "page-out-of-bounds",
      where,
      text: `${count} page ids do not fit its ${page.end} bytes`,
    });
    return undefined;
  }
  const free = createPageSet(bolt.pageCount);
  for (let i = 0; i < count; i++) {
    const pageId = readU64(page.view, first + i * 8);
    if (pageId < 2 || pageId >= bolt.meta.highWater) {
      const text = `free page ${pageId} is not below the high-water mark ${bolt.meta.highWater}`;
      report({ level: "error", code: "page-out-of-range", where: `${where} item ${i}`, text });
    } else if (pageId < bolt.pageCount && !addPage(free, pageId)) {
      report({
        level: "error",
        code: "page-freed-twice",
        where: `${where} item ${i}`,
        text: `page ${pageId} is freed twice`,
      });
    }
  }
  return free;
}
