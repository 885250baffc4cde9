/** Whether an index of every key of a file fits into the memory that a command should take. */
import { type BoltFile, readPage } from "../bolt/bolt.ts";
import type { LeafMap } from "../bolt/leaf-map.ts";
import { defined } from "../errors/defined.ts";

/** An index of so many keys takes about 300 MB. */
const MOST_ENTRIES = 2_500_000;
const SAMPLES = 32;

/** By the number of leaves and the entries of some of them: a file may hold as many keys as it has entries. */
export function mayIndexAll(bolt: BoltFile, { list }: LeafMap, mostEntries = MOST_ENTRIES): boolean {
  const samples = Math.min(list.count, SAMPLES);
  let entries = 0;
  for (let i = 0; i < samples; i++) {
    const result = readPage(bolt, defined(list.ids[Math.floor((list.count * i) / samples)]));
    if (!("fault" in result)) entries += result.page.count;
  }
  return samples === 0 || (entries / samples) * list.count <= mostEntries;
}
