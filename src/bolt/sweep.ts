/**
 * Shows many leaves in file order: sequential reads, bounded memory, and divisible among threads by page id. Each leaf is checked before it is shown.
 */
import type { BoltFile } from "./bolt.ts";
import { type LeafMap, leafPlace } from "./leaf-map.ts";
import { openLeafWindow } from "./leaf-window.ts";
import type { Page } from "./page.ts";
import type { PageSet } from "./page-set.ts";
import { checkLeafPage, mark, type Report } from "./tree.ts";

/** What happens to each leaf. `position` is its place in key order; the page is only valid during the call. */
export type LeafVisitor = (page: Page, position: number) => void;

/** How many bytes are read between two yields. */
const STRIDE = 8 << 20;

/**
 * Shows every leaf whose page id is in `[from, to)` to `visit`, in file order. Damaged leaves are reported and, where their elements cannot be
 * trusted, not shown. Pages are marked in `seen`, so that leaves that overlap are reported. Yields now and then the bytes read so far,
 * so that the caller can show progress, stop, or let others run.
 */
export function* sweepLeaves(
  bolt: BoltFile,
  map: LeafMap,
  [from, to]: readonly [number, number],
  seen: PageSet,
  visit: LeafVisitor,
  report: Report,
): Generator<number> {
  const { slots } = map;
  const window = openLeafWindow(bolt, slots);
  let yielded = 0;
  for (let id = from; id < to; id++) {
    if (slots[id] === 0) continue;
    const position = slots[id]! - 1;
    const result = window.read(id);
    if ("code" in result) {
      report({ level: "error", code: result.code, where: leafPlace(map, id, position), text: result.text });
      continue;
    }
    const { page, overflow } = result;
    if (!mark(seen, id, overflow, () => leafPlace(map, id, position), report)) continue;
    const isLast = map.bucketEnds.includes(position + 1);
    if (!checkLeafPage(page, map.list, position, isLast, () => leafPlace(map, id, position), report)) continue;
    visit(page, position);
    if (window.bytesRead() - yielded >= STRIDE) {
      yielded = window.bytesRead();
      yield yielded;
    }
  }
  yield window.bytesRead();
}
