/** A repository in a store: its description, the heads of its links, and what they hold. */
import { MendError } from "../../errors/errors.ts";
import { createKeyValueFields, locateKeyValue } from "../../mvcc/key-value.ts";
import { type ChangeVisitor, type Delta, walkDelta } from "../../repository/delta.ts";
import { decodeDescription, type RepositoryDescription } from "../../repository/description.ts";
import { type DeltaHead, decodeHead, type Head, MOST_HEAD_BYTES, type SignedHead } from "../../repository/head.ts";
import { DESCRIPTION_NAME, linkName } from "../../repository/names.ts";
import type { PrunedRange } from "../../repository/pruned.ts";
import { currentSigner, type Signers } from "../../repository/signers.ts";
import type { Store } from "../stores/store.ts";
import { type Identity, NO_IDENTITY } from "./identity.ts";
import { isNotFound } from "./not-found.ts";
import { readRotations } from "./read-rotations.ts";
import { openSealed, readSealed } from "./seal.ts";

export interface Repository {
  readonly store: Store;
  readonly description: RepositoryDescription;
  /** Who signs its links: the description's key, and those of rotations. */
  readonly signers: Signers;
  /** What rotations say was pruned before them. */
  readonly pruned: readonly PrunedRange[];
  readonly identity: Identity;
}

/** Where a link's bytes are: an object of its own, or a part of a bundle. */
export interface Link {
  readonly sequence: number;
  readonly signed: SignedHead;
  readonly object: string;
  /** Where its payload begins in `object`. */
  readonly payloadAt: number;
}

/** Bytes that hold nearly every head: one request for each. */
const HEAD_GUESS = 4096;

/** Throws `repository-not-found`, `repository-damaged`, and what the store throws. */
export async function openRepository(store: Store, identity: Identity = NO_IDENTITY): Promise<Repository> {
  let bytes: Uint8Array;
  try {
    bytes = await store.read(DESCRIPTION_NAME);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new MendError("repository-not-found", `there is no backup repository at "${store.url}"`, {
      where: store.url,
      hint: "check the address, or make one with kubemend backup init",
      cause: error,
    });
  }
  const description = decodeDescription(bytes, `${store.url}/${DESCRIPTION_NAME}`);
  const { signers, recipients, pruned } = await readRotations(store, description);
  const where = `${store.url}/${DESCRIPTION_NAME}`;
  if (identity.signers.length > 0 && !identity.signers.includes(description.signer)) {
    throw new MendError("repository-damaged", `"${store.url}" is signed by another key than the identity file names`, {
      where,
      hint: "check that the identity is this repository's; if it is, somebody replaced the repository",
    });
  }
  if (identity.signers.length > 0 && !identity.signers.includes(currentSigner(signers).key)) {
    throw new MendError(
      "repository-damaged",
      `the keys of "${store.url}" were replaced, and the identity file is older`,
      {
        where,
        hint: `use the identity file that the rotation wrote, or add the line "# signer: ${currentSigner(signers).key}"`,
      },
    );
  }
  return { store, description: { ...description, recipients }, signers, pruned, identity };
}

/** A link by its number. Throws `not-found`, and `repository-damaged` where its head cannot be read. */
export async function readLink(store: Store, sequence: number): Promise<Link> {
  const object = linkName(sequence);
  const where = `${store.url}/${object}`;
  for (let size = HEAD_GUESS; ; size = MOST_HEAD_BYTES) {
    const bytes = await store.read(object, { from: 0, size });
    const signed = decodeHead(bytes, where);
    if (signed !== undefined) return { sequence, signed, object, payloadAt: signed.bytes.length };
    if (bytes.length < size) {
      throw new MendError("repository-damaged", `"${where}" is cut off within its head`, {
        where,
        hint: "see all damage with kubemend backup verify",
      });
    }
  }
}

export function whereOf(repository: Repository, link: Link): string {
  const name = link.signed.head.content.object ?? link.object;
  const bundled = link.object === linkName(link.sequence) ? "" : ` · link ${link.sequence}`;
  return `${repository.store.url}/${name}${bundled}`;
}

/** The stored bytes of a link's content. */
async function* readStored(repository: Repository, link: Link): AsyncGenerator<Uint8Array> {
  const { content } = link.signed.head;
  if (content.object !== null) yield* repository.store.stream(content.object);
  else yield await repository.store.read(link.object, { from: link.payloadAt, size: content.size });
}

/**
 * The content of a large link, plain, piece by piece; whether it is whole shows at the end. Throws
 * `repository-damaged`, `identity-missing`.
 */
export async function* streamContent(repository: Repository, link: Link): AsyncGenerator<Uint8Array> {
  const { content } = link.signed.head;
  const where = whereOf(repository, link);
  try {
    yield* openSealed(readStored(repository, link), content, exposedKeys(repository), where);
  } catch (error) {
    throw isNotFound(error) ? missing(where, error) : error;
  }
}

/** The marks and leases of a delta that is what its head says. */
export async function readDelta(repository: Repository, link: Link): Promise<Omit<Delta, "changes">> {
  return walkContent(repository, link, await readContent(repository, link), () => {});
}

/**
 * Visits the changes of a delta's content. Throws `repository-damaged` where it is not what its head says: at its end,
 * so what was visited before may not be relied on until then.
 */
export function walkContent(
  repository: Repository,
  link: Link,
  content: Uint8Array,
  visit: ChangeVisitor,
): Omit<Delta, "changes"> {
  const where = whereOf(repository, link);
  const check = createDeltaCheck(link.signed.head as DeltaHead, where);
  const rest = walkDelta(content, where, (change) => {
    check.change(change);
    visit(change);
  });
  check.end();
  return rest;
}

/** The content of a small link, from its stored bytes where they were read. Throws as {@link streamContent} does. */
export async function readContent(
  repository: Repository,
  link: Link,
  stored: AsyncIterable<Uint8Array> | Uint8Array = readStored(repository, link),
): Promise<Uint8Array> {
  const where = whereOf(repository, link);
  try {
    return await readSealed(stored, link.signed.head.content, exposedKeys(repository), where);
  } catch (error) {
    throw isNotFound(error) ? missing(where, error) : error;
  }
}

/** A delta that is not what its head says would be applied wrongly without a word. */
function createDeltaCheck(
  head: DeltaHead,
  where: string,
): { readonly change: ChangeVisitor; readonly end: () => void } {
  const { from, to } = head.revisions;
  const fields = createKeyValueFields();
  let [revision, sub, count] = [from - 1, -1, 0];
  const wrong = (text: string): never => {
    throw new MendError("repository-damaged", `the content of "${where}" is not what its head says: ${text}`, {
      where,
    });
  };
  return {
    change(change) {
      count++;
      const isNext =
        change.revision === revision ? change.sub === sub + 1 : change.revision === revision + 1 && change.sub === 0;
      const fault = locateKeyValue(change.keyValue, 0, change.keyValue.length, fields);
      if (fault !== undefined) wrong(`revision ${change.revision}/${change.sub}: ${fault}`);
      if (!change.deletion && fields.modRevision !== change.revision) {
        wrong(`revision ${change.revision}/${change.sub} holds a key-value of revision ${fields.modRevision}`);
      }
      if (!isNext) wrong(`revision ${change.revision}/${change.sub} follows ${revision}/${sub}`);
      revision = change.revision;
      sub = change.sub;
    },
    end() {
      if (count !== head.events) wrong(`it holds ${count} changes, expected ${head.events}`);
      if (revision !== to) wrong(`it ends at revision ${revision}, expected ${to}`);
    },
  };
}

function missing(where: string, cause: unknown): MendError {
  return new MendError("repository-damaged", `"${where}" is missing`, {
    where,
    hint: "see all damage with kubemend backup verify",
    cause,
  });
}

export function headsOf(links: readonly Link[]): Head[] {
  return links.map((link) => link.signed.head);
}

function exposedKeys({ identity }: Repository): string[] {
  return identity.keys.map((key) => key.expose());
}
