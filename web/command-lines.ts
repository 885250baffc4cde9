/** Command lines for a POSIX shell. Names come from a snapshot that nobody vouches for: whatever they hold, they stay one word. */
import type { Marked } from "./basket.ts";

export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) && !text.startsWith("-") ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** One command for each moment and namespace. `newest`: the revision that is served where none is named. */
export function commandLines(
  place: string,
  base: string,
  newest: number,
  marked: readonly Marked[],
): readonly string[] {
  const groups = Map.groupBy(marked, ({ revision, namespace }) => JSON.stringify([revision || newest, namespace]));
  return [...groups].map(([key, members]) => {
    const [revision, namespace] = JSON.parse(key) as [number, string | null];
    const moment = revision === newest ? place : `${base}@${revision}`;
    const objects = members.map(({ group, plural, name }) =>
      shellWord(`${group === "" ? plural : `${plural}.${group}`}/${name}`),
    );
    const scope = namespace === null ? "" : ` -n ${shellWord(namespace)}`;
    return `kubemend objects restore ${shellWord(moment)} ${objects.join(" ")}${scope}`;
  });
}
