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

const collator = new Intl.Collator("en", { numeric: true });

/** `page 9` before `page 10`. */
function compareNatural(a: string, b: string): number {
  return collator.compare(a, b);
}
