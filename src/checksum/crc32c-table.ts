/**
 * CRC-32C (Castagnoli; RFC 3720 appendix B.4) by tables, eight bytes a step: about 1 GB/s. What `crc32c` falls back to where a
 * native module cannot be loaded.
 */
const POLYNOMIAL = 0x82f63b78; // reflected
const SLICES = 8;

/** `table[256 * k + b]`: the remainder of byte `b` with `k` zero bytes after it. */
let table: Int32Array | undefined;

function makeTable(): Int32Array {
  const made = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? POLYNOMIAL : 0);
    made[byte] = remainder;
  }
  for (let at = 256; at < made.length; at++) {
    const shorter = made[at - 256]!;
    made[at] = (shorter >>> 8) ^ made[shorter & 255]!;
  }
  return made;
}

/** The checksum of `data`, going on from the checksum `initial` of what came before it. */
export function crc32cByTable(data: Uint8Array, initial = 0): number {
  table ??= makeTable();
  return crcOf(data, initial, table);
}

function crcOf(data: Uint8Array, initial: number, table: Int32Array): number {
  const { length } = data;
  let crc = ~initial;
  let at = 0;
  for (const end = length - (SLICES - 1); at < end; at += SLICES) {
    crc ^= data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);
    crc =
      table[1792 + (crc & 255)]! ^
      table[1536 + ((crc >>> 8) & 255)]! ^
      table[1280 + ((crc >>> 16) & 255)]! ^
      table[1024 + (crc >>> 24)]! ^
      table[768 + data[at + 4]!]! ^
      table[512 + data[at + 5]!]! ^
      table[256 + data[at + 6]!]! ^
      table[data[at + 7]!]!;
  }
  for (; at < length; at++) crc = (crc >>> 8) ^ table[(crc ^ data[at]!) & 255]!;
  return ~crc >>> 0;
}
