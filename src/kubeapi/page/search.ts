/**
 * Search over names at once, and over what objects hold little by little. Names lie in one buffer, which is searched in
 * milliseconds for hundreds of thousands of objects; values stay in the file, so that each request looks through as
 * many of them as its time allows and says how far it came.
 */
import { defined } from "../../errors/defined.ts";
import type { JsonObject } from "../../kube/object.ts";
import type { ServedResource } from "../catalog.ts";
import type { KeyspaceHistory } from "../history.ts";
import { splitKey } from "../view.ts";
import type { World } from "../world.ts";
import { resourceId } from "./changes.ts";
import type { ContentIndex } from "./content-index.ts";

export interface NameIndex {
  /** All keys in lower case, one a line. */
  readonly text: Buffer;
  /** Where each key ends in {@link text}. */
  readonly ends: Uint32Array;
}

/** Keys that are indexed before other requests get their turn. */
const KEYS_AT_ONCE = 4096;

/** About as many bytes as the keys have. */
export function* indexNames(history: KeyspaceHistory, prefix: string): Generator<undefined, NameIndex> {
  const [from, to] = history.range(`${prefix}/`);
  const ends = new Uint32Array(to - from);
  const parts: Buffer[] = [];
  let part = "";
  let size = 0;
  const flush = () => {
    const bytes = Buffer.from(part);
    parts.push(bytes);
    part = "";
  };
  for (let key = from; key < to; key++) {
    const line = `${history.key(key).toLowerCase()}\n`;
    size += Buffer.byteLength(line);
    ends[key - from] = size;
    part += line;
    if (part.length > 1 << 20) flush();
    if (key % KEYS_AT_ONCE === 0) yield undefined;
  }
  flush();
  return { text: Buffer.concat(parts, size), ends };
}

export interface SearchQuery {
  readonly words: string;
  readonly limit: number;
}

/** Objects at the moment whose kind, namespace or name holds the words. */
export function searchNames(world: World, index: NameIndex, prefix: string, { words, limit }: SearchQuery): JsonObject {
  const { history, revision, catalog } = world;
  const [from] = history.range(`${prefix}/`);
  const wanted = Buffer.from(words.toLowerCase());
  const found: JsonObject[] = [];
  let matches = 0;
  for (let at = wanted.length === 0 ? -1 : index.text.indexOf(wanted); at >= 0; ) {
    const line = lineAt(index.ends, at);
    const key = from + line;
    const resource = history.rowAt(key, revision) < 0 ? undefined : resourceOf(catalog.resources, history.key(key));
    if (resource !== undefined) {
      matches++;
      if (found.length < limit) found.push(result(world, resource, key));
      else if (matches >= MOST_COUNTED) break;
    }
    at = index.text.indexOf(wanted, defined(index.ends[line]));
  }
  return { words, found, matches, isComplete: matches < MOST_COUNTED };
}

/** More matches are not counted. */
const MOST_COUNTED = 5000;

function lineAt(ends: Uint32Array, position: number): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (defined(ends[middle]) <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The longest place wins: one resource's can begin another's. */
function resourceOf(resources: readonly ServedResource[], key: string): ServedResource | undefined {
  let best: ServedResource | undefined;
  for (const each of resources) {
    if (key.startsWith(each.place) && (best === undefined || each.place.length > best.place.length)) best = each;
  }
  return best;
}

function result({ history }: World, resource: ServedResource, key: number): JsonObject {
  const { namespace, name } = splitKey(history.key(key), resource);
  return { ...resourceId(resource), namespace: namespace ?? null, name };
}

export interface ContentQuery extends SearchQuery {
  /** The key to continue from; 0 to begin. */
  readonly cursor: number;
  /** Whether there is time for more. */
  readonly hasTime: () => boolean;
  /** Undefined where there is so little that it is read whole. */
  readonly index: ContentIndex | undefined;
}

/** What is looked for: a text as it is stored, or a label with its value, such as `app=web`, which are stored apart. */
interface Wanted {
  readonly text: Buffer;
  readonly label: { readonly name: string; readonly value: string; readonly bytes: readonly Buffer[] } | undefined;
}

function readWanted(words: string): Wanted {
  const [, name, value] = /^([A-Za-z0-9][\w./-]*)=([\w.-]+)$/.exec(words) ?? [];
  const label =
    name === undefined || value === undefined
      ? undefined
      : { name, value, bytes: [Buffer.from(name), Buffer.from(value)] };
  return { text: Buffer.from(words), label };
}

/**
 * Objects whose stored bytes hold the words as they are written: labels, images, messages. Secrets are left out where
 * their values are hidden.
 */
export function searchContents(
  world: World,
  prefix: string,
  { words, limit, cursor, hasTime, index }: ContentQuery,
): JsonObject {
  const { history, revision, catalog, showSecrets } = world;
  const [from, to] = history.range(`${prefix}/`);
  const secrets = showSecrets ? ([0, 0] as const) : history.range(`${prefix}/secrets/`);
  const wanted = readWanted(words);
  const { text, label } = wanted;
  const found: JsonObject[] = [];
  const mayHold = (key: number): boolean =>
    index === undefined ||
    index.mayHold(key, text) ||
    (label?.bytes.every((bytes) => index.mayHold(key, bytes)) ?? false);
  let looked = 0;
  let key = text.length === 0 ? to : Math.max(from, cursor);
  while (key < to && found.length < limit) {
    if (!mayHold(key)) {
      key = defined(index).blockEnd(key);
      continue;
    }
    if (++looked % 64 === 0 && !hasTime()) break;
    const at = key++;
    if (at >= secrets[0] && at < secrets[1]) continue;
    const row = history.rowAt(at, revision);
    if (row < 0 || !holds(world, row, wanted)) continue;
    const resource = resourceOf(catalog.resources, history.key(at));
    if (resource !== undefined) found.push(result(world, resource, at));
  }
  const end = Math.min(key, to);
  return {
    words,
    found,
    cursor: end,
    done: end >= to,
    progress: to === from ? 1 : (end - from) / (to - from),
    indexed: index?.progress() ?? 1,
  };
}

function holds({ history }: World, row: number, { text, label }: Wanted): boolean {
  const bytes = history.raw(row);
  if (bytes === undefined) return false;
  if (bytes.includes(text)) return true;
  if (label === undefined || !label.bytes.every((each) => bytes.includes(each))) return false;
  const decoded = history.decode(row);
  const labels = decoded.state === "object" ? decoded.object.metadata?.labels : undefined;
  return labels !== undefined && Object.hasOwn(labels, label.name) && labels[label.name] === label.value;
}
