/**
 * Search over names at once, and over what objects hold little by little. Names lie in memory; values stay in the file,
 * so that each request looks through as many of them as its time allows and says how far it came.
 */
import type { JsonObject } from "../../kube/object.ts";
import type { ServedResource } from "../catalog.ts";
import { splitKey } from "../view.ts";
import type { World } from "../world.ts";
import { resourceId } from "./changes.ts";
import type { ContentIndex } from "./content-index.ts";
import { groupOf, keysWith, type NameGroup, type NameIndex } from "./name-index.ts";

export interface SearchQuery {
  readonly words: string;
  readonly limit: number;
}

/** More matches are not counted, and more keys that match are not looked at. */
const MOST_COUNTED = 5000;
const MOST_LOOKED_AT = 50_000;

/**
 * Objects at the moment whose name, kind or namespace holds the words: those whose name is the words first, then those
 * whose name begins with them, has them elsewhere, and those of a kind or namespace that has them. `shop/web` is a name
 * that begins with `web` in a namespace or of a kind that ends with `shop`.
 */
export function searchNames(world: World, index: NameIndex, { words, limit }: SearchQuery): JsonObject {
  const { history, revision, catalog } = world;
  const resources = new Map<NameGroup, ServedResource | undefined>();
  const seen = new Set<number>();
  const found: JsonObject[] = [];
  let matches = 0;
  let isComplete = true;
  for (const key of words === "" ? [] : matchingKeys(index, words.toLowerCase())) {
    if (seen.has(key)) continue;
    if (matches >= MOST_COUNTED || seen.size >= MOST_LOOKED_AT) {
      isComplete = false;
      break;
    }
    seen.add(key);
    if (history.rowAt(key, revision) < 0) continue;
    const group = groupOf(index, key);
    if (!resources.has(group)) resources.set(group, resourceOf(catalog.resources, history.key(key)));
    const resource = resources.get(group);
    if (resource === undefined) continue;
    matches++;
    if (found.length < limit) found.push(result(world, resource, key));
  }
  return { words, found, matches, isComplete };
}

/** The best ones first; some more than once. */
function* matchingKeys(index: NameIndex, words: string): Generator<number> {
  const { groups, from, ends } = index;
  const slash = words.lastIndexOf("/");
  const name = words.slice(slash + 1);
  const before = words.slice(0, Math.max(0, slash));
  const within = slash < 0 ? [{ first: from, end: from + ends.length }] : groups.filter(endsWith(before));
  const forms = [`\n${name}\n`, `\n${name}`, ...(slash < 0 ? [name] : [])];
  for (const form of name === "" ? [] : forms)
    for (const { first, end } of within) yield* keysWith(index, Buffer.from(form), first, end);
  for (const group of groups) {
    if (!group.text.includes(words) && (name !== "" || !endsWith(before)(group))) continue;
    for (let key = group.first; key < group.end; key++) yield key;
  }
}

function endsWith(text: string): (group: NameGroup) => boolean {
  return (group) => group.text.endsWith(text);
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
  let blockEnd = key;
  while (key < to && found.length < limit) {
    if (index !== undefined && key >= blockEnd) {
      blockEnd = index.blockEnd(key);
      if (!mayHold(key)) {
        key = blockEnd;
        continue;
      }
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
