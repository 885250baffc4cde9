/**
 * Protobuf's wire format (protobuf.dev/programming-guides/encoding), as far as Kubernetes' generated code uses it. Readers check every
 * length against the end of the enclosing message before they touch or allocate anything.
 */

/** Wire types. Groups are deprecated and never written, but skipped where they occur. */
export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
const GROUP_START = 3;
const GROUP_END = 4;
export const FIXED32 = 5;

/** Bytes that are not what they claim to be. Thrown inside the decoder only, and turned into an `unreadable` value at its edge. */
export class WireError extends Error {
  override readonly name = "WireError";
  /** Byte offset in the value. */
  readonly offset: number;

  constructor(text: string, offset: number) {
    super(text);
    this.offset = offset;
  }
}

const GROUP_DEPTH = 64;

/** A position in bytes. `end` is always the end of the message that is being read. */
export class WireReader {
  readonly bytes: Uint8Array;
  pos: number;

  constructor(bytes: Uint8Array, pos = 0) {
    this.bytes = bytes;
    this.pos = pos;
  }

  /** The low 32 bits of a varint, unsigned: tags, lengths, and 32-bit fields. */
  varint32(end: number): number {
    const { bytes } = this;
    let value = 0;
    let shift = 0;
    for (;;) {
      if (this.pos >= end) throw new WireError("a number runs past the end", this.pos);
      const byte = bytes[this.pos++]!;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
      shift += 7;
      if (shift > 63) throw new WireError("a number is longer than ten bytes", this.pos);
    }
  }

  /** A signed 64-bit varint: a bigint where a number would round it. */
  int64(end: number): number | bigint {
    const { bytes } = this;
    let low = 0;
    let high = 0;
    let shift = 0;
    for (;;) {
      if (this.pos >= end) throw new WireError("a number runs past the end", this.pos);
      const byte = bytes[this.pos++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) break;
      shift += 7;
      if (shift > 63) throw new WireError("a number is longer than ten bytes", this.pos);
    }
    low >>>= 0;
    if (high >= -0x200000 && high < 0x200000) {
      const value = high * 0x1_0000_0000 + low;
      if (Number.isSafeInteger(value)) return value;
    }
    return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low));
  }

  /** An unsigned 64-bit varint: a bigint where a number would round it. */
  uint64(end: number): number | bigint {
    const value = this.int64(end);
    return value < 0 ? BigInt.asUintN(64, BigInt(value)) : value;
  }

  /** A length, checked against what is left, so that `pos + length` is inside the message. */
  length(end: number): number {
    const start = this.pos;
    const length = this.varint32(end);
    // A length of 2^32 and more would be cut to its low bits: its varint is longer than five bytes.
    if (length > end - this.pos || this.pos - start > 5) throw new WireError("a length runs past the end", start);
    return length;
  }

  double(end: number): number {
    if (end - this.pos < 8) throw new WireError("a double runs past the end", this.pos);
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset + this.pos, 8);
    this.pos += 8;
    return view.getFloat64(0, true);
  }

  float(end: number): number {
    if (end - this.pos < 4) throw new WireError("a float runs past the end", this.pos);
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset + this.pos, 4);
    this.pos += 4;
    return view.getFloat32(0, true);
  }

  /** Steps over a field whose tag was read. */
  skip(wireType: number, end: number, depth = 0): void {
    if (wireType === VARINT) this.varint32(end);
    else if (wireType === BYTES) {
      const length = this.length(end);
      this.pos += length;
    } else if (wireType === FIXED64 || wireType === FIXED32) {
      const size = wireType === FIXED64 ? 8 : 4;
      if (end - this.pos < size) throw new WireError("a fixed-size number runs past the end", this.pos);
      this.pos += size;
    } else if (wireType === GROUP_START) {
      if (depth >= GROUP_DEPTH) throw new WireError("groups are nested too deeply", this.pos);
      for (;;) {
        const tag = this.varint32(end);
        if ((tag & 7) === GROUP_END) return;
        this.skip(tag & 7, end, depth + 1);
      }
    } else throw new WireError(`wire type ${wireType} is not one`, this.pos);
  }
}
