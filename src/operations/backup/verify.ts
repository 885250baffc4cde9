/**
 * `backup verify`: every object of a repository. That the links form one chain needs no identity; that their contents
 * are what was written needs none either, by their SHA-256; that they can be read, and hold what their heads say, does.
 */

import { createHash } from "node:crypto";
import { defined } from "../../errors/defined.ts";
import { type Finding, MendError } from "../../errors/errors.ts";
import { collectFindings } from "../../errors/findings.ts";
import { damageOf, eachOf, readBundle, readLinks } from "../../io/repository/read-links.ts";
import {
  type Link,
  type Repository,
  readContent,
  readDelta,
  readLink,
  streamContent,
  whereOf,
} from "../../io/repository/repository.ts";
import { checkChain, checkLink } from "../../repository/chain.ts";
import { BUNDLES, bundleRange, CHAIN, DATA, linkName, linkSequence } from "../../repository/names.ts";
import { decodeNodeFiles } from "../../repository/node-files.ts";
import { readTimeline } from "../../repository/timeline.ts";
import type { MomentAccess } from "../../snapshot/moment-access.ts";
import { openRepositoryAt } from "../../snapshot/open-moment.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import { leaveReport } from "./reports.ts";

export interface VerifyOptions extends MomentAccess {
  /** Read heads only: whether the chain is whole, and every content there. */
  readonly headsOnly?: boolean;
  /** How far the chain is known to have come. */
  readonly knownTip?: { readonly sequence: number; readonly hash?: string };
  readonly signal?: AbortSignal;
  readonly progress?: ProgressSink;
}

export interface BackupVerification {
  readonly repository: string;
  readonly links: number;
  readonly tip: { readonly sequence: number; readonly hash: string } | null;
  /** What was read: heads alone, the stored bytes, or what is in them. */
  readonly depth: "heads" | "stored" | "content";
  readonly bytesRead: number;
  readonly findings: readonly Finding[];
}

const AT_ONCE = 4;

export async function verifyBackups(address: string, options: VerifyOptions): Promise<BackupVerification> {
  const repository = await openRepositoryAt(address, options);
  const { store, description, identity, signers } = repository;
  try {
    const { links, unreadable, pruned, findings: damage } = await readLinks(repository);
    const found = collectFindings();
    const known = new Set<string>();
    // A damaged object is found when heads are read, and again with its content.
    const report = (finding: Finding): void => {
      const text = `${finding.code} ${finding.where} ${finding.text}`;
      if (!known.has(text)) found.report(finding);
      known.add(text);
    };
    for (const finding of damage) report(finding);
    const facts = { repository: description.id, signers, unreadable, pruned, links };
    const tipBefore = options.knownTip;
    // A link is named by its number, and one that was read from a bundle by that too.
    const places = new Map(links.map(({ sequence, object }) => [linkName(sequence), object]));
    for (const finding of checkChain(tipBefore === undefined ? facts : { ...facts, knownTip: tipBefore })) {
      const object = places.get(finding.where);
      report(
        object === undefined || object === finding.where
          ? finding
          : { ...finding, where: `${object} · ${finding.where}` },
      );
    }
    for (const delta of readTimeline(links.map(({ signed }) => signed.head)).orphans) {
      const text = "there is no full below its changes: they cannot be restored";
      report({ level: "warning", code: "delta-unusable", where: linkName(delta.sequence), text });
    }
    const depth =
      options.headsOnly === true
        ? "heads"
        : description.recipients === null || identity.keys.length > 0
          ? "content"
          : "stored";
    const bytesRead = await checkContents(repository, links, depth, report, options);
    const last = links.at(-1);
    const tip = last === undefined ? null : { sequence: last.sequence, hash: last.signed.hash };
    const result = {
      repository: store.url,
      links: links.length,
      tip,
      depth,
      bytesRead,
      findings: found.list(),
    } as const;
    if (depth !== "heads") {
      const errors = found.count("error");
      await leaveReport(store, errors > 0 ? "verify-failed" : "verify", options.now(), {
        time: new Date(options.now()).toISOString(),
        tip,
        depth,
        errors,
      });
    }
    return result;
  } finally {
    await store.close();
  }
}

async function checkContents(
  repository: Repository,
  links: readonly Link[],
  depth: BackupVerification["depth"],
  report: (finding: Finding) => void,
  { signal, progress }: VerifyOptions,
): Promise<number> {
  const { store } = repository;
  const sizes = new Map<string, number>();
  for (const prefix of [CHAIN, BUNDLES, DATA])
    for await (const { name, size } of store.list(prefix)) sizes.set(name, size);
  const used = new Set(links.flatMap(({ signed }) => signed.head.content.object ?? []));
  for (const name of sizes.keys()) {
    if (!name.startsWith(DATA) || used.has(name)) continue;
    const text = "no link names it: a full is being stored, or who stored it died; prune removes it";
    report({ level: "info", code: "object-unused", where: name, text });
  }
  const copies = await allCopies(repository, links, sizes, report);
  const total = copies.reduce((sum, { signed }) => sum + signed.head.content.size, 0);
  let bytesRead = 0;
  await eachOf(copies, AT_ONCE, async (link) => {
    signal?.throwIfAborted();
    const { content } = link.signed.head;
    const name = content.object ?? link.object;
    try {
      if (content.object !== null) checkAlone(link, sizes);
      if (depth === "heads") {
        const size = sizes.get(name) ?? 0;
        const needed = content.object === null ? link.payloadAt + content.size : content.size;
        const isWhole = link.object.startsWith(BUNDLES) && content.object === null ? size >= needed : size === needed;
        if (!isWhole)
          throw new MendError("repository-damaged", `"${name}" has ${size} bytes, expected ${needed}`, { where: name });
      } else if (depth === "stored") await checkStored(repository, link);
      else await checkContent(repository, link);
    } catch (error) {
      report(damageOf(error, name));
    }
    if (depth !== "heads") bytesRead += content.size;
    progress?.({ step: "verifying", done: bytesRead, total, unit: "bytes" });
  });
  return bytesRead;
}

/** Every place where a link is stored: a bundle, larger bundles, an object of its own. All of them are read. */
async function allCopies(
  repository: Repository,
  links: readonly Link[],
  sizes: ReadonlyMap<string, number>,
  report: (finding: Finding) => void,
): Promise<Link[]> {
  const { store, description, signers } = repository;
  const copies = [...links];
  const chosen = new Map(links.map((link) => [link.sequence, link.object]));
  const add = (sequence: number, link: Link): void => {
    if (chosen.get(sequence) === link.object) return;
    checkLink(sequence, link.signed, { repository: description.id, signers }, (_, code, text) =>
      report({ level: "error", code, where: `${link.object} · link ${sequence}`, text }),
    );
    const isOwn = link.signed.head.content.object === null; // a full's data is one object, whoever names it
    if (isOwn) copies.push(link);
  };
  for (const [name, size] of sizes) {
    const [sequence, range] = [linkSequence(name), bundleRange(name)];
    try {
      if (sequence !== undefined && chosen.get(sequence) !== name) add(sequence, await readLink(store, sequence));
      if (range === undefined) continue;
      const bundled = await readBundle(store, range);
      bundled.forEach((link, i) => {
        add(range.from + i, link);
      });
      const last = defined(bundled.at(-1));
      const expected = last.payloadAt + (last.signed.head.content.object === null ? last.signed.head.content.size : 0);
      if (size !== expected)
        throw new MendError("repository-damaged", `"${name}" has ${size} bytes, expected ${expected}`, { where: name });
    } catch (error) {
      report(damageOf(error, name));
    }
  }
  return copies;
}

/** The object of a link whose content is in another one: nothing follows its head. */
function checkAlone({ object, payloadAt }: Link, sizes: ReadonlyMap<string, number>): void {
  const size = sizes.get(object);
  if (!object.startsWith(CHAIN) || size === undefined || size === payloadAt) return;
  throw new MendError("repository-damaged", `"${object}" has ${size} bytes, expected ${payloadAt}`, { where: object });
}

async function checkStored(repository: Repository, link: Link): Promise<void> {
  const { content } = link.signed.head;
  const { store } = repository;
  const where = whereOf(repository, link);
  const hash = createHash("sha256");
  let size = 0;
  const whole =
    content.object === null
      ? await store.read(link.object, { from: link.payloadAt, size: content.size + 1 })
      : undefined;
  const isLast = link.object === linkName(link.sequence);
  const bytes = whole !== undefined && !isLast ? whole.subarray(0, content.size) : whole;
  for await (const chunk of bytes === undefined ? store.stream(defined(content.object ?? undefined)) : [bytes]) {
    size += chunk.length;
    hash.update(chunk);
  }
  if (size === content.size && hash.digest("hex") === content.sha256) return;
  const text = size === content.size ? "does not match its SHA-256" : `has ${size} bytes, expected ${content.size}`;
  throw new MendError("repository-damaged", `"${where}" ${text}`, { where });
}

async function checkContent(repository: Repository, link: Link): Promise<void> {
  const { head } = link.signed;
  await checkStored(repository, link);
  if (head.kind === "delta") await readDelta(repository, link);
  else if (head.kind === "node") decodeNodeFiles(await readContent(repository, link), whereOf(repository, link));
  else for await (const _ of streamContent(repository, link)); // its own hashes are checked on the way
}
