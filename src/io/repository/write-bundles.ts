/** Joins links to bundles: copies, so that nothing is lost where a bundle is. Who may add to a repository may do it. */
import { createHash } from "node:crypto";
import { type BundledPart, encodeBundle } from "../../repository/bundle.ts";
import { BUNDLE_LEVELS, isWithin, MOST_BUNDLE_BYTES, missingBundles } from "../../repository/bundle-plan.ts";
import { isAuthentic } from "../../repository/head.ts";
import { bundleName, linkName, type SequenceRange } from "../../repository/names.ts";
import { isNotFound } from "./not-found.ts";
import { damageOf, readBundle } from "./read-links.ts";
import { type Link, type Repository, readLink } from "./repository.ts";

export interface Bundler {
  /**
   * Writes the next bundle that the links from `first` to `last` make, where there is one. Returns its range and size,
   * undefined where nothing is left to do. Throws what the store throws.
   */
  writeNext(first: number, last: number): Promise<(SequenceRange & { readonly bytes: number }) | undefined>;
}

/** `known`: the bundles that are there. */
export function createBundler(
  repository: Repository,
  known: readonly SequenceRange[],
  levels: readonly number[] = BUNDLE_LEVELS,
): Bundler {
  const done = new Map(known.map((range) => [bundleName(range), range]));
  /** Those that a hole, damage or size makes impossible. */
  const impossible = new Set<string>();
  return {
    async writeNext(first, last) {
      const isSettled = (range: SequenceRange): boolean =>
        done.has(bundleName(range)) || impossible.has(bundleName(range));
      for (const range of missingBundles(first, last, isSettled, levels)) {
        const parts = await gather(repository, range, [...done.values()]);
        if (parts === undefined) {
          impossible.add(bundleName(range));
          continue;
        }
        const bytes = encodeBundle(parts);
        // False where another agent was first: its bytes are the same.
        await repository.store.create(bundleName(range), bytes);
        done.set(bundleName(range), range);
        return { ...range, bytes: bytes.length };
      }
      return undefined;
    },
  };
}

/** The links of a range with their payloads, from smaller bundles where there are any; undefined where they make no bundle. */
async function gather(
  repository: Repository,
  range: SequenceRange,
  bundles: readonly SequenceRange[],
): Promise<BundledPart[] | undefined> {
  const { store } = repository;
  const smaller = bundles.filter((each) => isWithin(each, range) && each.to - each.from < range.to - range.from);
  const parts: BundledPart[] = [];
  let bytes = 0;
  const take = async (link: Link): Promise<boolean> => {
    const part = await readPart(repository, link);
    bytes += part === undefined ? 0 : part.signed.bytes.length + part.payload.length;
    if (part === undefined || bytes > MOST_BUNDLE_BYTES) return false;
    parts.push(part);
    return true;
  };
  for (let sequence = range.from; sequence <= range.to; ) {
    const bundle = smaller.find(({ from }) => from === sequence);
    try {
      const links = bundle === undefined ? [await readLink(store, sequence)] : await readBundle(store, bundle);
      for (const link of links) if (!(await take(link))) return undefined;
      sequence += links.length;
    } catch (error) {
      if (!isNotFound(error)) damageOf(error, linkName(sequence)); // throws what is neither
      return undefined;
    }
  }
  return parts;
}

/** Undefined for a link that is not what it has to be. */
async function readPart(repository: Repository, link: Link): Promise<BundledPart | undefined> {
  const { store, description, signers } = repository;
  const { signed, sequence } = link;
  const { content, repository: owner, sequence: own } = signed.head;
  if (own !== sequence || owner !== description.id || !isAuthentic(signed, signers)) return undefined;
  if (content.object !== null) return { signed, payload: new Uint8Array(0) };
  if (content.size > MOST_BUNDLE_BYTES) return undefined;
  const payload = await store.read(link.object, { from: link.payloadAt, size: content.size });
  return createHash("sha256").update(payload).digest("hex") === content.sha256 ? { signed, payload } : undefined;
}

/** Whether all that a bundle holds is what was written, read from the store. */
export async function isWholeBundle(repository: Repository, range: SequenceRange): Promise<boolean> {
  try {
    for (const link of await readBundle(repository.store, range)) {
      if ((await readPart(repository, link)) === undefined) return false;
    }
    return true;
  } catch (error) {
    if (!isNotFound(error)) damageOf(error, bundleName(range));
    return false;
  }
}
