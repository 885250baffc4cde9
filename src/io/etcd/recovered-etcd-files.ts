/**
 * The files of the etcd that a start brings back, on the node: its certificates, its manifest, its data. They stay;
 * nothing of others is replaced.
 */

import { lstatSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { RECOVERED_ETCD_DATA, RECOVERED_ETCD_SECRETS } from "../../bootstrap/recovered-etcd.ts";
import type { EtcdPlan } from "../../bootstrap/start-plan.ts";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { readLog } from "../../wal/log.ts";
import { newMembership } from "../../wal/membership.ts";
import { hashOf, placeManifest, sha256, writeDurably } from "../files/bootstrap-files.ts";
import { realFileSystem as fs } from "../files/durable/file-system.ts";
import { findStagings, makeStaging, removeStaging } from "../files/durable/staging.ts";
import { openTrustedDirectory } from "../files/durable/trusted-directory.ts";
import { contents } from "./data-dir-place.ts";
import { openMemberDirectory } from "./member-directory.ts";

export interface RecoveredEtcdPlaces {
  readonly podManifestPath: string;
  /** {@link RECOVERED_ETCD_SECRETS}, but in tests. */
  readonly secretsDir: string;
  /** {@link RECOVERED_ETCD_DATA}, but in tests. */
  readonly dataDir: string;
}

export function recoveredEtcdPlaces(podManifestPath: string): RecoveredEtcdPlaces {
  return { podManifestPath, secretsDir: RECOVERED_ETCD_SECRETS, dataDir: RECOVERED_ETCD_DATA };
}

/** Which steps an earlier start has taken. */
export interface RecoveredEtcdState {
  readonly isRestored: boolean;
  readonly isPlaced: boolean;
}

/** Throws `already-exists` where files of others, or the data of another etcd, are in the way. */
export async function inspectRecoveredEtcd(plan: EtcdPlan, places: RecoveredEtcdPlaces): Promise<RecoveredEtcdState> {
  const taken: string[] = [];
  const manifest = await hashOf(manifestPath(plan, places));
  if (manifest !== undefined && manifest !== sha256(plan.bytes)) taken.push(manifestPath(plan, places));
  for (const { path, bytes } of plan.secrets) {
    const there = await hashOf(join(places.secretsDir, path));
    if (there !== undefined && there !== sha256(bytes)) taken.push(join(places.secretsDir, path));
  }
  const isRestored = contents(places.dataDir).length > 0;
  if (isRestored && !isOfThisBackup(plan, places.dataDir)) taken.push(places.dataDir);
  if (taken.length === 0) return { isRestored, isPlaced: manifest !== undefined };
  throw new MendError(
    "already-exists",
    `files of another etcd are in the way: ${taken.map((path) => `"${path}"`).join(", ")}`,
    {
      hint: `move them aside, if nobody needs them; if that etcd is this cluster's, recover with ${input("etcdServers")} instead`,
    },
  );
}

/** The certificates, then the manifest: the kubelet starts it as soon as it is there. */
export async function placeRecoveredEtcd(plan: EtcdPlan, places: RecoveredEtcdPlaces): Promise<void> {
  await placeSecrets(plan, places.secretsDir);
  await placeManifest(manifestPath(plan, places), plan.bytes, []);
}

function manifestPath(plan: EtcdPlan, { podManifestPath }: RecoveredEtcdPlaces): string {
  return join(podManifestPath, plan.fileName);
}

async function placeSecrets({ secrets }: EtcdPlan, directory: string): Promise<void> {
  if (secrets.length === 0) return;
  const hashes = await Promise.all(secrets.map(({ path }) => hashOf(join(directory, path))));
  if (hashes.every((hash, i) => hash === sha256(defined(secrets[i]).bytes))) return;
  if (lstatSync(dirname(directory), { throwIfNoEntry: false }) === undefined)
    fs.makeDirectory(dirname(directory), 0o755);
  using parent = openTrustedDirectory(dirname(directory), { strict: true });
  const [name, place] = [basename(directory), join(parent.anchor, basename(directory))];
  for (const left of findStagings(parent.anchor, name)) removeStaging(fs, left);
  const staging = await makeStaging(fs, parent.anchor, name);
  const fresh = join(staging.path, "new");
  try {
    for (const { path, bytes } of secrets) await writeDurably(join(fresh, path), bytes, 0o600);
    await fs.syncTree(fresh);
    if (lstatSync(place, { throwIfNoEntry: false }) === undefined) fs.rename(fresh, place);
    else {
      // It is empty, or some of them were there, and were the same: the rest joins them.
      for (const { path } of secrets) {
        fs.makeDirectory(dirname(join(place, path)), 0o700);
        fs.rename(join(fresh, path), join(place, path));
      }
      await fs.syncTree(place);
    }
    fs.syncDirectory(parent.anchor);
  } finally {
    removeStaging(fs, staging);
  }
}

/** A member's log says which cluster it is of, and a cluster's id is made of its token and its members. */
function isOfThisBackup({ recovery }: EtcdPlan, dataDir: string): boolean {
  const { clusterId } = newMembership(new Map([[recovery.name, [recovery.peerUrl]]]), recovery.clusterToken);
  try {
    using member = openMemberDirectory(dataDir);
    return readLog(member.segments.slice(0, 1)).metadata?.clusterId === clusterId;
  } catch (error) {
    if (error instanceof MendError && error.code !== "internal") return false; // no etcd's, or damaged
    throw error;
  }
}
