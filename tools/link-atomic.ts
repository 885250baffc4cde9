/**
 * Node 26 needs libatomic.so.1 for one function, and minimal machines do not have it. This puts that function into the
 * program itself: its code into the free bytes behind the program's own, the address of it where the dynamic linker
 * would have put the library's, and the library off the list of what is loaded. Sources: the ELF specification (System
 * V gABI), glibc's symbol versioning, and GCC's libatomic for what the function does.
 *
 * Nothing is guessed: a program that needs more of the library, or that is laid out in another way, is refused.
 */

const LIBRARY = "libatomic.so.1";
const FUNCTION = "__atomic_compare_exchange";

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PF_X = 1;
const DT = { needed: 1n, rela: 7n, relasz: 8n, strtab: 5n, symtab: 6n, pltrelsz: 2n, jmprel: 23n, flags: 30n } as const;
const DT_VERSYM = 0x6ffffff0n;
const DT_VERNEED = 0x6ffffffen;
const DT_VERNEEDNUM = 0x6fffffffn;
const DF_BIND_NOW = 8n;
const VER_NDX_GLOBAL = 1;

interface Machine {
  /**
   * `bool __atomic_compare_exchange(size_t size, void *object, void *expected, void *desired, int, int)` for 8 bytes,
   * all that Node asks for; else it traps.
   */
  readonly code: Uint8Array;
  /** Relocations that take a function's address, and the one for an address in the program itself. */
  readonly takesAddress: readonly number[];
  readonly relative: number;
}

const MACHINES: Readonly<Record<number, Machine>> = {
  // x86-64: cmp rdi, 8; jne trap; mov rax, [rdx]; mov r8, [rcx]; lock cmpxchg [rsi], r8; mov [rdx], rax; sete al; ret; trap: ud2
  62: {
    code: Buffer.from("4883ff087512488b024c8b01f04c0fb1064889020f94c0c30f0b", "hex"),
    takesAddress: [6, 7],
    relative: 8,
  },
  // AArch64: the same with a pair of ldaxr and stlxr, which every ARMv8 has
  183: {
    code: new Uint8Array(
      new Uint32Array([
        0xf100201f, 0x540001c1, 0xf9400048, 0xf9400069, 0xc85ffc2a, 0xeb08015f, 0x540000a1, 0xc80bfc29, 0x35ffff8b,
        0x52800020, 0xd65f03c0, 0xd5033f5f, 0xf900004a, 0x52800000, 0xd65f03c0, 0xd4200000,
      ]).buffer,
    ),
    takesAddress: [1025, 1026],
    relative: 1027,
  },
};

interface Segment {
  /** Of its entry in the program header table. */
  readonly header: number;
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** Changes the bytes of a program in place. False where it does not need the library. Throws where it cannot be done. */
export function linkAtomic(program: Buffer): boolean {
  if (program.readUInt32BE(0) !== 0x7f454c46 || program[4] !== 2 || program[5] !== 1)
    throw new Error("not a 64-bit little-endian ELF file");
  const machine = MACHINES[program.readUInt16LE(18)];
  if (machine === undefined) throw new Error(`no code for ELF machine ${program.readUInt16LE(18)}`);
  const segments = readSegments(program);
  const at = (address: bigint | number) => offsetOf(segments, Number(address));
  const dynamicSegment = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamicSegment === undefined) throw new Error("no dynamic segment");
  const dynamic = readDynamic(program, dynamicSegment);
  const value = (tag: bigint) => {
    const found = dynamic.find((entry) => entry.tag === tag);
    if (found === undefined) throw new Error(`no dynamic entry ${tag}`);
    return found.value;
  };
  const strings = at(value(DT.strtab));
  const text = (offset: number) => {
    const start = strings + offset;
    return program.toString("latin1", start, program.indexOf(0, start));
  };
  const needed = dynamic.find((entry) => entry.tag === DT.needed && text(Number(entry.value)) === LIBRARY);
  if (needed === undefined) return false;
  if ((value(DT.flags) & DF_BIND_NOW) === 0n) throw new Error("symbols are bound lazily");

  const code = placeCode(program, segments, machine.code);
  const versions = unlinkVersions(program, dynamic, at, text);
  const symbols = at(value(DT.symtab));
  const versionOf = at(value(DT_VERSYM));
  const used = new Set<number>();
  const tables = [
    { start: at(value(DT.rela)), bytes: Number(value(DT.relasz)) },
    { start: at(value(DT.jmprel)), bytes: Number(value(DT.pltrelsz)) },
  ];
  let changed = 0;
  for (const { start, bytes } of tables) {
    for (let entry = start; entry < start + bytes; entry += 24) {
      const symbol = program.readUInt32LE(entry + 12);
      if (symbol === 0 || !versions.has(program.readUInt16LE(versionOf + 2 * symbol))) continue;
      const name = text(program.readUInt32LE(symbols + 24 * symbol));
      const type = program.readUInt32LE(entry + 8);
      if (name !== FUNCTION || !machine.takesAddress.includes(type))
        throw new Error(`it uses "${name}" of ${LIBRARY}, by a relocation of type ${type}`);
      program.writeBigUInt64LE(BigInt(machine.relative), entry + 8);
      program.writeBigInt64LE(BigInt(code), entry + 16);
      used.add(symbol);
      changed++;
    }
  }
  if (changed === 0) throw new Error(`nothing in it uses ${LIBRARY}`);
  for (const symbol of used) program.writeUInt16LE(VER_NDX_GLOBAL, versionOf + 2 * symbol);
  // Entries behind it move up; the last is DT_NULL, twice then.
  const end = dynamic.at(-1)!.position + 16;
  program.copyWithin(needed.position, needed.position + 16, end);
  return true;
}

function readSegments(program: Buffer): Segment[] {
  const start = Number(program.readBigUInt64LE(32));
  const size = program.readUInt16LE(54);
  return Array.from({ length: program.readUInt16LE(56) }, (_, i) => {
    const header = start + i * size;
    return {
      header,
      type: program.readUInt32LE(header),
      flags: program.readUInt32LE(header + 4),
      offset: Number(program.readBigUInt64LE(header + 8)),
      address: Number(program.readBigUInt64LE(header + 16)),
      size: Number(program.readBigUInt64LE(header + 32)),
    };
  });
}

function offsetOf(segments: readonly Segment[], address: number): number {
  const segment = segments.find(
    (each) => each.type === PT_LOAD && address >= each.address && address < each.address + each.size,
  );
  if (segment === undefined) throw new Error(`address 0x${address.toString(16)} is in no segment`);
  return segment.offset + (address - segment.address);
}

interface DynamicEntry {
  readonly position: number;
  readonly tag: bigint;
  readonly value: bigint;
}

/** Up to the first DT_NULL, with it. */
function readDynamic(program: Buffer, { offset, size }: Segment): DynamicEntry[] {
  const entries: DynamicEntry[] = [];
  for (let position = offset; position < offset + size; position += 16) {
    const tag = program.readBigInt64LE(position);
    entries.push({ position, tag, value: program.readBigUInt64LE(position + 8) });
    if (tag === 0n) break;
  }
  return entries;
}

/** The code's address: behind the program's own, in bytes that the file has and nobody uses. */
function placeCode(program: Buffer, segments: readonly Segment[], code: Uint8Array): number {
  const segment = segments.find(({ type, flags }) => type === PT_LOAD && (flags & PF_X) !== 0);
  if (segment === undefined) throw new Error("no segment of code");
  const start = (segment.offset + segment.size + 15) & ~15;
  const end = start + code.length;
  const address = segment.address + (start - segment.offset);
  const isTaken = segments.some(
    (each) =>
      each !== segment &&
      each.type === PT_LOAD &&
      ((each.offset < end && each.offset + each.size > start) ||
        (each.address < address + code.length && each.address + each.size > address)),
  );
  const isFree = !isTaken && program.subarray(segment.offset + segment.size, end).every((byte) => byte === 0);
  if (!isFree || end > program.length) throw new Error("there is no free place for the code");
  program.set(code, start);
  const size = BigInt(end - segment.offset);
  program.writeBigUInt64LE(size, segment.header + 32);
  program.writeBigUInt64LE(size, segment.header + 40);
  return address;
}

/** Takes the library's versions off the list that the dynamic linker checks, and returns their numbers. */
function unlinkVersions(
  program: Buffer,
  dynamic: readonly DynamicEntry[],
  at: (address: bigint) => number,
  text: (offset: number) => string,
): ReadonlySet<number> {
  const list = dynamic.find(({ tag }) => tag === DT_VERNEED);
  const count = dynamic.find(({ tag }) => tag === DT_VERNEEDNUM);
  if (list === undefined || count === undefined) throw new Error("no versions of libraries");
  let previous: number | undefined;
  for (let entry = at(list.value), i = 0n; i < count.value; i++) {
    const next = program.readUInt32LE(entry + 12);
    if (text(program.readUInt32LE(entry + 4)) !== LIBRARY) {
      previous = entry;
      entry += next;
      continue;
    }
    const numbers = new Set<number>();
    let version = entry + program.readUInt32LE(entry + 8);
    for (let left = program.readUInt16LE(entry + 2); left > 0; left--) {
      numbers.add(program.readUInt16LE(version + 6));
      version += program.readUInt32LE(version + 12);
    }
    if (previous === undefined) program.writeBigUInt64LE(list.value + BigInt(next), list.position + 8);
    else program.writeUInt32LE(next === 0 ? 0 : entry + next - previous, previous + 12);
    program.writeBigUInt64LE(count.value - 1n, count.position + 8);
    return numbers;
  }
  throw new Error(`no version of ${LIBRARY} is named`);
}
