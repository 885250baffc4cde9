/** How many live objects there are at each path, as threads count them. */
export type ObjectCounts = ReadonlyMap<string, number>;

/** Joins what several threads counted. */
export function mergeObjectCounts(counts: readonly ObjectCounts[]): ObjectCounts {
  const all = new Map<string, number>();
  for (const [path, count] of counts.flatMap((each) => [...each])) all.set(path, (all.get(path) ?? 0) + count);
  return all;
}
