/**
 * Whether the links of a repository form one chain: each signed, in its place, and holding the hash of the one before.
 * What is missing is named, unless a signed record says that it was pruned.
 */
import { defined } from "../errors/defined.ts";
import type { Finding } from "../errors/errors.ts";
import type { FindingCode } from "../errors/finding-codes.ts";
import { isAuthentic, type SignedHead } from "./head.ts";
import { linkName, type SequenceRange } from "./names.ts";
import type { PrunedRange } from "./pruned.ts";
import type { Signers } from "./signers.ts";

export interface ChainFacts {
  /** The id in the repository's description. */
  readonly repository: string;
  readonly signers: Signers;
  /** By the number in the name of the object that each was read from, ascending. Those that cannot be read are left out. */
  readonly links: readonly { readonly sequence: number; readonly signed: SignedHead }[];
  /** Links that are there and cannot be read: they are not missing, and what is wrong with them is a finding already. */
  readonly unreadable: ReadonlySet<number>;
  readonly pruned: readonly PrunedRange[];
  /** How far the chain is known to have come, from an earlier look at it. */
  readonly knownTip?: { readonly sequence: number; readonly hash?: string };
}

/** Findings of level `error`, but for links that a prune which was interrupted has left (`info`). */
export function checkChain(facts: ChainFacts): Finding[] {
  const { links, knownTip } = facts;
  const findings: Finding[] = [];
  const report = (sequence: number, code: FindingCode, text: string): void =>
    void findings.push({ level: "error", code, where: linkName(sequence), text });
  let before: { readonly sequence: number; readonly hash: string } | undefined;
  for (const { sequence, signed } of links) {
    checkLink(sequence, signed, facts, report);
    const { previous } = signed.head;
    const isNext = before === undefined ? sequence === 1 : sequence === before.sequence + 1;
    if (isNext) {
      const expected = before?.hash ?? null;
      if (previous !== expected) {
        const text =
          expected === null
            ? `it is the first link and holds the hash ${short(previous)} of one before`
            : `it holds ${short(previous)} as the hash of the link before, which is ${short(expected)}: one of the two was changed`;
        report(sequence, "chain-broken", text);
      }
    } else {
      const hole = { from: (before?.sequence ?? 0) + 1, to: sequence - 1 };
      findings.push(...checkHole(hole, previous, sequence, facts));
    }
    before = { sequence, hash: signed.hash };
  }
  if (knownTip !== undefined) findings.push(...checkTip(knownTip, facts));
  return findings;
}

/** What is wrong with a link by itself. */
export function checkLink(
  sequence: number,
  signed: SignedHead,
  facts: Pick<ChainFacts, "repository" | "signers">,
  report: (sequence: number, code: FindingCode, text: string) => void,
): void {
  const { head } = signed;
  if (!isAuthentic(signed, facts.signers)) {
    report(sequence, "signature-invalid", "its signature was not made with the repository's signing key");
  }
  if (head.repository !== facts.repository) {
    report(sequence, "link-foreign", `it belongs to the repository ${head.repository}`);
  }
  if (head.sequence !== sequence) {
    report(sequence, "link-misplaced", `it is link ${head.sequence}: somebody copied it here`);
  }
}

function checkHole(hole: SequenceRange, previous: string | null, next: number, facts: ChainFacts): Finding[] {
  const findings: Finding[] = [];
  const missing: SequenceRange[] = [];
  for (let sequence = hole.from; sequence <= hole.to; sequence++) {
    if (facts.unreadable.has(sequence)) continue;
    const range = facts.pruned.find(({ from, to }) => from <= sequence && sequence <= to);
    if (range !== undefined) {
      sequence = Math.min(range.to, hole.to);
      continue;
    }
    const last = missing.at(-1);
    if (last?.to === sequence - 1) missing[missing.length - 1] = { from: last.from, to: sequence };
    else missing.push({ from: sequence, to: sequence });
  }
  for (const { from, to } of missing) {
    const where = from === to ? linkName(from) : `${linkName(from)} to ${linkName(to)}`;
    const text = from === to ? "the link is missing" : `${to - from + 1} links are missing`;
    findings.push({ level: "error", code: "link-missing", where, text });
  }
  const before = facts.pruned.filter(({ to }) => to === hole.to);
  if (before.length > 0 && !before.some(({ lastHash }) => lastHash === previous)) {
    findings.push({
      level: "error",
      code: "chain-broken",
      where: linkName(next),
      text: `it holds ${short(previous)} as the hash of the link before, which was pruned and had ${short(defined(before[0]).lastHash)}`,
    });
  }
  return findings;
}

function checkTip(known: NonNullable<ChainFacts["knownTip"]>, facts: ChainFacts): Finding[] {
  const { links, unreadable } = facts;
  const last = Math.max(links.at(-1)?.sequence ?? 0, ...unreadable);
  if (last < known.sequence) {
    const text = `the chain ends at link ${last}, and was known to reach ${known.sequence}: its newest links were removed`;
    return [{ level: "error", code: "chain-cut", where: linkName(last + 1), text }];
  }
  const found = links.find(({ sequence }) => sequence === known.sequence);
  if (found === undefined || known.hash === undefined || found.signed.hash === known.hash) return [];
  const text = `its hash is ${short(found.signed.hash)}, and was ${short(known.hash)}: it was replaced`;
  return [{ level: "error", code: "chain-broken", where: linkName(known.sequence), text }];
}

function short(hash: string | null): string {
  return hash === null ? "none" : hash.slice(0, 12);
}
