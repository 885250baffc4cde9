/**
 * All names of a keyspace in one buffer, which is searched in milliseconds for hundreds of thousands of objects. What
 * comes before the names in their keys, kind and namespace, is shared by neighbours and kept once for each group.
 */
import { defined } from "../../errors/defined.ts";
import type { KeyspaceHistory } from "../history.ts";

export interface NameIndex {
  /** Every name in lower case, each after a line feed, and one at the end. */
  readonly names: Buffer;
  /** Where each name ends in {@link names}: the position of the line feed behind it. */
  readonly ends: Uint32Array;
  /** The first key of all. */
  readonly from: number;
  /** In the order of their keys: each begins where the one before ends. */
  readonly groups: readonly NameGroup[];
}

/** Neighbouring keys of one kind and namespace. */
export interface NameGroup {
  /** Such as `pods/kube-system`, in lower case. */
  readonly text: string;
  /** Its first key, and the first one behind it. */
  readonly first: number;
  readonly end: number;
}

/** Keys that are indexed before other requests get their turn. */
const KEYS_AT_ONCE = 4096;
const LINE_FEED = 0x0a;

/** About as many bytes as the names have. */
export function* indexNames(history: KeyspaceHistory, prefix: string): Generator<undefined, NameIndex> {
  const [from, to] = history.range(`${prefix}/`);
  const ends = new Uint32Array(to - from);
  const parts: Buffer[] = [];
  const groups: NameGroup[] = [];
  let lines = "\n";
  let size = 0;
  let last = "";
  let first = from;
  const flush = (): void => {
    const bytes = Buffer.from(lines);
    parts.push(bytes);
    size += bytes.length;
    lines = "";
  };
  const endGroup = (end: number): void => {
    if (end > first) groups.push({ text: last.slice(prefix.length + 1).toLowerCase(), first, end });
    first = end;
  };
  let flushed = from;
  for (let key = from; key < to; key++) {
    const text = history.key(key);
    const slash = text.lastIndexOf("/");
    if (slash !== last.length || !text.startsWith(last)) {
      endGroup(key);
      last = text.slice(0, slash);
    }
    lines += `${text
      .slice(slash + 1)
      .toLowerCase()
      .replaceAll("\n", " ")}\n`;
    if ((key - from) % KEYS_AT_ONCE !== KEYS_AT_ONCE - 1) continue;
    flush();
    flushed = markEnds(defined(parts.at(-1)), size, ends, flushed, from);
    yield undefined;
  }
  endGroup(to);
  flush();
  markEnds(defined(parts.at(-1)), size, ends, flushed, from);
  return { names: Buffer.concat(parts, size), ends, from, groups };
}

/** `part`: the newest lines, which end at `size`. Returns the first key that has no end yet. */
function markEnds(part: Buffer, size: number, ends: Uint32Array, next: number, from: number): number {
  const start = size - part.length;
  let key = next;
  for (let at = start === 0 ? 1 : 0; at < part.length; at++) {
    at = part.indexOf(LINE_FEED, at);
    if (at < 0) break;
    ends[key - from] = start + at;
    key += 1;
  }
  return key;
}

/** The key whose name is at a position of {@link NameIndex.names}. */
function keyAt({ ends, from }: NameIndex, position: number): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (defined(ends[middle]) <= position) low = middle + 1;
    else high = middle;
  }
  return from + low;
}

/** The group of a key. */
export function groupOf({ groups }: NameIndex, key: number): NameGroup {
  let low = 0;
  let high = groups.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (defined(groups[middle]).end <= key) low = middle + 1;
    else high = middle;
  }
  return defined(groups[low]);
}

/** The keys from `first` to `end` whose names hold `wanted`, which may begin and end with a line feed. */
export function* keysWith(index: NameIndex, wanted: Buffer, first: number, end: number): Generator<number> {
  const { names, ends, from } = index;
  if (first >= end) return;
  const start = first === from ? 0 : defined(ends[first - from - 1]);
  const within = names.subarray(0, defined(ends[end - 1 - from]) + 1);
  // A text that begins with a line feed lies before the name that it is of.
  const step = wanted[0] === LINE_FEED ? 1 : 0;
  for (let at = within.indexOf(wanted, start); at >= 0; ) {
    const key = keyAt(index, at + step);
    yield key;
    at = within.indexOf(wanted, defined(ends[key - from]));
  }
}
