/** `snapshot edit`: a new snapshot in which chosen objects are removed, set, or taken from another one. */

import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { type Finding, MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { checkDiskSpace } from "../../io/files/durable/disk-space.ts";
import { type FileSystem, type OutputFile, realFileSystem } from "../../io/files/durable/file-system.ts";
import { openTarget } from "../../io/files/durable/target.ts";
import { writeFile } from "../../io/files/durable/write-file.ts";
import { descriptorSource } from "../../io/files/file-source.ts";
import { checkStructure } from "../../snapshot/check-structure.ts";
import { type HashVerdict, startHash } from "../../snapshot/hash-snapshot.ts";
import { loadEncryptionConfig } from "../../snapshot/load-encryption-config.ts";
import { openSnapshot, type Snapshot } from "../../snapshot/open-snapshot.ts";
import { readKeyspace } from "../../snapshot/read-keyspace.ts";
import { createTurns } from "../../snapshot/turns.ts";
import { rewriteDatabase } from "./restore-keyspace.ts";
import { planSurgery, type SurgeryOptions } from "./surgery.ts";
import { hasSurgery, type SurgeryEdit, type SurgeryRequest } from "./surgery-request.ts";

export interface EditOptions extends Omit<SurgeryOptions, "makeUid"> {
  readonly request: SurgeryRequest;
  /** The plan alone; nothing is written. */
  readonly isDryRun: boolean;
  readonly fileSystem?: FileSystem;
}

export interface EditResult {
  /** Null for a dry run, and where nothing changes. */
  readonly file: string | null;
  readonly edits: readonly SurgeryEdit[];
  /** The revision that the changes make, behind all others. */
  readonly revision: number;
  readonly size: number;
  readonly sha256: string;
  readonly findings: readonly Finding[];
}

const COMMAND = "snapshot edit";
const HASH_CHUNK = 1 << 20;

/**
 * Throws `snapshot-refused` where the input is damaged, `already-exists` where there is a file of the output's name,
 * and what planning throws. The output is verified and every change read back before it gets its name.
 */
export async function editSnapshot(source: string, output: string, options: EditOptions): Promise<EditResult> {
  const { request, isDryRun } = options;
  if (!hasSurgery(request)) {
    throw new MendError("usage", "there is nothing to change", {
      hint: `pass ${input("remove")}, ${input("set")} or ${input("takenFrom")}`,
    });
  }
  if (!isDryRun && existsSync(output)) {
    throw new MendError("already-exists", `"${output}" exists already`, { where: output, hint: "choose another name" });
  }
  using snapshot = await openSnapshot(source, options);
  await refuseDamage(snapshot, source, options);
  const edits = await planSurgery(snapshot, source, request, { ...options, makeUid: randomUUID });
  const changes = edits.filter(({ action }) => action !== "same");
  const nothing = { file: null, edits, revision: 0, size: 0, sha256: "", findings: snapshot.findings.list() };
  if (isDryRun || changes.length === 0) return nothing;
  const fs = options.fileSystem ?? realFileSystem;
  checkDiskSpace(output, snapshot.file.source.size);
  using target = openTarget(output, { command: COMMAND, kind: "file" });
  let findings: readonly Finding[] = [];
  const written = await writeFile(
    fs,
    target,
    COMMAND,
    async (file) => {
      const what = { ...options, exclude: [], compact: false, edits: changes };
      const { size, revision } = await rewriteDatabase(snapshot, file, what);
      file.truncate(size);
      const sha256 = await appendHash(file, size, options.signal);
      findings = await verifyEdited(file.path, changes, revision, options);
      return { size: size + sha256.length, revision, sha256: sha256.toString("hex") };
    },
    { mustBeNew: true, mode: 0o600 },
  );
  return { file: output, edits, ...written, findings };
}

async function refuseDamage(snapshot: Snapshot, source: string, options: EditOptions): Promise<void> {
  const hashing = startHash(snapshot.file);
  const [, verdict] = await Promise.all([
    checkStructure(snapshot, { ...options, besideHash: hashing.hasThread }),
    hashing.verdict,
  ]).finally(() => hashing.stop());
  refuseHash(verdict, source);
  const error = snapshot.findings.list().find(({ level }) => level === "error");
  if (error === undefined) return;
  throw new MendError("snapshot-refused", `the snapshot is damaged: ${error.text}`, {
    where: error.where,
    hint: "see all with kubemend snapshot verify, and edit another snapshot",
  });
}

function refuseHash(verdict: HashVerdict, source: string): void {
  if (verdict !== "mismatch") return;
  throw new MendError("snapshot-hash-mismatch", "the snapshot does not match the SHA-256 at its end", {
    where: source,
    hint: "use another copy of it",
  });
}

/** As etcd ends a snapshot that it sends. */
async function appendHash(file: OutputFile, size: number, signal: AbortSignal | undefined): Promise<Buffer> {
  const turn = createTurns(signal);
  const source = descriptorSource(file.descriptor, file.path, size);
  const hash = createHash("sha256");
  const chunk = new Uint8Array(Math.min(HASH_CHUNK, size));
  for (let at = 0; at < size; at += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, size - at));
    await turn();
    source.read(part, at);
    hash.update(part);
  }
  const digest = hash.digest();
  file.write(digest, size);
  return digest;
}

/** Every page and object of what was written, its hash, and each change. */
async function verifyEdited(
  staged: string,
  changes: readonly SurgeryEdit[],
  revision: number,
  options: EditOptions,
): Promise<readonly Finding[]> {
  using snapshot = await openSnapshot(staged, options);
  const hashing = startHash(snapshot.file);
  const encryption = loadEncryptionConfig(options.encryptionConfig);
  const checking = checkStructure(snapshot, {
    ...options,
    ...(encryption && { encryption }),
    objects: true,
    besideHash: hashing.hasThread,
  });
  const [, verdict] = await Promise.all([checking, hashing.verdict]).finally(() => hashing.stop());
  const keyspace = await readKeyspace(snapshot, {});
  const isWrong = ({ key, value }: SurgeryEdit) => {
    const found = keyspace.get(Buffer.from(key).toString("utf8"))?.value;
    return value === undefined ? found !== undefined : found === undefined || Buffer.compare(found, value) !== 0;
  };
  const wrong = changes.find(isWrong);
  const findings = snapshot.findings.list();
  const error = findings.find(({ level, code }) => level === "error" && !code.startsWith("object-"));
  if (verdict === "verified" && wrong === undefined && error === undefined && keyspace.revision === revision)
    return findings;
  throw new MendError("internal", `what was written is not what was meant: ${wrong?.name ?? error?.text ?? verdict}`, {
    hint: "report this with the command you ran",
  });
}
