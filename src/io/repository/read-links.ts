/** The heads of all links, from bundles where there are any and one by one where not. */
import { type Finding, MendError } from "../../errors/errors.ts";
import { BUNDLE_LINE_BYTES, decodeBundleHeads, decodeBundleLine } from "../../repository/bundle.ts";
import { isWithin } from "../../repository/bundle-plan.ts";
import { isAuthentic } from "../../repository/head.ts";
import {
  BUNDLES,
  bundleName,
  bundleRange,
  CHAIN,
  linkName,
  linkSequence,
  PRUNED,
  type SequenceRange,
} from "../../repository/names.ts";
import { decodePruneRecord, type PrunedRange } from "../../repository/pruned.ts";
import type { Store } from "../stores/store.ts";
import { isNotFound } from "./not-found.ts";
import { type Link, type Repository, readLink } from "./repository.ts";

export interface FoundLinks {
  /** Ascending, each number once. What was pruned and is still in a bundle is left out. */
  readonly links: readonly Link[];
  /** Numbers of links whose heads cannot be read. */
  readonly unreadable: ReadonlySet<number>;
  readonly pruned: readonly PrunedRange[];
  /** What cannot be read, one finding each. */
  readonly findings: readonly Finding[];
}

const AT_ONCE = 16;

/** Reads every head. Damage is a finding; only what the store itself throws is thrown. */
export async function readLinks(repository: Repository): Promise<FoundLinks> {
  const { store, signers } = repository;
  const findings: Finding[] = [];
  const unreadable = new Set<number>();
  const links = await readBundled(repository, findings);
  const own: number[] = [];
  for await (const { name } of store.list(CHAIN)) {
    const sequence = linkSequence(name);
    if (sequence !== undefined) own.push(sequence);
  }
  await eachOf(own, AT_ONCE, async (sequence) => {
    const bundled = links.get(sequence);
    if (bundled !== undefined && isAuthentic(bundled.signed, signers)) return;
    try {
      links.set(sequence, await readLink(store, sequence));
    } catch (error) {
      if (isNotFound(error)) return; // pruned meanwhile
      findings.push(damageOf(error, linkName(sequence)));
      if (bundled === undefined) unreadable.add(sequence);
    }
  });
  const pruned = await readPruned(repository, findings);
  const alone = new Set(own);
  const isPruned = ({ sequence }: Link): boolean =>
    !alone.has(sequence) && pruned.some(({ from, to }) => from <= sequence && sequence <= to);
  const sorted = [...links.values()].filter((link) => !isPruned(link)).sort((a, b) => a.sequence - b.sequence);
  return { links: sorted, unreadable, pruned, findings };
}

/** The links of bundles, the largest first: one that lies in another that is whole is not read. */
async function readBundled({ store, signers }: Repository, findings: Finding[]): Promise<Map<number, Link>> {
  const links = new Map<number, Link>();
  const whole: SequenceRange[] = [];
  const ranges = (await bundlesOf(store)).sort((a, b) => b.to - b.from - (a.to - a.from));
  for (const range of ranges) {
    if (whole.some((outer) => isWithin(range, outer))) continue;
    try {
      const found = await readBundle(store, range);
      let isWhole = true;
      for (const link of found) {
        const isGood = isAuthentic(link.signed, signers);
        isWhole &&= isGood;
        if (isGood || !links.has(link.sequence)) links.set(link.sequence, link);
      }
      if (isWhole) whole.push(range);
    } catch (error) {
      if (!isNotFound(error)) findings.push(damageOf(error, bundleName(range))); // pruned meanwhile
    }
  }
  return links;
}

export async function bundlesOf(store: Store): Promise<SequenceRange[]> {
  const ranges: SequenceRange[] = [];
  for await (const { name } of store.list(BUNDLES)) {
    const range = bundleRange(name);
    if (range !== undefined) ranges.push(range);
  }
  return ranges;
}

/**
 * The links that are good for use: signed by the right key, each what its number says. What is wrong with the others is
 * for `verify` to say.
 */
export function trusted(repository: Repository, links: readonly Link[]): Link[] {
  const { signers, description } = repository;
  return links.filter(({ signed, sequence }) => {
    const { head } = signed;
    return head.sequence === sequence && head.repository === description.id && isAuthentic(signed, signers);
  });
}

export async function readBundle(store: Store, range: SequenceRange): Promise<Link[]> {
  const name = bundleName(range);
  const where = `${store.url}/${name}`;
  const line = decodeBundleLine(await store.read(name, { from: 0, size: BUNDLE_LINE_BYTES }), range, where);
  const heads = await store.read(name, { from: line.headsAt, size: line.headBytes });
  return decodeBundleHeads(line, heads, where).map(({ signed, payloadAt }) => ({
    sequence: signed.head.sequence,
    signed,
    object: name,
    payloadAt,
  }));
}

async function readPruned(repository: Repository, findings: Finding[]): Promise<PrunedRange[]> {
  const { store, description, signers } = repository;
  const ranges: PrunedRange[] = [...repository.pruned];
  for await (const { name } of store.list(PRUNED)) {
    try {
      const record = decodePruneRecord(await store.read(name), description.id, signers, `${store.url}/${name}`);
      ranges.push(...(record?.ranges ?? []));
    } catch (error) {
      findings.push(damageOf(error, name));
    }
  }
  return ranges.sort((a, b) => a.from - b.from);
}

/** Throws what is no damage of the repository's. */
export function damageOf(error: unknown, name: string): Finding {
  if (error instanceof MendError && ["repository-damaged", "not-found"].includes(error.code)) {
    return { level: "error", code: "object-damaged", where: error.where ?? name, text: error.message };
  }
  throw error;
}

/** Runs `work` for each item, so many at once; the first failure is thrown when those that run have ended. */
export async function eachOf<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  const workers = Array.from({ length: Math.min(atOnce, items.length) }, worker);
  await Promise.allSettled(workers);
  await Promise.all(workers);
}
