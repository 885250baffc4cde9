/**
 * Adds links to the chain. The next number is created exclusively: of two writers one gets it, and the other learns
 * what was written and goes behind it. A write whose answer was lost is found again by its bytes.
 */
import { invariant, MendError } from "../../errors/errors.ts";
import { encodeHead, type Head, type HeadDraft, isAuthentic, type SignedHead } from "../../repository/head.ts";
import { CHAIN, linkName, linkSequence, MOST_SEQUENCE } from "../../repository/names.ts";
import { currentSigner } from "../../repository/signers.ts";
import type { SigningKey } from "../../repository/signing.ts";
import { isNotFound } from "./not-found.ts";
import { readLinks, trusted } from "./read-links.ts";
import { type Link, type Repository, readLink } from "./repository.ts";

/** Longer than the interval of an agent that reaches its store. */
const LONG_AWAY_MS = 30_000;

interface Tip {
  readonly sequence: number;
  /** Of the last link; null where there is none. */
  readonly hash: string | null;
}

export interface Appender {
  readonly tip: Tip;
  /** Called with each link that is added, by this process or found by {@link catchUp}. */
  onAdded: ((link: Link) => void) | undefined;
  /** Reads what others have added since, oldest first. */
  catchUp(): Promise<Link[]>;
  /**
   * Adds a link with its payload, or none where the content is in another object. `isWanted` is asked when others have
   * added links in between; false gives up, and undefined is returned.
   */
  append(
    draft: HeadDraft,
    payload: Uint8Array,
    isWanted?: (others: readonly Link[]) => boolean,
  ): Promise<SignedHead | undefined>;
}

export interface AppendOptions {
  readonly key: SigningKey;
  /** The name of who writes. */
  readonly writer: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** A rotation that was interrupted is being finished. */
  readonly isRotating?: boolean;
  /** Called with the place of a link that is damaged or signed by somebody else, which is passed over. */
  readonly onUnusable?: (where: string) => void;
}

/** `links` as {@link readLinks} found them. Throws `config-invalid` where the key is not the repository's. */
export function createAppender(repository: Repository, links: readonly Link[], options: AppendOptions): Appender {
  const { store, description, signers } = repository;
  const { key, writer, now } = options;
  if (key.publicKey !== currentSigner(signers).key) {
    throw new MendError("config-invalid", `the signing key is not that of the repository "${store.url}"`, {
      where: store.url,
      hint: "use the signing key that kubemend backup init wrote for this repository, or the last kubemend backup rotate",
    });
  }
  const last = links.at(-1);
  if (
    last?.signed.head.kind === "rotation" &&
    last.sequence >= currentSigner(signers).from &&
    options.isRotating !== true
  )
    throw replaced(store.url);
  let tip: Tip = { sequence: last?.sequence ?? 0, hash: last?.signed.hash ?? null };

  /** One after the other: two links that were made for the same number would cost a write each. */
  let before: Promise<unknown> = Promise.resolve();
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = before.then(work, work);
    before = result.catch(() => {});
    return result;
  }

  /** When the end of the chain was last seen. */
  let seenAt = now();
  const wasAway = (): boolean => Math.abs(now() - seenAt) >= LONG_AWAY_MS;

  /** The number of the oldest link with an object of its own behind a number; undefined where there is none. */
  async function firstAfter(sequence: number): Promise<number | undefined> {
    for await (const { name } of store.list(CHAIN, linkName(sequence))) {
      const found = linkSequence(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /**
   * Links that are behind a hole: who was cut off for long may find that what comes next was pruned meanwhile, and must
   * not take its number again.
   */
  async function readPruned(): Promise<Link[]> {
    if (!wasAway()) return [];
    const next = await firstAfter(tip.sequence);
    if (next === undefined || next === tip.sequence + 1) return [];
    const all = await readLinks(repository);
    const newer = trusted(repository, all.links).filter(({ sequence }) => sequence > tip.sequence);
    for (const link of newer) {
      tip = { sequence: link.sequence, hash: link.signed.hash };
      appender.onAdded?.(link);
    }
    return newer;
  }

  async function readNewer(): Promise<Link[]> {
    const found: Link[] = await readPruned();
    for (;;) {
      const sequence = tip.sequence + 1;
      const link = await readUsable(sequence);
      if (link === undefined) {
        seenAt = now();
        return found;
      }
      if (link === "unusable") {
        // Its number is taken all the same. What follows holds the hash of the last good link, and `verify` names this one.
        options.onUnusable?.(`${store.url}/${linkName(sequence)}`);
        tip = { sequence, hash: tip.hash };
        continue;
      }
      if (link.signed.head.kind === "rotation") throw replaced(store.url);
      found.push(link);
      tip = { sequence, hash: link.signed.hash };
      appender.onAdded?.(link);
    }
  }

  /** Undefined where there is none. */
  async function readUsable(sequence: number): Promise<Link | "unusable" | undefined> {
    try {
      const link = await readLink(store, sequence);
      return isAuthentic(link.signed, signers) ? link : "unusable";
    } catch (error) {
      if (isNotFound(error)) return undefined;
      if (error instanceof MendError && error.code === "repository-damaged") return "unusable";
      throw error;
    }
  }

  async function append(
    draft: HeadDraft,
    payload: Uint8Array,
    isWanted: (others: readonly Link[]) => boolean,
  ): Promise<SignedHead | undefined> {
    if (wasAway()) {
      const others = await readNewer();
      if (others.length > 0 && !isWanted(others)) return undefined;
    }
    for (;;) {
      const sequence = tip.sequence + 1;
      invariant(sequence <= MOST_SEQUENCE, "the numbers of links are not used up");
      const place = { repository: description.id, sequence, previous: tip.hash, writer };
      const signed = encodeHead({ ...draft, ...place, written: new Date(now()).toISOString() } as Head, key);
      const object = linkName(sequence);
      const written = await store.create(object, Buffer.concat([signed.bytes, payload]));
      if (written || (await isOurs(signed))) {
        tip = { sequence, hash: signed.hash };
        seenAt = now();
        appender.onAdded?.({ sequence, signed, object, payloadAt: signed.bytes.length });
        return signed;
      }
      if (!isWanted(await readNewer())) return undefined;
    }
  }

  const appender: Appender = {
    get tip() {
      return tip;
    },
    onAdded: undefined,
    catchUp: () => inTurn(readNewer),
    append: (draft, payload, isWanted = () => true) => inTurn(() => append(draft, payload, isWanted)),
  };
  return appender;

  /**
   * Whether the object of that number is the one that was just written: its answer may have been lost on the way, and
   * the write repeated.
   */
  async function isOurs(signed: SignedHead): Promise<boolean> {
    const there = await readUsable(signed.head.sequence);
    return there !== undefined && there !== "unusable" && there.signed.hash === signed.hash;
  }
}

function replaced(url: string): MendError {
  return new MendError("config-invalid", `the keys of the repository "${url}" were replaced`, {
    where: url,
    hint: "use the signing key that kubemend backup rotate wrote; if it was interrupted, run it again",
  });
}
