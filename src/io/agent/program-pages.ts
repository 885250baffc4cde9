/**
 * Takes the pages of programs out of a process that rests. Node maps some forty megabytes of itself while it starts, most of them never looked at again; the
 * kernel keeps them in its cache of files, and what is needed again comes back from there by a minor fault.
 */
import { readFileSync } from "node:fs";

/** Of <sys/mman.h>: forget the pages; a private mapping that nobody has written to reads them from its file again. */
const MADV_DONTNEED = 4;

export interface AddressRange {
  readonly start: bigint;
  /** Bytes. */
  readonly length: bigint;
}

/** What this needs of `node:ffi`, which is in Node from 26 on. */
interface ForeignFunctions {
  dlopen(
    path: null,
    definitions: { readonly madvise: { readonly arguments: readonly string[]; readonly return: string } },
  ): { readonly functions: { madvise(start: bigint, length: bigint, advice: number): number } };
}

let madvise: ((start: bigint, length: bigint, advice: number) => number) | undefined;

/** Whether it can be done here. The first call loads what it takes. */
export function canReleaseProgramPages(): boolean {
  if (process.platform !== "linux") return false;
  const { emitWarning } = process;
  try {
    process.emitWarning = () => {}; // that the module is experimental: without it only memory is lost
    const ffi = process.getBuiltinModule("node:ffi") as ForeignFunctions | undefined;
    const types = { arguments: ["uint64", "uint64", "int32"], return: "int32" };
    madvise ??= ffi?.dlopen(null, { madvise: types }).functions.madvise;
  } catch {
    return false; // a Node that was built without it, or has it changed
  } finally {
    process.emitWarning = emitWarning;
  }
  return madvise !== undefined;
}

/** Does nothing where it cannot be done. Takes about 5 ms. */
export function releaseProgramPages(): void {
  if (!canReleaseProgramPages()) return;
  for (const { start, length } of releasable(readFileSync("/proc/self/smaps", "latin1"))) {
    madvise!(start, length, MADV_DONTNEED); // a mapping that is locked keeps its pages
  }
}

/** The private mappings of files that cannot be written and of which no page was ever changed, by `/proc/PID/smaps` (proc_pid_smaps(5)). */
export function releasable(smaps: string): AddressRange[] {
  const ranges: AddressRange[] = [];
  for (const mapping of smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ \d+ +\//.exec(mapping) ?? [];
    if (start === undefined || end === undefined || !/^Anonymous: +0 kB$/m.test(mapping)) continue;
    const from = BigInt(`0x${start}`);
    ranges.push({ start: from, length: BigInt(`0x${end}`) - from });
  }
  return ranges;
}
