/**
 * Adds links to the chain. The next number is created exclusively: of two writers one gets it, and the other learns what was written and goes behind it. A write whose answer was
 * lost is found again by its bytes.
 */
import { invariant, MendError } from "../../errors/errors.ts";
import { encodeHead, type Head, type HeadDraft, isAuthentic, type SignedHead } from "../../repository/head.ts";
import { linkName, MOST_SEQUENCE } from "../../repository/names.ts";
import type { SigningKey } from "../../repository/signing.ts";
import { isNotFound, type Link, type Repository, readLink } from "./repository.ts";

export interface Tip {
  readonly sequence: number;
  /** Of the last link; null where there is none. */
  readonly hash: string | null;
}

export interface Appender {
  readonly tip: Tip;
  /** Reads what others have added since, oldest first. */
  catchUp(): Promise<Link[]>;
  /**
   * Adds a link with its payload, or none where the content is in another object. `isWanted` is asked when others have added links in between; false gives up, and undefined is
   * returned.
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
  /** Called with the place of a link that is damaged or signed by somebody else, which is passed over. */
  readonly onUnusable?: (where: string) => void;
}

/** `links` as {@link readLinks} found them. Throws `config-invalid` where the key is not the repository's. */
export function createAppender(repository: Repository, links: readonly Link[], options: AppendOptions): Appender {
  const { store, description } = repository;
  const { key, writer, now } = options;
  if (key.publicKey !== description.signer) {
    throw new MendError("config-invalid", `the signing key is not that of the repository "${store.url}"`, {
      where: store.url,
      hint: "use the signing key that kubemend backup init wrote for this repository",
    });
  }
  const last = links.at(-1);
  let tip: Tip = { sequence: last?.sequence ?? 0, hash: last?.signed.hash ?? null };

  async function catchUp(): Promise<Link[]> {
    const found: Link[] = [];
    for (;;) {
      const sequence = tip.sequence + 1;
      const link = await readUsable(sequence);
      if (link === undefined) return found;
      if (link === "unusable") {
        // Its number is taken all the same. What follows holds the hash of the last good link, and `verify` names this one.
        options.onUnusable?.(`${store.url}/${linkName(sequence)}`);
        tip = { sequence, hash: tip.hash };
        continue;
      }
      found.push(link);
      tip = { sequence, hash: link.signed.hash };
    }
  }

  /** Undefined where there is none. */
  async function readUsable(sequence: number): Promise<Link | "unusable" | undefined> {
    try {
      const link = await readLink(store, sequence);
      return isAuthentic(link.signed, description.signer) ? link : "unusable";
    } catch (error) {
      if (isNotFound(error)) return undefined;
      if (error instanceof MendError && error.code === "repository-damaged") return "unusable";
      throw error;
    }
  }

  return {
    get tip() {
      return tip;
    },
    catchUp,
    async append(draft, payload, isWanted = () => true) {
      for (;;) {
        const sequence = tip.sequence + 1;
        invariant(sequence <= MOST_SEQUENCE, "the numbers of links are not used up");
        const place = { repository: description.id, sequence, previous: tip.hash, writer };
        const signed = encodeHead({ ...draft, ...place, written: new Date(now()).toISOString() } as Head, key);
        const written = await store.create(linkName(sequence), Buffer.concat([signed.bytes, payload]));
        if (written || (await isOurs(signed))) {
          tip = { sequence, hash: signed.hash };
          return signed;
        }
        if (!isWanted(await catchUp())) return undefined;
      }
    },
  };

  /** Whether the object of that number is the one that was just written: its answer may have been lost on the way, and the write repeated. */
  async function isOurs(signed: SignedHead): Promise<boolean> {
    const there = await readUsable(signed.head.sequence);
    return there !== undefined && there !== "unusable" && there.signed.hash === signed.hash;
  }
}
