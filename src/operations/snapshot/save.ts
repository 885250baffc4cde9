/** `snapshot save`: a snapshot of a live member, under its final name only when it is whole. */

import { createHash } from "node:crypto";
import { defined } from "../../errors/defined.ts";
import { type Finding, MendError } from "../../errors/errors.ts";
import { type EtcdClient, isUnreached, openEtcd } from "../../io/etcd/etcd-client.ts";
import { type EtcdAccess, type EtcdFlags, prepareEtcdAccess } from "../../io/etcd/etcd-connection.ts";
import { explainEtcdFailure } from "../../io/etcd/etcd-failure.ts";
import { checkDiskSpace } from "../../io/files/durable/disk-space.ts";
import { type FileSystem, realFileSystem } from "../../io/files/durable/file-system.ts";
import { openStdout } from "../../io/files/durable/stdout.ts";
import { openTarget, type Target } from "../../io/files/durable/target.ts";
import { writeFile } from "../../io/files/durable/write-file.ts";
import { newestRevision } from "../../mvcc/newest-revision.ts";
import { checkStructure } from "../../snapshot/check-structure.ts";
import { openSnapshot } from "../../snapshot/open-snapshot.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";

const COMMAND = "snapshot save";

export interface SaveOptions {
  readonly etcd: EtcdFlags;
  readonly signal?: AbortSignal;
  readonly progress?: ProgressSink;
  readonly fileSystem?: FileSystem;
}

export interface SaveResult {
  /** Null for standard output. */
  readonly file: string | null;
  readonly endpoint: string;
  /** Bytes of the file, the hash at its end included. */
  readonly size: number;
  /** Of the database, in hex, as the server sent it and as it was found. */
  readonly sha256: string;
  /** Null for standard output, which cannot be read again. */
  readonly revision: number | null;
  /** Endpoints that failed before this one, and why. */
  readonly failed: readonly { readonly endpoint: string; readonly error: string }[];
  readonly findings: readonly Finding[];
}

const HASH_SIZE = 32;
/** Small enough for the cache of a core. */
const BUFFER_BYTES = 128 * 1024;

/**
 * Takes the endpoints in turn until one has sent a whole snapshot. Throws `snapshot-hash-mismatch` where what arrived
 * is not what was sent.
 */
export async function saveSnapshot(path: string, options: SaveOptions): Promise<SaveResult> {
  const access = await prepareEtcdAccess(options.etcd);
  using target = path === "-" ? undefined : openTarget(path, { command: COMMAND, kind: "file" });
  const failed: { endpoint: string; error: string }[] = [];
  for (const [i, endpoint] of access.endpoints.entries()) {
    try {
      const saved =
        target === undefined
          ? await saveToStdout(endpoint, access, options)
          : { ...(await saveToFile(target, endpoint, access, options)), file: path };
      return { ...saved, failed };
    } catch (error) {
      options.signal?.throwIfAborted();
      // A snapshot cannot be continued: the file of another member is another file. So the next one restarts.
      const isLast = i + 1 === access.endpoints.length;
      if (isLast || path === "-" || !(error instanceof MendError) || !FROM_THE_SERVER.has(error.code)) {
        throw isUnreached(error) ? await explainEtcdFailure(error, endpoint, access) : error;
      }
      failed.push({ endpoint, error: error.message });
    }
  }
  throw new MendError("usage", "no endpoint is given");
}

const FROM_THE_SERVER: ReadonlySet<string> = new Set([
  "etcd-unreachable",
  "etcd-refused",
  "tls-failed",
  "timeout",
  "unsupported",
  "snapshot-truncated",
  "snapshot-hash-mismatch",
  "snapshot-damaged",
]);

async function saveToFile(
  target: Target,
  endpoint: string,
  access: EtcdAccess,
  options: SaveOptions,
): Promise<Omit<SaveResult, "failed">> {
  const fs = options.fileSystem ?? realFileSystem;
  let checked: Awaited<ReturnType<typeof checkSaved>> | undefined;
  const received = await writeFile(
    fs,
    target,
    COMMAND,
    (file) =>
      receive(endpoint, access, options, {
        begin: (total) => checkDiskSpace(target.path, total),
        write: (bytes, position) => file.write(bytes, position),
      }),
    {
      mode: 0o600, // all the cluster's secrets are in it
      async check(staged) {
        checked = await checkSaved(staged, target.path, options);
      },
    },
  );
  return { file: target.path, endpoint, ...received, ...defined(checked) };
}

async function saveToStdout(
  endpoint: string,
  access: EtcdAccess,
  options: SaveOptions,
): Promise<Omit<SaveResult, "failed">> {
  using output = openStdout();
  const received = await receive(endpoint, access, options, { write: (bytes) => output.write(bytes) });
  return { file: null, endpoint, ...received, revision: null, findings: [] };
}

interface Sink {
  /** How many bytes etcd says it will send, with its first ones. */
  begin?(total: number): void;
  write(bytes: Uint8Array, position: number): Promise<void> | void;
}

/** Streams the snapshot into `sink`, hashing on the way. */
async function receive(
  endpoint: string,
  access: EtcdAccess,
  options: SaveOptions,
  sink: Sink,
): Promise<{ size: number; sha256: string }> {
  const client = openEtcd(endpoint, access, options.signal);
  try {
    return await receiveFrom(client, options, sink);
  } finally {
    client.close();
  }
}

async function receiveFrom(
  client: EtcdClient,
  { progress }: SaveOptions,
  sink: Sink,
): Promise<{ size: number; sha256: string }> {
  const hash = createHash("sha256");
  // The hash is the last 32 bytes, whatever pieces it comes in: they are held back.
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  let filled = 0;
  let position = 0;
  const flush = async (): Promise<void> => {
    const bytes = buffer.subarray(0, filled - HASH_SIZE);
    hash.update(bytes);
    await sink.write(bytes, position);
    position += bytes.length;
    buffer.copyWithin(0, bytes.length, filled);
    filled = HASH_SIZE;
  };
  for await (const { blob, remaining } of client.snapshot()) {
    if (position + filled === 0) sink.begin?.(blob.length + remaining);
    for (let at = 0; at < blob.length; ) {
      const part = blob.subarray(at, at + buffer.length - filled);
      buffer.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled === buffer.length) await flush();
    }
    const done = position + filled;
    progress?.({ step: "saving", done, total: done + remaining, unit: "bytes" });
  }
  const size = position + filled;
  if (filled < HASH_SIZE || size % 512 !== HASH_SIZE) {
    throw new MendError(
      "snapshot-truncated",
      `"${client.endpoint}" sent ${size} bytes without a SHA-256 at their end`,
      {
        where: client.endpoint,
        hint: "try again, or another endpoint",
      },
    );
  }
  await flush();
  const stored = buffer.subarray(0, HASH_SIZE);
  const found = hash.digest();
  if (!found.equals(stored)) {
    throw new MendError("snapshot-hash-mismatch", `what "${client.endpoint}" sent does not match its own SHA-256`, {
      where: client.endpoint,
      hint: "try again, or another endpoint; if it happens again, suspect that member's disk or memory",
    });
  }
  await sink.write(stored, position);
  return { size, sha256: found.toString("hex") };
}

/** Every page and key-value of what was saved. */
async function checkSaved(
  staged: string,
  path: string,
  options: SaveOptions,
): Promise<{ revision: number; findings: Finding[] }> {
  using snapshot = await openSnapshot(staged, options);
  await checkStructure(snapshot, options);
  const findings = snapshot.findings
    .list()
    .map((finding) => ({ ...finding, where: finding.where.replace(staged, path) }));
  const error = findings.find((finding) => finding.level === "error");
  if (error !== undefined) {
    throw new MendError("snapshot-damaged", `the member's database is damaged: ${error.text}`, {
      where: error.where,
      hint: "save from another member, and replace this one",
    });
  }
  return { revision: newestRevision(snapshot.bolt), findings };
}
