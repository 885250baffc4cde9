/** Objects of a resource in two snapshots, a few at a time, in the order in which they are listed. */
import { defined } from "../../errors/defined.ts";
import { keyStart } from "../../mvcc/key-table.ts";
import type { KeyRange } from "../../snapshot/equal-values.ts";
import { restOrderOf } from "../../storage/object-order.ts";
import type { PairedEntries } from "./differing-entries.ts";

/** So little that what is decoded of a group is gone before V8 takes it for something that stays. */
const GROUP_BYTES = 64 << 10;

/**
 * Entries of both ranges in groups whose values are of about `most` bytes, and which follow one another by namespace and
 * name. The entries of an object are in one group. Only entries are held: 4 bytes each.
 */
export function* entryGroups(
  path: string,
  left: KeyRange | undefined,
  right: KeyRange | undefined,
  { one, two }: PairedEntries,
  most = GROUP_BYTES,
): Generator<PairedEntries> {
  const ranges = [left, right];
  const rangeOf = (id: number): KeyRange => defined(ranges[id % 2]);
  const compareRests = restOrderOf(path);
  const compare = (a: number, b: number): number => {
    const [x, y] = [rangeOf(a), rangeOf(b)];
    const [one, two] = [x.keyspace.index, y.keyspace.index];
    const [i, j] = [a >>> 1, b >>> 1];
    return compareRests(
      one.keys,
      keyStart(one, i) + x.skip,
      defined(one.keyEnds[i]),
      two.keys,
      keyStart(two, j) + y.skip,
      defined(two.keyEnds[j]),
    );
  };
  // An entry of the first is an even number, one of the second an odd one.
  const ids = Uint32Array.from([...doubled(one, 0), ...doubled(two, 1)]).sort(compare);
  let group: [number[], number[]] = [[], []];
  let bytes = 0;
  for (const [at, id] of ids.entries()) {
    if (bytes >= most && compare(defined(ids[at - 1]), id) !== 0) {
      yield { one: group[0], two: group[1] };
      group = [[], []];
      bytes = 0;
    }
    defined(group[id % 2]).push(id >>> 1);
    bytes += defined(rangeOf(id).keyspace.index.valueSize[id >>> 1]);
  }
  if (ids.length > 0) yield { one: group[0], two: group[1] };
}

function* doubled(entries: Iterable<number>, side: number): Generator<number> {
  for (const entry of entries) yield entry * 2 + side;
}
