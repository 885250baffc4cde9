/**
 * `backup prune`: removes what no rule keeps. A signed record of it is written first, so that `verify` can tell it from
 * damage; a prune that is interrupted is finished by the next one.
 */

import { randomUUID } from "node:crypto";
import { defined } from "../../errors/defined.ts";
import { invariant, MendError } from "../../errors/errors.ts";
import { eachOf, readLinks, trusted } from "../../io/repository/read-links.ts";
import { headsOf, type Link, openRepository, type Repository } from "../../io/repository/repository.ts";
import { isWholeBundle } from "../../io/repository/write-bundles.ts";
import { openStore } from "../../io/stores/open-store.ts";
import type { Removal, Store, StoredObject } from "../../io/stores/store.ts";
import type { StoreOptions } from "../../io/stores/store-options.ts";
import { isWithin } from "../../repository/bundle-plan.ts";
import { checkChain } from "../../repository/chain.ts";
import type { KeepPolicy } from "../../repository/keep.ts";
import { BUNDLES, bundleRange, DATA, linkName, linkSequence, PRUNED, REPORTS } from "../../repository/names.ts";
import { type PrunePlan, planPrune, rangesOf } from "../../repository/prune-plan.ts";
import { encodePruneRecord, type PrunedRange } from "../../repository/pruned.ts";
import { currentSigner } from "../../repository/signers.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import { readSigningKey } from "./open-for-writing.ts";

export interface PruneOptions extends StoreOptions {
  readonly signingKeyFile: string;
  readonly policy: KeepPolicy;
  readonly dryRun: boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly progress?: ProgressSink;
}

export interface PruneResult {
  readonly repository: string;
  readonly dryRun: boolean;
  /** Fulls that stay, each with why. */
  readonly keptFulls: readonly {
    readonly sequence: number;
    readonly revision: number;
    readonly time: string | null;
    readonly reasons: readonly string[];
  }[];
  readonly keptLinks: number;
  /** From this link on every moment stays. */
  readonly continuousFrom: number;
  readonly removedLinks: number;
  readonly removedObjects: number;
  readonly removedBytes: number;
  /** Of these, objects that are hidden by a delete marker only: the bucket keeps their versions, and their bytes. */
  readonly hiddenObjects: number;
  /** Objects that were to go and are there, because the store keeps them until their retention has ended. */
  readonly lockedObjects: number;
}

/** An object that nobody names may belong to a full that is being stored. */
const ORPHAN_AGE_MS = 48 * 3_600_000;
/** For so long a link is stored twice, and a bundle that is damaged does not matter. */
const COPY_AGE_MS = 48 * 3_600_000;
const AT_ONCE = 8;

/** Throws `repository-damaged` where the chain is not whole: what is missing must not be covered up. */
export async function pruneRepository(address: string, options: PruneOptions): Promise<PruneResult> {
  const key = readSigningKey(options.signingKeyFile);
  const store = await openStore(address, options);
  try {
    const repository = await openRepository(store);
    if (key.publicKey !== currentSigner(repository.signers).key) {
      throw new MendError("config-invalid", `the signing key is not that of the repository "${store.url}"`, {
        where: store.url,
        hint: "use the signing key that kubemend backup init wrote for this repository",
      });
    }
    const found = await readLinks(repository);
    refuseDamage(repository, found);
    const links = trusted(repository, found.links);
    const plan = planPrune(headsOf(links), options.policy);
    const doomed = await findDoomed(repository, links, found.pruned, plan, options);
    const removals = new Map<string, Removal>();
    if (!options.dryRun && countOf(doomed) > 0) {
      await writeRecord(repository, links, plan, key, options);
      await removeAll(store, doomed, removals, options);
    }
    return resultOf(repository, links, plan, doomed, removals, options);
  } finally {
    await store.close();
  }
}

/** Fills `removals`. What a locked link names stays with it. */
async function removeAll(
  store: Store,
  doomed: Doomed,
  removals: Map<string, Removal>,
  { signal, progress }: PruneOptions,
): Promise<void> {
  for (const names of [doomed.objects, doomed.data]) {
    await eachOf(names, AT_ONCE, async (name) => {
      signal?.throwIfAborted();
      const link = doomed.linkOf.get(name);
      const staysWithLink = link !== undefined && removals.get(link) === "locked";
      removals.set(name, staysWithLink ? "locked" : await store.remove(name));
      progress?.({ step: "removing", done: removals.size, total: countOf(doomed), unit: "objects" });
    });
  }
}

function refuseDamage(repository: Repository, found: Awaited<ReturnType<typeof readLinks>>): void {
  const { description, signers } = repository;
  const broken = [...found.findings, ...checkChain({ ...found, repository: description.id, signers })];
  const first = broken.find(({ level }) => level === "error");
  if (first === undefined) return;
  throw new MendError("repository-damaged", `the chain is not whole, so nothing is removed: ${first.text}`, {
    where: first.where,
    hint: "see all damage with kubemend backup verify",
  });
}

interface Doomed {
  /** Links, bundles and notes. */
  readonly objects: readonly string[];
  /** What the links name: removed after them. */
  readonly data: readonly string[];
  /** The link of each of these, where it goes too. */
  readonly linkOf: ReadonlyMap<string, string>;
  /** Bytes, by name. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** Objects of links that go, what an earlier prune left, data that nobody names, and copies of what is in a larger bundle. */
async function findDoomed(
  repository: Repository,
  links: readonly Link[],
  pruned: readonly PrunedRange[],
  plan: PrunePlan,
  { now }: PruneOptions,
): Promise<Doomed> {
  const removed = new Set(plan.removed.map(({ sequence }) => sequence));
  const names = new Set([...removed].map(linkName));
  const needed = new Set<string>();
  const linkOf = new Map<string, string>();
  for (const { signed, sequence } of links) {
    const { object } = signed.head.content;
    if (object === null) continue;
    if (removed.has(sequence)) {
      names.add(object);
      linkOf.set(object, linkName(sequence));
    } else needed.add(object);
  }
  const isGone = (sequence: number): boolean =>
    removed.has(sequence) ||
    pruned.some(({ from, to }) => from <= sequence && sequence <= to && !plan.kept.has(sequence));
  const left: StoredObject[] = [];
  const doomed: StoredObject[] = [];
  for await (const object of repository.store.list("")) {
    const { name, modified } = object;
    const range = bundleRange(name);
    const isOrphan = name.startsWith(DATA) && !needed.has(name) && !names.has(name) && now() - modified > ORPHAN_AGE_MS;
    const isEmptyBundle = range !== undefined && allOf(range.from, range.to, isGone);
    const isProbe = name.startsWith(`${REPORTS}probe-`);
    if (!names.has(name) && !isOrphan && !isEmptyBundle && !isProbe) left.push(object);
    else {
      invariant(!needed.has(name), "what a kept link names stays");
      doomed.push(object);
    }
  }
  const copies = await findCopies(repository, left, ({ modified }) => now() - modified > COPY_AGE_MS);
  // Links go before what they name: one that is there can be read.
  const objects = [...doomed.map(({ name }) => name).sort(), ...copies.map(({ name }) => name)];
  return {
    objects: objects.filter((name) => !name.startsWith(DATA)),
    data: objects.filter((name) => name.startsWith(DATA)),
    linkOf,
    sizes: new Map([...doomed, ...copies].map(({ name, size }) => [name, size])),
  };
}

/** Links and bundles of which everything is in a larger bundle too, which was read and found whole. */
async function findCopies(
  repository: Repository,
  objects: readonly StoredObject[],
  isOld: (object: StoredObject) => boolean,
): Promise<StoredObject[]> {
  const placed = objects.flatMap((object) => {
    const sequence = linkSequence(object.name);
    const range = sequence === undefined ? bundleRange(object.name) : { from: sequence, to: sequence };
    return range === undefined ? [] : [{ object, range }];
  });
  const bundles = placed
    .filter(({ object }) => object.name.startsWith(BUNDLES))
    .sort((a, b) => b.range.to - b.range.from - (a.range.to - a.range.from));
  const copies = new Set<StoredObject>();
  for (const { object, range } of bundles) {
    if (copies.has(object)) continue;
    const inside = placed.filter(
      (each) => each.object !== object && isWithin(each.range, range) && isOld(each.object) && !copies.has(each.object),
    );
    if (inside.length === 0 || !(await isWholeBundle(repository, range))) continue;
    for (const each of inside) copies.add(each.object);
  }
  return [...copies];
}

function countOf({ objects, data }: Doomed): number {
  return objects.length + data.length;
}

function allOf(from: number, to: number, test: (sequence: number) => boolean): boolean {
  for (let sequence = from; sequence <= to; sequence++) if (!test(sequence)) return false;
  return true;
}

async function writeRecord(
  { store, description }: Repository,
  links: readonly Link[],
  plan: PrunePlan,
  key: ReturnType<typeof readSigningKey>,
  { now }: PruneOptions,
): Promise<void> {
  if (plan.removed.length === 0) return;
  const hashOf = new Map(links.map(({ sequence, signed }) => [sequence, signed.hash]));
  const ranges = rangesOf(plan.removed.map(({ sequence }) => sequence)).map(({ from, to }) => ({
    from,
    to,
    lastHash: defined(hashOf.get(to)),
  }));
  const time = new Date(now()).toISOString();
  const name = `${PRUNED}${time.replace(/[:.]/g, "-")}-${randomUUID()}`;
  const written = await store.create(name, encodePruneRecord({ repository: description.id, time, ranges }, key));
  invariant(written, "a name with a random part is new");
}

function resultOf(
  { store }: Repository,
  links: readonly Link[],
  plan: PrunePlan,
  doomed: Doomed,
  removals: ReadonlyMap<string, Removal>,
  { dryRun }: PruneOptions,
): PruneResult {
  const counted = (removal: Removal): number => [...removals.values()].filter((each) => each === removal).length;
  const gone = [...doomed.sizes].filter(([name]) => removals.get(name) !== "locked");
  const fulls = headsOf(links).filter((head) => head.kind === "full");
  return {
    repository: store.url,
    dryRun,
    keptFulls: fulls
      .filter(({ sequence }) => plan.kept.has(sequence))
      .map(({ sequence, revisions, times }) => ({
        sequence,
        revision: revisions.to,
        time: times?.to ?? null,
        reasons: plan.kept.get(sequence) ?? [],
      })),
    keptLinks: plan.kept.size,
    continuousFrom: plan.continuousFrom,
    removedLinks: plan.removed.filter(({ sequence }) => removals.get(linkName(sequence)) !== "locked").length,
    removedObjects: gone.length,
    removedBytes: gone.reduce((sum, [, size]) => sum + size, 0),
    hiddenObjects: counted("hidden"),
    lockedObjects: counted("locked"),
  };
}
