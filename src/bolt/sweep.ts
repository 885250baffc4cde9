/**
 * Shows many leaves in file order: sequential reads, bounded memory, and divisible among threads by page id. Each leaf
 * is checked before it is shown.
 */
import { defined } from "../errors/defined.ts";
import { type LeafMap, leafPlace } from "./leaf-map.ts";
import type { LeafWindow } from "./leaf-window.ts";
import type { Page } from "./page.ts";
import type { PageSet } from "./page-set.ts";
import { checkLeafPage, mark, type Report } from "./tree.ts";

/** What happens to each leaf. `position` is its place in key order; the page is only valid during the call. */
export type LeafVisitor = (page: Page, position: number) => void;

/** How many bytes are read between two yields. */
const STRIDE = 8 << 20;

/**
 * Shows every leaf whose page id is in `[from, to)` to `visit`, in file order. Damaged leaves are reported and, where
 * their elements cannot be trusted, not shown. Pages are marked in `seen`, so that leaves that overlap are reported.
 * Yields now and then the bytes read so far, so that the caller can show progress, stop, or let others run.
 */
export function* sweepLeaves(
  map: LeafMap,
  window: LeafWindow,
  [from, to]: readonly [number, number],
  seen: PageSet,
  visit: LeafVisitor,
  report: Report,
): Generator<number> {
  const { slots } = map;
  let id = from;
  let position = 0;
  const where = (): string => leafPlace(map, id, position); // one for all leaves: this loop allocates as little as it can
  let yielded = window.bytesRead();
  for (; id < to; id++) {
    if (slots[id] === 0) continue;
    position = defined(slots[id]) - 1;
    const result = window.read(id);
    if ("code" in result) {
      report({ level: "error", code: result.code, where: where(), text: result.text });
      continue;
    }
    const { page, overflow } = result;
    if (!mark(seen, id, overflow, where, report)) continue;
    const isLast = map.bucketEnds.includes(position + 1);
    if (!checkLeafPage(page, map.list, position, isLast, where, report)) continue;
    visit(page, position);
    if (window.bytesRead() - yielded >= STRIDE) {
      yielded = window.bytesRead();
      yield yielded;
    }
  }
  yield window.bytesRead();
}
