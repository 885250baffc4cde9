/** Command lines for a POSIX shell. Names come from a snapshot that nobody vouches for: whatever they hold, they stay one word. */
import type { CommandSource } from "./api.ts";
import type { Marked } from "./basket.ts";

export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) && !text.startsWith("-") ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** One command for each moment and namespace. `served`: the revision that is meant where an object is marked at none. */
export function commandLines(source: CommandSource, served: number, marked: readonly Marked[]): readonly string[] {
  const groups = Map.groupBy(marked, ({ revision, namespace }) => JSON.stringify([revision || served, namespace]));
  return [...groups].map(([key, members]) => {
    const [revision, namespace] = JSON.parse(key) as [number, string | null];
    const moment = revision === source.lastRevision ? source.place : `${source.base}@${revision}`;
    const objects = members.map(({ group, plural, name }) =>
      shellWord(`${group === "" ? plural : `${plural}.${group}`}/${name}`),
    );
    const scope = namespace === null ? "" : ` -n ${shellWord(namespace)}`;
    return `kubemend objects restore ${shellWord(moment)} ${objects.join(" ")}${scope}${readingFlags(source)}`;
  });
}

function readingFlags({ encryptionConfig, etcdPrefix, identity }: CommandSource): string {
  const flags = [
    ["--encryption-config", encryptionConfig],
    ["--etcd-prefix", etcdPrefix],
    ["--identity", identity],
  ] as const;
  return flags.map(([flag, value]) => (value === null ? "" : ` ${flag} ${shellWord(value)}`)).join("");
}
