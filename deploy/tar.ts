/** Tar archives in memory (POSIX.1-1988 "ustar"): the same entries give the same bytes, whoever's files they were and whenever. */
import { MendError } from "../src/errors/errors.ts";

export type TarEntry = {
  /** Without a slash in front; at most 100 bytes. */
  readonly path: string;
  readonly mode: number;
} & ({ readonly bytes: Uint8Array } | { readonly target: string } | { readonly directory: true });

const BLOCK = 512;
const FILE = "0";
const SYMBOLIC_LINK = "2";
const DIRECTORY = "5";

/** Entries in their order, all of root and of 1970, as parts to write one after another. */
export function encodeTar(entries: readonly TarEntry[]): Uint8Array[] {
  const parts = entries.flatMap((entry) => {
    const bytes = "bytes" in entry ? entry.bytes : new Uint8Array();
    return [header(entry, bytes.length), bytes, new Uint8Array(-bytes.length & (BLOCK - 1))];
  });
  return [...parts, new Uint8Array(2 * BLOCK)];
}

function header(entry: TarEntry, size: number): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  const put = (text: string, at: number, most: number) => {
    if (Buffer.byteLength(text) > most) throw new MendError("internal", `"${text}" is too long for a tar header`);
    block.write(text, at);
  };
  const octal = (value: number, at: number, digits: number) => put(value.toString(8).padStart(digits, "0"), at, digits);
  put(entry.path, 0, 100);
  octal(entry.mode, 100, 7);
  octal(0, 108, 7); // user
  octal(0, 116, 7); // group
  octal(size, 124, 11);
  octal(0, 136, 11); // time
  put(" ".repeat(8), 148, 8); // where the checksum goes
  put("bytes" in entry ? FILE : "target" in entry ? SYMBOLIC_LINK : DIRECTORY, 156, 1);
  if ("target" in entry) put(entry.target, 157, 100);
  put("ustar\0" + "00", 257, 8);
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  block[154] = 0;
  return block;
}
