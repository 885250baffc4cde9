/**
 * DER, the byte encoding of X.509 (ITU-T X.690), as far as certificates need it: definite lengths, and the few types that a
 * certificate is made of. Encoding is complete for {@link ./certificate.ts}; decoding only walks to a field.
 */
import { MendError } from "../errors.ts";

/** Identifier octets of the types used here. */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const;

/** One value: identifier, length, content. */
export function derValue(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const head = size < 0x80 ? [tag, size] : [tag, 0x80 | lengthOctets(size).length, ...lengthOctets(size)];
  const bytes = new Uint8Array(head.length + size);
  bytes.set(head);
  let at = head.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function lengthOctets(size: number): number[] {
  const octets: number[] = [];
  for (let rest = size; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return octets;
}

export const derSequence = (...parts: readonly Uint8Array[]): Uint8Array => derValue(TAG.sequence, ...parts);
export const derSet = (...parts: readonly Uint8Array[]): Uint8Array => derValue(TAG.set, ...parts);
export const derNull = (): Uint8Array => derValue(TAG.null);
export const derTrue = (): Uint8Array => derValue(TAG.boolean, Uint8Array.of(0xff));
export const derText = (text: string): Uint8Array => derValue(TAG.utf8String, new TextEncoder().encode(text));
export const derOctets = (bytes: Uint8Array): Uint8Array => derValue(TAG.octetString, bytes);

/** A value under a context tag: `[number]`, constructed (holding other values) or primitive (holding bytes). */
export function derContext(number: number, constructed: boolean, ...parts: readonly Uint8Array[]): Uint8Array {
  return derValue(0x80 | (constructed ? 0x20 : 0) | number, ...parts);
}

/** A non-negative INTEGER of big-endian bytes: leading zeros dropped, one put back where the top bit would mean a sign. */
export function derInteger(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.subarray(start);
  return (digits[0] ?? 0) & 0x80 ? derValue(TAG.integer, Uint8Array.of(0), digits) : derValue(TAG.integer, digits);
}

/** A BIT STRING whose last `unused` bits do not count. */
export function derBits(bytes: Uint8Array, unused = 0): Uint8Array {
  return derValue(TAG.bitString, Uint8Array.of(unused), bytes);
}

/** An OBJECT IDENTIFIER from its dotted form, such as `2.5.29.17`. */
export function derOid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const octets = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift(0x80 | (left & 0x7f));
    octets.push(...groups);
  }
  return derValue(TAG.objectIdentifier, Uint8Array.from(octets));
}

/** A time to the second: UTCTime until 2049, GeneralizedTime after (RFC 5280, 4.1.2.5). */
export function derTime(time: Date): Uint8Array {
  const digits = time.toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  const utc = time.getUTCFullYear() >= 1950 && time.getUTCFullYear() < 2050;
  return derValue(utc ? TAG.utcTime : TAG.generalizedTime, new TextEncoder().encode(utc ? digits.slice(2) : digits));
}

/** One decoded value: its tag, its content, and the whole of it with its head. Views into the input. */
export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly whole: Uint8Array;
}

/** Reads the values that stand one after another in `bytes`. Throws `certificate-invalid` on a length that does not fit. */
export function decodeDer(bytes: Uint8Array): DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length; ) {
    const value = decodeOne(bytes.subarray(at));
    values.push(value);
    at += value.whole.length;
  }
  return values;
}

function decodeOne(bytes: Uint8Array): DerValue {
  const tag = bytes[0];
  let size = bytes[1];
  let head = 2;
  if (tag === undefined || size === undefined) throw malformed();
  if (size >= 0x80) {
    const octets = size & 0x7f;
    if (octets === 0 || octets > 4 || bytes.length < 2 + octets) throw malformed();
    size = 0;
    for (; head < 2 + octets; head++) size = size * 256 + bytes[head]!;
  }
  if (bytes.length - head < size) throw malformed();
  return { tag, content: bytes.subarray(head, head + size), whole: bytes.subarray(0, head + size) };
}

function malformed(): MendError {
  return new MendError("certificate-invalid", "a certificate is not valid DER: a length reaches past its end");
}
