/** Whether an index of every key of a file fits into the memory that a command should take, or that there is. */
import { type BoltFile, readPage } from "../bolt/bolt.ts";
import type { LeafMap } from "../bolt/leaf-map.ts";
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import { availableMemory } from "../io/node/available-memory.ts";
import type { LeafTaskSpec } from "./leaf-tasks.ts";

/** An index of so many keys takes about 300 MB. */
const MOST_ENTRIES = 2_500_000;
const SAMPLES = 32;

/** By the number of leaves and the entries of some of them: a file may hold as many keys as it has entries. */
export function mayIndexAll(bolt: BoltFile, map: LeafMap, mostEntries = MOST_ENTRIES): boolean {
  return estimateEntries(bolt, map) <= mostEntries;
}

function estimateEntries(bolt: BoltFile, { list }: LeafMap): number {
  const samples = Math.min(list.count, SAMPLES);
  let entries = 0;
  for (let i = 0; i < samples; i++) {
    const result = readPage(bolt, defined(list.ids[Math.floor((list.count * i) / samples)]));
    if (!("fault" in result)) entries += result.page.count;
  }
  return samples === 0 ? 0 : (entries / samples) * list.count;
}

/** What an entry takes at most where every one is held, in bytes: in an index of keys, of all revisions, of versions. */
const ENTRY_BYTES = { keys: 130, revisions: 200, versions: 50 } as const;
/** Less than this is not worth a question. */
const LEAST_BYTES = 512 << 20;
/** An entry takes no less of the file: its element, a revision, and a key-value of a few bytes. */
const LEAST_ENTRY = 40;

function entryBytesOf({ index, objects, timeline, liveKeys }: LeafTaskSpec): number {
  const indexesAll =
    index !== undefined && index.select.length === 0 && index.bounds === undefined && objects === undefined;
  return (
    (indexesAll ? ENTRY_BYTES.keys : 0) +
    (timeline === undefined ? 0 : ENTRY_BYTES.revisions) +
    (liveKeys === undefined ? 0 : ENTRY_BYTES.versions)
  );
}

/**
 * Throws `no-space` where what a sweep is to hold of all entries surely takes more memory than there is: a process that
 * runs out of memory beside etcd may take etcd with it. `available`: bytes.
 */
export function refuseTooLarge(
  bolt: BoltFile,
  map: LeafMap,
  spec: LeafTaskSpec,
  available: () => number = availableMemory,
): void {
  const entryBytes = entryBytesOf(spec);
  if (entryBytes === 0 || (bolt.source.size / LEAST_ENTRY) * entryBytes < LEAST_BYTES) return;
  const entries = estimateEntries(bolt, map);
  const needed = entries * entryBytes;
  if (needed < LEAST_BYTES || needed <= available()) return;
  const [needs, has] = [needed, available()].map((bytes) => `${(bytes / 1e9).toFixed(1)} GB`);
  throw new MendError(
    "no-space",
    `there are about ${(entries / 1e6).toFixed(0)} million entries: to hold them all takes ${needs} of memory, and ${has} are free`,
    { where: bolt.source.name, hint: "run it on a machine with more memory, on a copy of the file" },
  );
}
