/** Root causes take their consequences in: a trouble that another one explains becomes a line of that one's evidence. */
import type { Trouble } from "./trouble.ts";

const MOST_EVIDENCE = 8;

/** The roots, the worst first, otherwise in their order. Troubles that explain each other in a ring all stay. */
export function suppressConsequences(troubles: readonly Trouble[]): Trouble[] {
  const byKey = new Map<string, Trouble[]>();
  for (const trouble of troubles) {
    for (const key of [trouble.code, ...(trouble.keys ?? [])]) {
      const named = byKey.get(key);
      if (named === undefined) byKey.set(key, [trouble]);
      else named.push(trouble);
    }
  }
  const causesOf = (trouble: Trouble): Trouble[] =>
    [...new Set((trouble.explainedBy ?? []).flatMap((key) => byKey.get(key) ?? []))].filter((each) => each !== trouble);

  /** The first root above a trouble; itself where it has no cause or stands in a ring. */
  const rootOf = (trouble: Trouble, below: ReadonlySet<Trouble>): Trouble | undefined => {
    const causes = causesOf(trouble);
    if (causes.length === 0) return trouble;
    const path = new Set([...below, trouble]);
    for (const cause of causes) {
      if (path.has(cause)) continue;
      const root = rootOf(cause, path);
      if (root !== undefined) return root;
    }
    return undefined;
  };

  const taken = new Map<Trouble, Trouble[]>();
  for (const trouble of troubles) {
    const root = rootOf(trouble, new Set()) ?? trouble;
    const own = taken.get(root) ?? [];
    if (root !== trouble) own.push(trouble);
    taken.set(root, own);
  }
  const roots = troubles.filter((trouble) => taken.has(trouble));
  return roots.map((root) => withEvidence(root, taken.get(root) ?? [])).sort((a, b) => rank(a) - rank(b));
}

function withEvidence(root: Trouble, consequences: readonly Trouble[]): Trouble {
  if (consequences.length === 0) return root;
  const lines = consequences.flatMap(({ text, evidence }) => [text, ...evidence.slice(0, 2)]);
  const evidence = [...new Set([...root.evidence, ...lines])];
  const more = evidence.length - MOST_EVIDENCE;
  // What would be a warning alone is what somebody else's absence makes of it.
  const worse = root.level === "error" ? undefined : consequences.find((each) => each.level === "error");
  const { level, consequence } = worse ?? root;
  return {
    ...root,
    level,
    consequence,
    evidence: more > 0 ? [...evidence.slice(0, MOST_EVIDENCE), `and ${more} more`] : evidence,
  };
}

function rank({ level }: Trouble): number {
  return level === "error" ? 0 : level === "warning" ? 1 : 2;
}
