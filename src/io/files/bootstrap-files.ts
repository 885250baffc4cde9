/**
 * The files of a temporary control plane on a node: secrets, and manifests for the kubelet. A record among the secrets
 * says which manifests are ours, so that a start that was killed is found and taken further, or cleaned up, and nothing
 * of others is ever overwritten or removed.
 */
import { createHash } from "node:crypto";
import { lstatSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import type { AssetFile, BootstrapManifest } from "../../bootstrap/start-plan.ts";
import { MendError } from "../../errors/errors.ts";
import { fromSystemError, systemCode } from "../../errors/system-error.ts";
import { realFileSystem as fs } from "./durable/file-system.ts";
import {
  findStagings,
  makeStaging,
  newNonce,
  removeStagedFiles,
  removeStaging,
  stagingName,
} from "./durable/staging.ts";
import { isOwnName, openTarget } from "./durable/target.ts";
import { openTrustedDirectory } from "./durable/trusted-directory.ts";

export interface BootstrapPlaces {
  /** `/etc/kubernetes/bootstrap-secrets`, but in tests. */
  readonly secretsDir: string;
  readonly podManifestPath: string;
}

const RECORD_NAME = ".kubemend-start.json";
const recordSchema = z.object({
  version: z.literal(1),
  manifests: z.array(z.object({ path: z.string(), sha256: z.string() })),
});
type BootstrapRecord = z.infer<typeof recordSchema>;

export interface Leftover {
  /** Manifests of an earlier start that are still there. */
  readonly manifests: readonly string[];
}

/** One start at a time. Throws `target-locked`. What one that was killed left half done is put right. */
export function lockBootstrap(places: BootstrapPlaces): Disposable {
  const parent = dirname(places.secretsDir);
  if (lstatSync(parent, { throwIfNoEntry: false }) === undefined) fs.makeDirectory(parent, 0o755);
  const lock = openTarget(places.secretsDir, { command: "start", kind: "tree", strict: true });
  try {
    putSecretsRight(places);
    return lock;
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

/** What an earlier start has left, or undefined. Throws `already-exists` where the secrets directory is somebody else's. */
export async function findLeftover(places: BootstrapPlaces): Promise<Leftover | undefined> {
  const record = await readRecord(places);
  if (record === undefined) return undefined;
  const there: string[] = [];
  for (const { path, sha256 } of record.manifests) if ((await hashOf(path)) === sha256) there.push(path);
  return { manifests: there };
}

/** Says, before anything is written, whose files are in the way. */
export async function checkPlaces(places: BootstrapPlaces, pods: readonly BootstrapManifest[]): Promise<void> {
  const ours = new Map((await readRecord(places))?.manifests.map(({ path, sha256 }) => [path, sha256]));
  const present = await namesIn(places.podManifestPath);
  const taken: string[] = [];
  for (const pod of pods) {
    const path = join(places.podManifestPath, pod.fileName);
    if (!present.includes(pod.fileName)) continue;
    const hash = await hashOf(path);
    if (hash !== ours.get(path) && hash !== sha256(pod.bytes)) taken.push(path);
  }
  if (taken.length === 0) return;
  throw new MendError(
    "already-exists",
    `manifests of others are in the way: ${taken.map((path) => `"${path}"`).join(", ")}`,
    {
      hint: "move them out of the kubelet's manifest directory, if nobody needs them",
    },
  );
}

/** Puts the secrets in place, then the manifests. Doing it again with the same files changes nothing. */
export async function placeFiles(
  places: BootstrapPlaces,
  secrets: readonly AssetFile[],
  pods: readonly BootstrapManifest[],
): Promise<void> {
  await checkPlaces(places, pods);
  const earlier = (await readRecord(places))?.manifests ?? [];
  const mine = pods.map((pod) => ({ path: join(places.podManifestPath, pod.fileName), sha256: sha256(pod.bytes) }));
  const kept = earlier.filter(
    (old) => !mine.some(({ path, sha256: hash }) => path === old.path && hash === old.sha256),
  );
  const record: BootstrapRecord = { version: 1, manifests: [...mine, ...kept] };
  // Running pods have them mounted: the same files are better left where they are.
  if (!(await holds(places.secretsDir, secrets, record))) await replaceSecrets(places.secretsDir, secrets, record);
  for (const pod of pods) await placeManifest(join(places.podManifestPath, pod.fileName), pod.bytes, earlier);
  // Pods of an earlier start from other assets.
  for (const { path, sha256: hash } of kept) {
    if (!mine.some((each) => each.path === path) && (await hashOf(path)) === hash) fs.remove(path);
  }
}

/**
 * Takes the manifests away, for good: the kubelet then ends their pods, also after a reboot. Returns those that were left
 * because somebody has changed them.
 */
export async function removeManifests(places: BootstrapPlaces): Promise<string[]> {
  const changed: string[] = [];
  for (const { path, sha256: hash } of (await readRecord(places))?.manifests ?? []) {
    const actual = await hashOf(path);
    if (actual === hash) fs.remove(path);
    else if (actual !== undefined) changed.push(path);
  }
  if (lstatSync(places.podManifestPath, { throwIfNoEntry: false }) !== undefined)
    fs.syncDirectory(places.podManifestPath);
  return changed;
}

/**
 * Takes the secrets away: the last step, after the manifests. The record goes last: without it nobody would know whose
 * the rest is.
 */
export async function removeSecrets(places: BootstrapPlaces): Promise<void> {
  if ((await readRecord(places)) === undefined) return;
  const { secretsDir } = places;
  for (const name of await namesIn(secretsDir)) {
    if (name !== RECORD_NAME && !isOwnName(name)) fs.remove(join(secretsDir, name));
  }
  fs.syncDirectory(secretsDir);
  fs.remove(secretsDir);
  fs.syncDirectory(dirname(secretsDir));
}

/** In a staging directory: what is to get its name, and what had it. */
const NEW = "new";
const OLD = "old";

/**
 * What a start left that was killed while it replaced the secrets: those that were there go back. Only who holds their
 * lock may do this.
 */
function putSecretsRight({ secretsDir }: BootstrapPlaces): void {
  using parent = openTrustedDirectory(dirname(secretsDir), { strict: true });
  const name = basename(secretsDir);
  for (const staging of findStagings(parent.anchor, name)) {
    const isMissing = lstatSync(join(parent.anchor, name), { throwIfNoEntry: false }) === undefined;
    const old = join(staging.path, OLD);
    if (isMissing && lstatSync(old, { throwIfNoEntry: false }) !== undefined) {
      fs.rename(old, join(parent.anchor, name));
      fs.syncDirectory(parent.anchor);
    }
    removeStaging(fs, staging);
  }
}

async function replaceSecrets(
  directory: string,
  secrets: readonly AssetFile[],
  record: BootstrapRecord,
): Promise<void> {
  if (lstatSync(dirname(directory), { throwIfNoEntry: false }) === undefined)
    fs.makeDirectory(dirname(directory), 0o755);
  const files = secrets.map(({ path, bytes, isExecutable }) => ({ path, bytes, mode: isExecutable ? 0o700 : 0o600 }));
  files.push({ path: RECORD_NAME, bytes: Buffer.from(JSON.stringify(record)), mode: 0o600 });
  using parent = openTrustedDirectory(dirname(directory), { strict: true });
  const place = join(parent.anchor, basename(directory));
  const staging = await makeStaging(fs, parent.anchor, basename(directory));
  const [fresh, old] = [join(staging.path, NEW), join(staging.path, OLD)];
  try {
    for (const { path, bytes, mode } of files) await writeDurably(join(fresh, path), bytes, mode);
    await fs.syncTree(fresh);
    const isThere = lstatSync(place, { throwIfNoEntry: false }) !== undefined;
    if (isThere) fs.rename(place, old); // ours, or it would not have come to this
    try {
      fs.rename(fresh, place);
    } catch (error) {
      if (isThere) fs.rename(old, place);
      throw error;
    }
    fs.syncDirectory(parent.anchor);
  } finally {
    removeStaging(fs, staging);
  }
}

async function holds(directory: string, secrets: readonly AssetFile[], record: BootstrapRecord): Promise<boolean> {
  const wanted = [...secrets, { path: RECORD_NAME, bytes: Buffer.from(JSON.stringify(record)) }];
  for (const { path, bytes } of wanted) if ((await hashOf(join(directory, path))) !== sha256(bytes)) return false;
  return true;
}

/** Under a hidden name first, which the kubelet passes over, so that it never reads half a manifest. */
export async function placeManifest(
  path: string,
  bytes: Uint8Array,
  earlier: BootstrapRecord["manifests"],
): Promise<void> {
  using directory = openTrustedDirectory(dirname(path), { strict: true });
  const name = basename(path);
  removeStagedFiles(fs, directory.anchor, name);
  const there = await hashOf(path);
  if (there === sha256(bytes)) return;
  const staged = join(directory.anchor, stagingName(name, newNonce()));
  try {
    await writeDurably(staged, bytes, 0o600);
    if (there !== undefined && earlier.some((old) => old.path === path && old.sha256 === there)) {
      fs.rename(staged, join(directory.anchor, name));
    } else {
      fs.link(staged, join(directory.anchor, name)); // fails where a file has come to be in the meantime
    }
    fs.syncDirectory(directory.anchor);
  } finally {
    fs.remove(staged);
  }
}

/** A new file, flushed, in directories of ours alone. */
export async function writeDurably(path: string, content: Uint8Array, mode: number): Promise<void> {
  fs.makeDirectory(dirname(path), 0o700);
  const file = fs.create(path, mode);
  try {
    file.write(content, 0);
    await file.sync();
  } finally {
    file.close();
  }
}

async function readRecord({ secretsDir }: BootstrapPlaces): Promise<BootstrapRecord | undefined> {
  let names: string[];
  try {
    names = (await readdir(secretsDir)).filter((name) => !isOwnName(name));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw fromSystemError(error, "read", secretsDir);
  }
  if (names.length === 0) return undefined;
  if (!names.includes(RECORD_NAME)) {
    throw new MendError("already-exists", `"${secretsDir}" is there and was not made by kubemend`, {
      hint: "a run of bootkube may have left it: move it away when no start is running",
    });
  }
  const parsed = recordSchema.safeParse(JSON.parse(await readFile(join(secretsDir, RECORD_NAME), "utf8")));
  if (parsed.success) return parsed.data;
  throw new MendError("config-invalid", `"${join(secretsDir, RECORD_NAME)}" is no record of a start`, {
    hint: "move the directory away when no start is running",
  });
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    throw fromSystemError(error, "read", directory);
  }
}

export async function hashOf(path: string): Promise<string | undefined> {
  try {
    return sha256(await readFile(path));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw fromSystemError(error, "read", path);
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
