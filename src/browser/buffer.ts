/**
 * What the pure folders use of Node's `Buffer`, for browsers: the bundle names it `Buffer`. Texts are made as Node
 * makes them: what is not UTF-8 becomes U+FFFD, and a byte order mark stays.
 */
type Encoding = "utf8" | "utf-8" | "latin1" | "base64" | "base64url" | "hex";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();
/** `String.fromCharCode` takes so many at once in every browser. */
const MOST_AT_ONCE = 8192;

export class Buffer extends Uint8Array<ArrayBuffer> {
  static override from(value: unknown, encoding?: unknown, length?: unknown): Buffer {
    if (typeof value === "string") return viewOf(bytesOf(value, (encoding as Encoding | undefined) ?? "utf8"));
    if (value instanceof ArrayBuffer)
      return new Buffer(value, encoding as number | undefined, length as number | undefined);
    return viewOf(Uint8Array.from(value as ArrayLike<number>));
  }

  static alloc(size: number): Buffer {
    return new Buffer(new ArrayBuffer(size));
  }

  static allocUnsafe(size: number): Buffer {
    return new Buffer(new ArrayBuffer(size));
  }

  static byteLength(text: string): number {
    return encoder.encode(text).length;
  }

  static concat(parts: readonly Uint8Array[]): Buffer {
    const whole = Buffer.alloc(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  static compare(a: Uint8Array, b: Uint8Array): number {
    return comparison(a, b);
  }

  latin1Slice(start = 0, end = this.length): string {
    return latin1Text(this, start, end);
  }

  utf8Slice(start = 0, end = this.length): string {
    return decoder.decode(this.subarray(start, end));
  }

  base64Slice(start = 0, end = this.length): string {
    return btoa(latin1Text(this, start, end));
  }

  compare(other: Uint8Array, from = 0, to = other.length, ownFrom = 0, ownTo = this.length): number {
    return comparison(this.subarray(ownFrom, ownTo), other.subarray(from, to));
  }

  readUInt32LE(at: number): number {
    return new DataView(this.buffer, this.byteOffset).getUint32(at, true);
  }

  equals(other: Uint8Array): boolean {
    return comparison(this, other) === 0;
  }

  override toString(encoding: Encoding = "utf8", start = 0, end = this.length): string {
    if (encoding === "latin1") return this.latin1Slice(start, end);
    if (encoding === "base64") return this.base64Slice(start, end);
    if (encoding === "base64url")
      return this.base64Slice(start, end).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
    if (encoding === "hex")
      return Array.from(this.subarray(start, end), (byte) => byte.toString(16).padStart(2, "0")).join("");
    return this.utf8Slice(start, end);
  }
}

/** For `SharedArrayBuffer`, which pages have only where they ask for it: nothing is shared here. */
export const Unshared: typeof ArrayBuffer = ArrayBuffer;

function viewOf(bytes: Uint8Array<ArrayBuffer>): Buffer {
  return new Buffer(bytes.buffer, bytes.byteOffset, bytes.length);
}

function bytesOf(text: string, encoding: Encoding): Uint8Array<ArrayBuffer> {
  if (encoding === "latin1") return Uint8Array.from(text, (char) => char.charCodeAt(0));
  if (encoding === "hex")
    return Uint8Array.from(text.match(/[0-9a-f]{2}/gi) ?? [], (digits) => Number.parseInt(digits, 16));
  if (encoding === "base64" || encoding === "base64url")
    return Uint8Array.from(
      atob(
        text
          .replaceAll("-", "+")
          .replaceAll("_", "/")
          .replace(/[^A-Za-z0-9+/]/g, ""),
      ),
      (char) => char.charCodeAt(0),
    );
  return encoder.encode(text);
}

function latin1Text(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at += MOST_AT_ONCE)
    text += String.fromCharCode(...bytes.subarray(at, Math.min(end, at + MOST_AT_ONCE)));
  return text;
}

function comparison(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return (a[i] ?? 0) < (b[i] ?? 0) ? -1 : 1;
  return Math.sign(a.length - b.length);
}
