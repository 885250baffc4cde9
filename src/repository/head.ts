/**
 * A link of the chain: a head that anybody can read, signed, and a payload that only the holder of an identity can. The
 * head is two lines of text, so that `head -2` shows it:
 *
 *     kubemend backup 1 {JSON}
 *     SIGNATURE
 *     PAYLOAD
 *
 * The signature is Ed25519's over the first line and its line feed, in base64. Each head holds the SHA-256 of the one
 * before (both lines), and the SHA-256 of its payload.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { MendError } from "../errors/errors.ts";
import { PUBLIC_KEY, RECIPIENTS } from "./description.ts";
import { PRUNED_RANGE } from "./pruned.ts";
import { type Signers, signerAt } from "./signers.ts";
import { isSignedBy, readSignature, type SigningKey, signatureText } from "./signing.ts";

const MAGIC = "kubemend backup 1 ";
const LINE_FEED = 0x0a;
/** Hashes and counts fit many times over; whoever names more is not us. */
export const MOST_HEAD_BYTES = 1 << 20;
const SIGNATURE_TEXT = 88;

const revision = z.number().int().nonnegative();
const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));
const id = z.string().regex(/^[0-9a-f]{1,16}$/);

const CONTENT = z.object({
  /** Of the bytes that are stored. */
  size: z.number().int().nonnegative(),
  sha256: hex(64),
  /** Bytes before compression. */
  plainSize: z.number().int().nonnegative(),
  compression: z.literal("zstd"),
  encryption: z.enum(["age", "none"]),
  /** The object that holds them; null where they follow the head. */
  object: z.string().nullable(),
});

/** etcd's HashKV at a revision that had been flushed. */
const HASH = z.object({ revision, compactRevision: revision, hash: z.number().int().nonnegative(), member: id });

const COMMON = {
  /** Of the repository. */
  repository: hex(32),
  sequence: z.number().int().positive(),
  /** SHA-256 of the head before; null for the first. */
  previous: hex(64).nullable(),
  /** The node or host that wrote it. */
  writer: z.string(),
  written: z.iso.datetime(),
  content: CONTENT,
};

const KEYSPACE = {
  cluster: id,
  member: id,
  etcdVersion: z.string(),
  /** Counts up where a cluster was restored: revisions of two histories are not comparable. */
  history: z.number().int().positive(),
  compactRevision: revision,
  hashes: z.array(HASH),
};

const FULL = z.object({
  kind: z.literal("full"),
  ...COMMON,
  ...KEYSPACE,
  /** It holds the keyspace at each of them. */
  revisions: z.object({ from: revision, to: revision }),
  /** The newest revision was current at a time between them. Null for what was imported and has no time. */
  times: z.object({ from: z.iso.datetime(), to: z.iso.datetime() }).nullable(),
  /** A keyed hash of the changes of the newest revision, by which the next writer knows that the history is the same. */
  lastChanges: hex(64).nullable(),
  /** Why it was taken. */
  reason: z.string(),
  /** Where it came from, such as the path of an imported snapshot. */
  source: z.string(),
});

const DELTA = z.object({
  kind: z.literal("delta"),
  ...COMMON,
  ...KEYSPACE,
  /** Every change of these revisions; `to` is one less than `from` where nothing changed. */
  revisions: z.object({ from: revision, to: revision }),
  times: z.object({ from: z.iso.datetime(), to: z.iso.datetime() }),
  events: z.number().int().nonnegative(),
  deletions: z.number().int().nonnegative(),
  leases: z.number().int().nonnegative(),
  /** Whether all of its changes were seen as they happened; false after a time without a watch. */
  exact: z.boolean(),
  /** As a full's. */
  lastChanges: hex(64).nullable(),
});

const NODE = z.object({
  kind: z.literal("node"),
  ...COMMON,
  node: z.string(),
  files: z.number().int().nonnegative(),
  /** A keyed hash of the files, by which the node's agent knows whether they have changed. */
  fingerprint: hex(64),
});

/** The keys were replaced: links behind this one are signed by another key. */
const ROTATION = z.object({
  kind: z.literal("rotation"),
  ...COMMON,
  /** Of the rotations, from 1. */
  number: z.number().int().positive(),
  /** The public key that signs the links behind this one. */
  signer: PUBLIC_KEY,
  /** Who can read what is stored from now on; null for a repository that is not encrypted. */
  recipients: RECIPIENTS,
  /** All that was pruned until now. */
  pruned: z.array(PRUNED_RANGE),
});

const SCHEMA = z.discriminatedUnion("kind", [FULL, DELTA, NODE, ROTATION]);

export type Head = z.infer<typeof SCHEMA>;
export type FullHead = z.infer<typeof FULL>;
export type DeltaHead = z.infer<typeof DELTA>;
export type NodeHead = z.infer<typeof NODE>;
export type RotationHead = z.infer<typeof ROTATION>;
export type Content = z.infer<typeof CONTENT>;
export type HashMark = z.infer<typeof HASH>;

type Placed = "repository" | "sequence" | "previous" | "writer" | "written";
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** A head before it has its place in the chain. */
export type HeadDraft = DistributiveOmit<Head, Placed>;

/** A head as it was read: with its own bytes, which the next one's `previous` is of. */
export interface SignedHead {
  readonly head: Head;
  /** Both lines. */
  readonly bytes: Uint8Array;
  /** SHA-256 of them, in hex. */
  readonly hash: string;
  /** What was signed. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

export function encodeHead(head: Head, key: SigningKey): SignedHead {
  const signed = Buffer.from(`${MAGIC}${JSON.stringify(head)}\n`);
  const signature = key.sign(signed);
  const bytes = Buffer.concat([signed, Buffer.from(`${signatureText(signature)}\n`)]);
  return { head, bytes, hash: sha256Hex(bytes), signed, signature };
}

/**
 * The head at the beginning of `bytes`; undefined where they end before it does, so that the caller reads more. Whether
 * it is signed by the right key is for {@link isAuthentic} to say. Throws `repository-damaged`.
 */
export function decodeHead(bytes: Uint8Array, where: string): SignedHead | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = buffer.subarray(0, MAGIC.length).toString("latin1");
  if (!MAGIC.startsWith(magic)) throw damaged(where, "it does not begin as one does");
  const first = buffer.indexOf(LINE_FEED);
  if (first < 0 || buffer.length < first + 1 + SIGNATURE_TEXT + 1) {
    if (buffer.length >= MOST_HEAD_BYTES) throw damaged(where, `its head has more than ${MOST_HEAD_BYTES} bytes`);
    return undefined;
  }
  const end = first + 1 + SIGNATURE_TEXT;
  const text = buffer.subarray(first + 1, end).toString("latin1");
  const signature = readSignature(text);
  if (buffer[end] !== LINE_FEED || signature === undefined) throw damaged(where, "it has no signature");
  let value: unknown;
  try {
    value = JSON.parse(buffer.subarray(MAGIC.length, first).toString());
  } catch {
    throw damaged(where, "its head is not JSON");
  }
  const result = SCHEMA.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw damaged(where, `${issue?.path.join(".") || "its head"}: ${issue?.message}`);
  }
  const own = Buffer.from(buffer.subarray(0, end + 1));
  return {
    head: result.data,
    bytes: own,
    hash: sha256Hex(own),
    signed: own.subarray(0, first + 1),
    signature,
  };
}

/** A chain of a day has thousands of heads, and each is asked about more than once. */
const authentic = new WeakMap<SignedHead, string>();

/** Whether it is signed by the key that signs links of its number. */
export function isAuthentic(head: SignedHead, signers: Signers): boolean {
  const publicKey = signerAt(signers, head.head.sequence);
  if (authentic.get(head) === publicKey) return true;
  const isOk = isSignedBy(publicKey, head.signed, head.signature);
  if (isOk) authentic.set(head, publicKey);
  return isOk;
}

function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function damaged(where: string, text: string): MendError {
  return new MendError("repository-damaged", `"${where}" is not a link of a backup chain: ${text}`, {
    where,
    hint: "see all damage with kubemend backup verify",
  });
}
