/** Collects findings up to a limit, so that a file made of damage cannot fill the memory; the rest is counted. */
import type { Finding, FindingLevel } from "./errors.ts";

const MOST_FINDINGS = 10_000;

export interface FindingCollector {
  readonly report: (finding: Finding) => void;
  /** In the order of their places; errors first. */
  list(): readonly Finding[];
  count(level: FindingLevel): number;
}

export function collectFindings(limit = MOST_FINDINGS): FindingCollector {
  const kept: Finding[] = [];
  const counts: Record<FindingLevel, number> = { error: 0, warning: 0, info: 0 };
  return {
    report(finding) {
      counts[finding.level] += 1;
      if (kept.length < limit) kept.push(finding);
    },
    count: (level) => counts[level],
    list() {
      const sorted = kept.toSorted((a, b) => rank(a.level) - rank(b.level) || compareNatural(a.where, b.where));
      const total = counts.error + counts.warning + counts.info;
      if (total === kept.length) return sorted;
      const text = `${total - kept.length} more findings are not shown`;
      return [...sorted, { level: counts.error > 0 ? "error" : "warning", code: "findings-omitted", where: "", text }];
    },
  };
}

function rank(level: FindingLevel): number {
  return level === "error" ? 0 : level === "warning" ? 1 : 2;
}

/** Made when something is compared: it takes ten milliseconds, and most commands find nothing. */
let collator: Intl.Collator | undefined;

/** `page 9` before `page 10`. */
function compareNatural(a: string, b: string): number {
  collator ??= new Intl.Collator("en", { numeric: true });
  return collator.compare(a, b);
}

/** A finding that many things have in common, with the place of the first. Plain data, so that threads can send it. */
export interface Tally extends Finding {
  count: number;
}

/** A hostile file may name any number of fields and keys. */
const MOST_TALLIES = 1000;

/** Counts one more thing of which `finding` is true; `key` tells which of them are the same. */
export function addTally(tallies: Map<string, Tally>, key: string, finding: () => Finding): void {
  const known = tallies.get(key);
  if (known !== undefined) known.count += 1;
  else if (tallies.size < MOST_TALLIES) tallies.set(key, { ...finding(), count: 1 });
}

/** One finding for each tally. */
export function reportTallies(tallies: ReadonlyMap<string, Tally>, report: (finding: Finding) => void): void {
  for (const { count, level, code, where, text } of tallies.values()) {
    report({ level, code, where, text: count === 1 ? text : `${text} (and ${count - 1} more like it)` });
  }
}
