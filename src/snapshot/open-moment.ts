/** Opens a moment of a repository, or a revision of a file, as a snapshot file. */

import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { readBolt } from "../bolt/bolt.ts";
import { defined } from "../errors/defined.ts";
import { type Finding, MendError } from "../errors/errors.ts";
import { withoutLogin } from "../errors/secret.ts";
import { recordEvidence } from "../io/audit/audit-trail.ts";
import { descriptorSource } from "../io/files/file-source.ts";
import { NO_IDENTITY, readIdentity } from "../io/repository/identity.ts";
import { fromAnyCopy } from "../io/repository/link-copies.ts";
import { readLinks, trusted } from "../io/repository/read-links.ts";
import { headsOf, type Link, openRepository, type Repository, readDelta } from "../io/repository/repository.ts";
import { openStore } from "../io/stores/open-store.ts";
import { newestRevision } from "../mvcc/newest-revision.ts";
import { placeTime, revisionAt } from "../repository/find-moment.ts";
import type { HashMark } from "../repository/head.ts";
import { type Moment, splitMoment } from "../repository/moment.ts";
import { DESCRIPTION_NAME } from "../repository/names.ts";
import { findPieces, newestHash, type Pieces } from "../repository/pieces.ts";
import { isKeyspaceHead } from "../repository/timeline.ts";
import { type ComposedMoment, type ComposeOptions, composeMoment, cutOff } from "./compose-moment.ts";
import type { MomentAccess } from "./moment-access.ts";
import type { SnapshotFile } from "./snapshot-file.ts";

/** What a text means that may name a moment: a repository, a file as it was at a revision, or neither. */
export type MomentPlace =
  | { readonly kind: "repository"; readonly address: string; readonly moment: Moment }
  | { readonly kind: "file"; readonly path: string; readonly revision: number };

/** Undefined for the path of a file as it is. Throws `usage` for a time of a file. */
export function momentPlace(text: string, access: MomentAccess): MomentPlace | undefined {
  const at = resolve(access.cwd, text);
  if (existsSync(at) && statSync(at).isFile()) return undefined;
  const { place, moment } = splitMoment(text, access.now());
  if (isRepository(place, access.cwd))
    return { kind: "repository", address: place, moment: moment ?? { kind: "latest" } };
  if (moment === undefined) return undefined;
  const path = resolve(access.cwd, place);
  if (!existsSync(path)) return undefined;
  if (moment.kind === "revision") return { kind: "file", path, revision: moment.revision };
  if (moment.kind === "latest") return undefined;
  throw new MendError("usage", `"${place}" is not a backup repository, so it cannot be read as it was at a time`, {
    where: place,
    hint: "name a revision, such as FILE@48120, or the directory of a repository",
  });
}

function isRepository(place: string, cwd: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(place) || existsSync(join(resolve(cwd, place), DESCRIPTION_NAME));
}

export interface OpenedRepository {
  readonly repository: Repository;
  /** Those that can be trusted, ascending. */
  readonly links: readonly Link[];
}

/** Opens a repository for reading, with the identity that was given. */
export async function openRepositoryAt(address: string, access: MomentAccess): Promise<Repository> {
  const identityFile = access.identityFile ?? access.env.KUBEMEND_BACKUP_IDENTITY;
  const identity =
    identityFile === undefined || identityFile === "" ? NO_IDENTITY : readIdentity(resolve(access.cwd, identityFile));
  const store = await openStore(address, access);
  try {
    return await openRepository(store, identity);
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Opens a repository for reading and reads its heads. */
export async function openForReading(address: string, access: MomentAccess): Promise<OpenedRepository> {
  const repository = await openRepositoryAt(address, access);
  const { links } = await readLinks(repository);
  return { repository, links: trusted(repository, links) };
}

interface FoundMoment {
  /** Ways to it, the best first. */
  readonly ways: readonly Pieces[];
  readonly notes: readonly Finding[];
}

/** The revision that a moment means, and what leads there. Throws `moment-not-covered`. */
async function findMoment(
  { repository, links }: OpenedRepository,
  moment: Moment,
  history?: number,
): Promise<FoundMoment> {
  const heads = headsOf(links);
  const keyspace = heads.filter(isKeyspaceHead);
  const newest = keyspace.findLast((head) => history === undefined || head.history === history);
  if (newest === undefined) {
    throw new MendError("moment-not-covered", `the repository "${repository.store.url}" holds no backup yet`, {
      where: repository.store.url,
      hint: "take one with kubemend backup now",
    });
  }
  if (moment.kind === "revision")
    return { ways: findPieces(heads, moment.revision, history ?? newest.history), notes: [] };
  if (moment.kind === "latest") {
    const own = keyspace.filter((head) => head.history === newest.history);
    const revision = Math.max(...own.map((head) => head.revisions.to));
    return { ways: findPieces(heads, revision, newest.history), notes: [] };
  }
  const place = placeTime(heads, moment.time);
  if (place.delta === undefined) return { ways: findPieces(heads, place.revision, place.history), notes: [] };
  const within = defined(links.find(({ sequence }) => sequence === place.delta?.sequence));
  const { marks } = await fromAnyCopy(repository, within, (copy) => readDelta(repository, copy));
  const { revision, uncertain } = revisionAt(place, marks, moment.time);
  return {
    ways: findPieces(heads, revision, place.history),
    notes: uncertain === undefined ? [] : [uncertainNote(revision, uncertain)],
  };
}

/** Composes the moment, by another way where one is damaged. */
async function composeFound(
  { repository, links }: OpenedRepository,
  { ways }: FoundMoment,
  options: ComposeOptions,
): Promise<ComposedMoment & { readonly pieces: Pieces; readonly notes: readonly Finding[] }> {
  const notes: Finding[] = [];
  let failure: unknown;
  for (const pieces of ways) {
    try {
      const composed = await composeMoment(repository, links, pieces, options);
      for (const id of composed.guessedLeases) notes.push(leaseNote(id));
      return { ...composed, pieces, notes };
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof MendError) || !IS_DAMAGE.has(error.code)) throw error;
      failure ??= error;
      notes.push({
        level: "warning",
        code: "piece-damaged",
        where: error.where ?? "",
        text: `${error.message}; another full is used`,
      });
    }
  }
  throw failure;
}

const IS_DAMAGE: ReadonlySet<string> = new Set([
  "repository-damaged",
  "snapshot-damaged",
  "snapshot-hash-mismatch",
  "not-a-snapshot",
  "snapshot-truncated",
]);

export interface OpenMomentFile {
  readonly file: SnapshotFile;
  readonly repository: string;
  readonly pieces: Pieces;
  readonly notes: readonly Finding[];
  /** To compare with, where the repository has one. */
  readonly hash: HashMark | undefined;
}

export async function openRepositoryMoment(
  place: Extract<MomentPlace, { kind: "repository" }>,
  text: string,
  access: MomentAccess,
  options: ComposeOptions,
): Promise<OpenMomentFile> {
  const opened = await openForReading(place.address, access);
  try {
    const found = await findMoment(opened, place.moment, access.history);
    const composed = await composeFound(opened, found, options);
    const { file, size, pieces } = composed;
    recordEvidence({ repository: withoutLogin(opened.repository.store.url), revision: pieces.revision });
    return {
      file: unnamedSnapshot(text, file, size),
      repository: opened.repository.store.url,
      pieces,
      notes: [...found.notes, ...composed.notes],
      hash: newestHash(headsOf(opened.links), pieces),
    };
  } finally {
    await opened.repository.store.close();
  }
}

/** A snapshot file as it was at one of its revisions. Throws `revision-in-future` and `revision-compacted`. */
export async function openFileRevision(source: SnapshotFile, revision: number): Promise<SnapshotFile> {
  const { path, source: bytes, descriptor } = source;
  const bolt = readBolt(bytes);
  const last = newestRevision(bolt);
  if (revision > last) {
    throw new MendError("revision-in-future", `revision ${revision} is not in the snapshot yet`, {
      where: path,
      hint: `its newest revision is ${last}`,
    });
  }
  const cut = await cutOff(descriptorSource(descriptor, path, bytes.size), revision);
  source.close();
  return unnamedSnapshot(path, cut.file, cut.size);
}

function unnamedSnapshot(path: string, file: ComposedMoment["file"], size: number): SnapshotFile {
  return {
    path,
    source: descriptorSource(file.descriptor, path, size),
    descriptor: file.descriptor,
    storedHash: undefined,
    vouched: true,
    archive: undefined,
    close: file.close,
  };
}

function uncertainNote(revision: number, uncertain: { upTo: number; from: number; until: number }): Finding {
  const iso = (time: number): string => new Date(time).toISOString();
  return {
    level: "warning",
    code: "time-uncertain",
    where: `revisions ${revision + 1} to ${uncertain.upTo}`,
    text:
      `nobody watched etcd from ${iso(uncertain.from)} to ${iso(uncertain.until)}: of the changes in ` +
      "between it is not known when they happened, and they are left out; name a revision to have them",
  };
}

function leaseNote(id: bigint): Finding {
  return {
    level: "warning",
    code: "lease-unknown",
    where: `lease ${id.toString(16)}`,
    text: "it had ended before anybody could ask for its TTL: what is attached to it ends a minute after etcd starts",
  };
}
