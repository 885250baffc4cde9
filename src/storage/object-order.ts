/**
 * The order in which objects are listed, as keys have them: by path, then by namespace, then by name. It is not that of
 * the keys: `a-b/x` is before `a/x` there.
 */
import { compareRanges } from "../bolt/page.ts";
import { compare } from "../kube/compare-text.ts";
import { resourceAtPath } from "./object-key.ts";

const SLASH = 0x2f;

/** Where an object is: its path, and the rest of its key. */
export interface ObjectPlace {
  readonly path: string;
  readonly rest: Uint8Array;
}

/** From `from` on, and before `to`. */
export interface ObjectBounds {
  readonly from?: ObjectPlace;
  readonly to?: ObjectPlace;
}

/** Compares two rests of keys at the same path: `a[aStart, aEnd)` and `b[bStart, bEnd)`. */
export type CompareRests = typeof compareRanges;

/** How rests at a path compare: resources without namespaces have no slash that means anything. */
export function restOrderOf(path: string): CompareRests {
  if (resourceAtPath(path)?.namespaced === false) return compareRanges;
  return (a, aStart, aEnd, b, bStart, bEnd) => {
    const aSlash = slashIn(a, aStart, aEnd);
    const bSlash = slashIn(b, bStart, bEnd);
    return (
      compareRanges(a, aStart, Math.max(aStart, aSlash), b, bStart, Math.max(bStart, bSlash)) ||
      compareRanges(a, Math.max(aStart, aSlash + 1), aEnd, b, Math.max(bStart, bSlash + 1), bEnd)
    );
  };
}

export function comparePlaces(a: ObjectPlace, b: ObjectPlace): number {
  return compare(a.path, b.path) || restOrderOf(a.path)(a.rest, 0, a.rest.length, b.rest, 0, b.rest.length);
}

/** Where the first slash is, or -1. */
function slashIn(bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) if (bytes[i] === SLASH) return i;
  return -1;
}
