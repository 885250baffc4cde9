/** What was likely meant by a word that is unknown: only where a slip of the fingers explains it. */

import { defined } from "../errors/defined.ts";
/** The one candidate that is at most one letter away (two, from seven letters on); undefined where there is none, or several. */
export function likelyMeant(word: string, candidates: readonly string[]): string | undefined {
  const most = word.length >= 7 ? 2 : 1;
  const near = candidates
    .map((candidate) => ({ candidate, distance: distance(word, candidate) }))
    .filter(({ distance }) => distance <= most)
    .sort((a, b) => a.distance - b.distance);
  const [first, second] = near;
  return first !== undefined && first.distance !== second?.distance ? first.candidate : undefined;
}

/** Letters that are added, left out, wrong, or exchanged with their neighbour. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const wrong = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(
        defined(defined(rows[i - 1])[j]) + 1,
        defined(row[j - 1]) + 1,
        defined(defined(rows[i - 1])[j - 1]) + wrong,
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, defined(defined(rows[i - 2])[j - 2]) + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return defined(defined(rows[a.length])[b.length]);
}
