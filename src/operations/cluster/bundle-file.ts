/**
 * The file of one node that carries a restore there without ssh: a line of magic with the SHA-256 of the next, a line
 * of JSON with the plan and what the node needs, and the snapshot. It holds every secret of the cluster: 0600, or
 * encrypted for age's recipients.
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { BackupIdentity } from "../../cluster/backup-facts.ts";
import type { RestorePlan } from "../../cluster/restore-plan.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { fromSystemError } from "../../errors/system-error.ts";
import { realFileSystem } from "../../io/files/durable/file-system.ts";
import { openTarget } from "../../io/files/durable/target.ts";
import { writeFile } from "../../io/files/durable/write-file.ts";
import { decryptAge, encryptAge } from "../../io/repository/age-stream.ts";
import { readIdentity } from "../../io/repository/identity.ts";
import { createTurns } from "../../snapshot/turns.ts";
import type { SentFile } from "./node/prepare-node.ts";

export interface BundleHead {
  readonly plan: RestorePlan;
  readonly node: string;
  /** Hex: by it nodes of the operation know each other. */
  readonly secret: string;
  /** Manifests by file name, for those that the node does not have. */
  readonly spare: Readonly<Record<string, string>>;
  readonly named: readonly string[];
  readonly ports: readonly (readonly [port: number, component: string])[];
  readonly images: readonly string[];
  readonly identity: BackupIdentity;
  readonly authorities: readonly string[];
  readonly acceptNewAuthority: boolean;
  /** Files that the node may lack. */
  readonly files: readonly { readonly from: "repository" | "kubeadm-certs" | "backup"; readonly file: SentFile }[];
  /** Of the snapshot behind. */
  readonly size: number;
  readonly sha256: string;
}

const MAGIC = "kubemend-bundle 1";
const AGE = "age-encryption.org/v1";
const COMMAND = "cluster bundle";
/** Manifests and certificates of a node; a snapshot is not in the lines. */
const MOST_LINE_BYTES = 64 * 1024 * 1024;

/** Throws `already-exists`, and what encrypting and writing throw. */
export async function writeBundle(
  path: string,
  head: BundleHead,
  content: Iterable<Uint8Array>,
  recipients: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  using target = openTarget(path, { command: COMMAND, kind: "file", strict: true });
  const plain = bundleBytes(head, content);
  const bytes = recipients.length === 0 ? plain : encryptAge(plain, recipients);
  const fill = async (file: { write(bytes: Uint8Array, at: number): void }): Promise<void> => {
    const turn = createTurns(signal);
    let at = 0;
    for await (const chunk of bytes) {
      await turn();
      file.write(chunk, at);
      at += chunk.length;
    }
  };
  await writeFile(realFileSystem, target, COMMAND, fill, { mode: 0o600, mustBeNew: true });
}

async function* bundleBytes(head: BundleHead, content: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const line = new TextEncoder().encode(JSON.stringify(head));
  yield new TextEncoder().encode(`${MAGIC} ${createHash("sha256").update(line).digest("hex")}\n`);
  yield line;
  yield new Uint8Array([0x0a]);
  yield* content;
}

/**
 * The head, and the snapshot behind it, which is read once. Throws `config-invalid` for what is no bundle or a damaged
 * one, `identity-missing` for one that is encrypted.
 */
export async function openBundle(
  path: string,
  identityFile: string | undefined,
): Promise<{ readonly head: BundleHead; readonly snapshot: AsyncIterable<Uint8Array> }> {
  const chunks = (await plainBytes(path, identityFile))[Symbol.asyncIterator]();
  const first = await readLine(chunks, Buffer.alloc(0), path);
  const [, version, hash] = /^(kubemend-bundle \d+) ([0-9a-f]{64})$/.exec(first.line.toString("latin1")) ?? [];
  if (version === undefined) throw noBundle(path, "it is no bundle of kubemend's");
  if (version !== MAGIC) throw noBundle(path, `it is ${version}, and this kubemend reads ${MAGIC}`);
  const second = await readLine(chunks, first.rest, path);
  if (createHash("sha256").update(second.line).digest("hex") !== hash) throw noBundle(path, "it was damaged");
  return { head: JSON.parse(second.line.toString()) as BundleHead, snapshot: restOf(second.rest, chunks) };
}

async function plainBytes(path: string, identityFile: string | undefined): Promise<AsyncIterable<Uint8Array>> {
  const source = fileChunks(path)[Symbol.asyncIterator]();
  const begun = await source.next();
  const head = begun.done === true ? Buffer.alloc(0) : Buffer.from(begun.value);
  const all = restOf(head, source);
  if (!head.subarray(0, AGE.length).equals(Buffer.from(AGE))) return all;
  if (identityFile === undefined) {
    throw new MendError("identity-missing", `"${path}" is encrypted`, {
      where: path,
      hint: `give the identity that it was encrypted for with ${input("identity")}`,
    });
  }
  const keys = readIdentity(identityFile).keys.map((key) => key.expose());
  return decryptAge(all, keys, path);
}

async function* fileChunks(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw fromSystemError(error, "read", path);
  }
}

async function readLine(
  chunks: AsyncIterator<Uint8Array>,
  begun: Uint8Array,
  path: string,
): Promise<{ readonly line: Buffer; readonly rest: Buffer }> {
  const parts: Uint8Array[] = [begun];
  let size = begun.length;
  for (let last = begun; ; ) {
    const end = last.indexOf(0x0a);
    if (end >= 0) {
      const all = Buffer.concat(parts);
      const at = size - last.length + end;
      return { line: all.subarray(0, at), rest: all.subarray(at + 1) };
    }
    const next = await chunks.next();
    if (next.done === true || size > MOST_LINE_BYTES) throw noBundle(path, "it is no bundle of kubemend's");
    last = next.value;
    parts.push(last);
    size += last.length;
  }
}

async function* restOf(first: Uint8Array, chunks: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
}

function noBundle(path: string, why: string): MendError {
  return new MendError("config-invalid", `"${path}": ${why}`, {
    where: path,
    hint: "make it again with kubemend cluster bundle",
  });
}
