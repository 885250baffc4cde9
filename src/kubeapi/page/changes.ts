/** What changed between two moments, object by object, and the history of one object: what differs, by whom, and when. */
import { builtInType } from "../../compare/built-in-types.ts";
import { compareObjects } from "../../compare/compare-objects.ts";
import { pathText } from "../../compare/compare-values.ts";
import { isElectionRecord } from "../../compare/noise.ts";
import { schemaOfVersion, UNKNOWN_CUSTOM } from "../../compare/schema-types.ts";
import { type Writer, writersOf } from "../../compare/writers.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../kube/object.ts";
import { printYaml } from "../../storage/yaml-text.ts";
import type { ServedResource } from "../catalog.ts";
import type { Clock } from "../clock.ts";
import { ApiFailure, notFound } from "../status.ts";
import { splitKey, type Viewed, viewRow } from "../view.ts";
import type { World } from "../world.ts";
import { isoTime } from "./overview.ts";

export interface ChangesQuery {
  readonly from: number;
  readonly to: number;
  /** Leases, events, status and counters count, too. */
  readonly all: boolean;
  readonly offset: number;
  readonly limit: number;
}

/** Kinds that change all the time and say little. */
const NOISY = new Set(["leases", "events"]);
/** Fields of one object that are listed. */
const MOST_FIELDS = 200;

export function changes(world: World, clock: Clock, { from, to, all, offset, limit }: ChangesQuery): JsonObject {
  const { history } = world;
  if (from > to) throw new ApiFailure("BadRequest", `revision ${from} is after revision ${to}`);
  const last = new Map<number, number>();
  for (const row of history.rowsAfter(from)) {
    if (history.revisionOf(row) > to) break;
    const key = history.keyOfRow(row);
    last.delete(key);
    last.set(key, row); // in the order of the last change
  }
  const found: JsonObject[] = [];
  let skipped = 0;
  let more = false;
  for (const [key, row] of [...last].reverse()) {
    const resource = resourceOf(world, history.key(key));
    if (resource === undefined || (!all && NOISY.has(resource.plural))) continue;
    const change = changeOf(world, clock, resource, key, row, { from, to, all });
    if (change === undefined) continue;
    if (skipped < offset) skipped++;
    else if (found.length < limit) found.push(change);
    else {
      more = true;
      break;
    }
  }
  return {
    from,
    to,
    fromTime: isoTime(clock.timeOf(from)),
    toTime: isoTime(clock.timeOf(to)),
    changes: found,
    more,
  };
}

function resourceOf({ catalog }: World, key: string): ServedResource | undefined {
  return catalog.resources.find(({ place }) => key.startsWith(place));
}

function changeOf(
  world: World,
  clock: Clock,
  resource: ServedResource,
  key: number,
  row: number,
  { from, to, all }: { readonly from: number; readonly to: number; readonly all: boolean },
): JsonObject | undefined {
  const { history } = world;
  const viewAt = (revision: number): Viewed | undefined => {
    const at = history.rowAt(key, revision);
    return at < 0 ? undefined : viewRow(history, at, resource, world.showSecrets);
  };
  const [before, after] = [viewAt(from), viewAt(to)];
  if (before === undefined && after === undefined && !all) return undefined;
  const { namespace, name } = splitKey(history.key(key), resource);
  const revision = history.revisionOf(row);
  const base = {
    ...resourceId(resource),
    namespace: namespace ?? null,
    name,
    revision,
    time: isoTime(clock.timeOf(revision)),
  };
  const kind =
    before === undefined
      ? after === undefined
        ? "came and went"
        : "added"
      : after === undefined
        ? "removed"
        : "changed";
  if (before?.state !== "object" || after?.state !== "object") {
    const who = after?.state === "object" ? writersOf(undefined, after.object) : [];
    return { ...base, change: kind, fields: [], writers: who.slice(0, 3).map(writerBody) };
  }
  if (!all && isElectionRecord(after.object)) return undefined;
  const difference = comparison(before.object, after.object, resource, all);
  if (difference.fields.length === 0 && !difference.recreated) return undefined;
  return { ...base, change: difference.recreated ? "replaced" : kind, ...difference };
}

function comparison(before: KubeObject, after: KubeObject, { type: served }: ServedResource, all: boolean) {
  const type = served.custom
    ? schemaOfVersion(served.version.schema)
    : (builtInType(after.apiVersion, after.kind) ?? UNKNOWN_CUSTOM);
  const { fields, recreated } = compareObjects(before, after, type, all);
  return {
    recreated,
    writers: writersOf(before, after).slice(0, 5).map(writerBody),
    fields: fields.slice(0, MOST_FIELDS).map((each) => ({
      path: pathText(each.path),
      before: shortened(each.before),
      after: shortened(each.after),
    })),
  };
}

const LONGEST_VALUE = 2000;

/** A value as text of one field; undefined where it is not there. */
function shortened(value: JsonValue | undefined): string | null {
  if (value === undefined) return null;
  const text =
    typeof value === "string"
      ? value
      : JSON.stringify(value, (_, each) => (typeof each === "bigint" ? String(each) : each));
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}… (${text.length} characters)` : text;
}

const writerBody = ({ manager, operation, subresource, time }: Writer): JsonObject => ({
  manager,
  operation,
  subresource,
  time,
});

export function resourceId({ group, version, plural, kind, namespaced }: ServedResource): JsonObject {
  return { group, version, plural, kind, namespaced };
}

/** Revisions of one object that are shown at once. */
const MOST_REVISIONS = 200;

/** Every recorded revision of an object, the newest first, each with what it changed. */
export function objectHistory(
  world: World,
  clock: Clock,
  resource: ServedResource,
  namespace: string | undefined,
  name: string,
): JsonObject {
  const { history, showSecrets } = world;
  const key = history.find(`${resource.place}${namespace === undefined ? "" : `${namespace}/`}${name}`);
  if (key < 0) throw notFound(resource, name);
  const rows = history.rowsOf(key);
  const shown = rows.slice(-MOST_REVISIONS);
  let before: KubeObject | undefined;
  const revisions = shown.map((row): JsonObject => {
    const revision = history.revisionOf(row);
    const base = { revision, time: isoTime(clock.timeOf(revision)) };
    if (history.isDeletion(row)) {
      before = undefined;
      return { ...base, change: "deleted", writers: [], fields: [] };
    }
    const viewed = viewRow(history, row, resource, showSecrets);
    if (viewed.state !== "object") return { ...base, change: viewed.state, writers: [], fields: [], text: viewed.text };
    const earlier = before;
    before = viewed.object;
    if (earlier === undefined) {
      const change = row === rows[0] && revision <= history.firstRevision ? "oldest recorded" : "created";
      return { ...base, change, writers: writersOf(undefined, viewed.object).slice(0, 5).map(writerBody), fields: [] };
    }
    const difference = comparison(earlier, viewed.object, resource, true);
    const fields = difference.fields.filter(({ path }) => !BOOKKEEPING.test(path));
    return { ...base, change: difference.recreated ? "replaced" : "changed", ...difference, fields };
  });
  return {
    ...resourceId(resource),
    namespace: namespace ?? null,
    name,
    total: rows.length,
    revisions: revisions.reverse(),
  };
}

/** Changes with every write. */
const BOOKKEEPING = /^metadata\.(managedFields|resourceVersion|generation)\b/;

/** The YAML of an object at two revisions, for a comparison side by side. */
export function objectTexts(
  world: World,
  resource: ServedResource,
  namespace: string | undefined,
  name: string,
  revisions: readonly number[],
): JsonObject {
  const { history, showSecrets } = world;
  const key = history.find(`${resource.place}${namespace === undefined ? "" : `${namespace}/`}${name}`);
  if (key < 0) throw notFound(resource, name);
  return {
    texts: revisions.map((revision) => {
      const row = history.rowAt(key, revision);
      const viewed = row < 0 ? undefined : viewRow(history, row, resource, showSecrets);
      if (viewed === undefined) return { revision, text: "" };
      return { revision, text: viewed.state === "object" ? yamlOf(viewed.object).yaml : `# ${viewed.text}\n` };
    }),
  };
}

/** The object as YAML, its managed fields by themselves. */
export function yamlOf(object: KubeObject): { readonly yaml: string; readonly managedFields: string } {
  const { managedFields, ...metadata } = object.metadata;
  const shown: JsonObject = { ...object, metadata };
  return {
    yaml: printYaml(shown),
    managedFields: managedFields === undefined ? "" : printYaml(managedFields as JsonValue),
  };
}
