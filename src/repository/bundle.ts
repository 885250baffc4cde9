/**
 * Many links in one object, so that a reader of a long chain asks for few. All heads come first, so that a listing reads nothing but them:
 *
 *     kubemend bundle 1 {JSON: from, to, headBytes}
 *     the heads, so many bytes
 *     the payloads of those that hold their own, in the same order
 *
 * A bundle needs no signature: each head has its own, and holds the hash of its payload.
 */
import { z } from "zod";
import { invariant, MendError } from "../errors/errors.ts";
import { decodeHead, type SignedHead } from "./head.ts";
import type { SequenceRange } from "./names.ts";

const MAGIC = "kubemend bundle 1 ";
const SCHEMA = z.object({
  from: z.number().int().positive(),
  to: z.number().int().positive(),
  headBytes: z.number().int().nonnegative(),
});
/** Longer than any first line. */
export const BUNDLE_LINE_BYTES = 128;

export interface BundleLine extends SequenceRange {
  readonly headBytes: number;
  /** Where the heads begin. */
  readonly headsAt: number;
}

/** What goes into a bundle. */
export interface BundledPart {
  readonly signed: SignedHead;
  /** Empty where the content is in another object. */
  readonly payload: Uint8Array;
}

/** `parts` are neighbours in the chain, ascending. */
export function encodeBundle(parts: readonly BundledPart[]): Uint8Array {
  const [first, last] = [parts[0]?.signed.head.sequence, parts.at(-1)?.signed.head.sequence];
  invariant(first !== undefined && last === first + parts.length - 1, "a bundle holds neighbours");
  const headBytes = parts.reduce((sum, { signed }) => sum + signed.bytes.length, 0);
  const line = Buffer.from(`${MAGIC}${JSON.stringify({ from: first, to: last, headBytes })}\n`);
  return Buffer.concat([line, ...parts.map(({ signed }) => signed.bytes), ...parts.map(({ payload }) => payload)]);
}

/** Where a link lies in a bundle. */
export interface BundledLink {
  readonly signed: SignedHead;
  /** Where its payload begins, in bytes from the beginning of the bundle. */
  readonly payloadAt: number;
}

/** The first line, from the first bytes of a bundle that is named for `range`. Throws `repository-damaged`. */
export function decodeBundleLine(bytes: Uint8Array, range: SequenceRange, where: string): BundleLine {
  const buffer = Buffer.from(bytes);
  const end = buffer.indexOf(0x0a);
  const begin = buffer.subarray(0, MAGIC.length).toString("latin1");
  if (end < 0 || begin !== MAGIC) throw damaged(where, "it does not begin as one does");
  let value: unknown;
  try {
    value = JSON.parse(buffer.subarray(MAGIC.length, end).toString());
  } catch {
    throw damaged(where, "its first line is not JSON");
  }
  const result = SCHEMA.safeParse(value);
  if (!result.success) throw damaged(where, "its first line lacks something");
  const { from, to } = result.data;
  if (from !== range.from || to !== range.to) throw damaged(where, `it holds links ${from} to ${to}`);
  return { ...result.data, headsAt: end + 1 };
}

/** The heads, from the bytes behind the first line. Throws `repository-damaged`. */
export function decodeBundleHeads(line: BundleLine, bytes: Uint8Array, where: string): BundledLink[] {
  const links: BundledLink[] = [];
  let payloadAt = line.headsAt + line.headBytes;
  let at = 0;
  for (let sequence = line.from; sequence <= line.to; sequence++) {
    const signed = decodeHead(bytes.subarray(at), where);
    if (signed === undefined) throw damaged(where, `the head of link ${sequence} is cut off`);
    if (signed.head.sequence !== sequence)
      throw damaged(where, `it holds link ${signed.head.sequence} in place of ${sequence}`);
    links.push({ signed, payloadAt });
    at += signed.bytes.length;
    if (signed.head.content.object === null) payloadAt += signed.head.content.size;
  }
  if (at !== line.headBytes) throw damaged(where, `its heads have ${at} bytes, expected ${line.headBytes}`);
  return links;
}

function damaged(where: string, text: string): MendError {
  return new MendError("repository-damaged", `"${where}" is not a bundle of links: ${text}`, {
    where,
    hint: "see all damage with kubemend backup verify",
  });
}
