/**
 * The files of a temporary control plane on a node: secrets, and manifests for the kubelet. A record among the secrets says which manifests are ours,
 * so that a start that was killed is found and taken further, or cleaned up, and nothing of others is ever overwritten or removed.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { link, mkdir, open, readdir, readFile, rename, rm, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { AssetFile, BootstrapManifest } from "../../bootstrap/start-plan.ts";
import { MendError } from "../../errors/errors.ts";
import { fromSystemError, systemCode } from "./system-error.ts";

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
    if (!mine.some((each) => each.path === path) && (await hashOf(path)) === hash) await unlink(path);
  }
}

/** Takes the manifests away: the kubelet then ends their pods. Returns those that were left because somebody has changed them. */
export async function removeManifests(places: BootstrapPlaces): Promise<string[]> {
  const changed: string[] = [];
  for (const { path, sha256: hash } of (await readRecord(places))?.manifests ?? []) {
    const actual = await hashOf(path);
    if (actual === hash) await unlink(path);
    else if (actual !== undefined) changed.push(path);
  }
  return changed;
}

/** Takes the secrets away, with the record: the last step, after the manifests. */
export async function removeSecrets(places: BootstrapPlaces): Promise<void> {
  if ((await readRecord(places)) === undefined) return;
  await rm(places.secretsDir, { recursive: true, force: true });
}

async function replaceSecrets(
  directory: string,
  secrets: readonly AssetFile[],
  record: BootstrapRecord,
): Promise<void> {
  const draft = `${directory}.kubemend-new`;
  try {
    await mkdir(dirname(directory), { recursive: true });
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { mode: 0o700 });
    for (const { path, bytes, isExecutable } of secrets) {
      await mkdir(dirname(join(draft, path)), { recursive: true, mode: 0o700 });
      await writeDurably(join(draft, path), bytes, isExecutable ? 0o700 : 0o600);
    }
    await writeDurably(join(draft, RECORD_NAME), JSON.stringify(record), 0o600);
    await rm(directory, { recursive: true, force: true }); // ours, or it would not have come to this
    await rename(draft, directory);
  } catch (error) {
    throw fromSystemError(error, "write", directory);
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
  const draft = join(dirname(path), `.${path.slice(dirname(path).length + 1)}.kubemend-new`);
  try {
    const there = await hashOf(path);
    if (there === sha256(bytes)) return;
    await rm(draft, { force: true });
    await writeDurably(draft, bytes, 0o600);
    if (there !== undefined && earlier.some((old) => old.path === path && old.sha256 === there)) {
      await rename(draft, path);
    } else {
      await link(draft, path); // fails where a file has come to be in the meantime
      await unlink(draft);
    }
  } catch (error) {
    await rm(draft, { force: true });
    throw fromSystemError(error, "write", path);
  }
}

export async function writeDurably(path: string, content: Uint8Array | string, mode: number): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readRecord({ secretsDir }: BootstrapPlaces): Promise<BootstrapRecord | undefined> {
  let names: string[];
  try {
    names = await readdir(secretsDir);
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
