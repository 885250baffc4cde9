/**
 * Takes the pages of its program out of a process that rests. Node maps some forty megabytes of itself while it starts,
 * most of them never looked at again; the kernel keeps them in its cache of files, and what is needed again comes back
 * from there by a minor fault.
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
  ): { readonly functions: { readonly madvise: Madvise } };
}

type Madvise = (start: bigint, length: bigint, advice: number) => number;

/** Null where it cannot be called here. */
let madvise: Madvise | null | undefined;

/** Whether it can be done here. The first call loads what it takes. */
export function canReleaseProgramPages(): boolean {
  if (madvise === undefined) madvise = loadMadvise();
  return madvise !== null;
}

function loadMadvise(): Madvise | null {
  if (process.platform !== "linux") return null;
  const { emitWarning } = process;
  try {
    process.emitWarning = () => {}; // that the module is experimental: without it only memory is lost
    const ffi = process.getBuiltinModule("node:ffi") as ForeignFunctions | undefined;
    const types = { arguments: ["uint64", "uint64", "int32"], return: "int32" };
    return ffi?.dlopen(null, { madvise: types }).functions.madvise ?? null;
  } catch {
    return null; // a Node that was built without it, or has it changed
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Does nothing where it cannot be done: nothing that depends on it may fail for want of memory alone. Takes about 5 ms. */
export function releaseProgramPages(): void {
  if (!canReleaseProgramPages() || madvise === undefined || madvise === null) return;
  let smaps: string;
  try {
    smaps = readFileSync("/proc/self/smaps", "latin1");
  } catch {
    return; // a /proc that shows less
  }
  for (const { start, length } of releasable(smaps, process.execPath)) {
    madvise(start, length, MADV_DONTNEED); // a mapping that is locked keeps its pages
  }
}

/**
 * The program's own private mappings that cannot be written and of which no page was ever changed, by `/proc/PID/smaps`
 * (proc_pid_smaps(5)). Those of other files are left alone: another thread may unmap one and put memory of its own
 * there before it is given back.
 */
export function releasable(smaps: string, program: string): AddressRange[] {
  const ranges: AddressRange[] = [];
  for (const mapping of smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const [, start, end, file] = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ \d+ +(\/.*)$/m.exec(mapping) ?? [];
    if (start === undefined || end === undefined || file !== program) continue;
    if (!/^Anonymous: +0 kB$/m.test(mapping)) continue;
    const from = BigInt(`0x${start}`);
    ranges.push({ start: from, length: BigInt(`0x${end}`) - from });
  }
  return ranges;
}
