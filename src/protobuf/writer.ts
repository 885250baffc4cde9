/**
 * Writes protobuf from its end to its start, as gogo/protobuf does: a message's length is known by the time it is due,
 * and nothing is copied into its parent.
 */

const FIRST_SIZE = 4096;
/** Shorter texts are copied here, longer ones by Node. */
const SHORT = 64;

export class WireWriter {
  private bytes: Uint8Array;
  /** Where the last written byte is; what follows is done. */
  private at: number;

  /** `expected`: about how many bytes will be written. */
  constructor(expected = FIRST_SIZE) {
    this.bytes = new Uint8Array(expected);
    this.at = expected;
  }

  /** How many bytes are written. */
  get size(): number {
    return this.bytes.length - this.at;
  }

  private reserve(count: number): void {
    if (count <= this.at) return;
    const { size } = this;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, size + count));
    grown.set(this.bytes.subarray(this.at), grown.length - size);
    this.bytes = grown;
    this.at = grown.length - size;
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.at -= bytes.length;
    this.bytes.set(bytes, this.at);
  }

  /** The UTF-8 of a text. */
  text(text: string): void {
    this.reserve(text.length);
    let at = this.at;
    let i = text.length;
    if (i < SHORT) {
      for (; i > 0; i--) {
        const code = text.charCodeAt(i - 1);
        if (code > 0x7f) break;
        this.bytes[--at] = code;
      }
    }
    if (i === 0) this.at = at;
    else this.raw(Buffer.from(text, "utf8"));
  }

  /** An unsigned number below 2^53. */
  varint(value: number): void {
    if (value > 0xffff_ffff) {
      this.varint64(BigInt(value));
      return;
    }
    const length = value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
    this.reserve(length);
    this.at -= length;
    let rest = value;
    for (let index = 0; index < length - 1; index++) {
      this.bytes[this.at + index] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.at + length - 1] = rest;
  }

  /** A 64-bit number; a negative one takes ten bytes. */
  varint64(value: bigint): void {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, value);
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes.push(Number(rest));
    this.raw(Uint8Array.from(bytes));
  }

  /** A signed whole number. */
  integer(value: number | bigint): void {
    if (typeof value === "number" && value >= 0) this.varint(value);
    else this.varint64(BigInt(value));
  }

  tag(number: number, wireType: number): void {
    this.varint(number * 8 + wireType);
  }

  double(value: number): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    this.raw(bytes);
  }

  float(value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    this.raw(bytes);
  }

  /** The length and tag of what was written since `size` was `before`. */
  delimit(number: number, before: number): void {
    this.varint(this.size - before);
    this.tag(number, 2);
  }

  /** A copy of everything written. */
  finish(): Uint8Array {
    return this.bytes.slice(this.at);
  }
}
