/** What the first view of the page shows: which backup this is, what is in it by kind and namespace, and the nodes. */
import type { JsonObject } from "../../kube/object.ts";
import type { Catalog } from "../catalog.ts";
import type { Clock } from "../clock.ts";
import { entries, field, list, text } from "../columns/field.ts";
import { splitKey } from "../view.ts";
import type { World } from "../world.ts";

export function overview(world: World, clock: Clock): JsonObject {
  const { history, revision, catalog, version, description, showSecrets } = world;
  const time = (at: number): string | null => isoTime(clock.timeOf(at));
  return {
    description,
    version: version ?? null,
    showSecrets,
    revision,
    firstRevision: history.firstRevision,
    lastRevision: history.lastRevision,
    time: time(revision),
    firstTime: time(history.firstRevision),
    lastTime: time(history.lastRevision),
    ...contents(world),
    nodes: nodes(world),
    resources: catalog.resources.length,
  };
}

export function isoTime(time: number | undefined): string | null {
  return time === undefined || !Number.isFinite(time) ? null : new Date(time).toISOString();
}

interface Share {
  objects: number;
  bytes: number;
  revisions: number;
}

/** The page asks again while the backup is being verified: what a moment holds does not change meanwhile. */
const counted = new WeakMap<Catalog, JsonObject>();

function contents(world: World): JsonObject {
  const known = counted.get(world.catalog) ?? countContents(world);
  counted.set(world.catalog, known);
  return known;
}

/** Objects and bytes of each kind, and objects of each namespace, at the moment; revisions over the whole history. */
function countContents({ history, revision, catalog }: World): JsonObject {
  const places = new Map<string, (typeof catalog.resources)[number]>();
  for (const resource of catalog.resources) if (!places.has(resource.place)) places.set(resource.place, resource);
  const namespaces = new Map<string, number>();
  const kinds: JsonObject[] = [];
  const total: Share = { objects: 0, bytes: 0, revisions: 0 };
  for (const [place, resource] of places) {
    const share: Share = { objects: 0, bytes: 0, revisions: 0 };
    const [from, to] = history.range(place);
    for (let key = from; key < to; key++) {
      share.revisions += history.rowCount(key);
      const row = history.rowAt(key, revision);
      if (row < 0) continue;
      share.objects += 1;
      share.bytes += history.sizeOf(row);
      if (!resource.namespaced) continue;
      const { namespace = "" } = splitKey(history.key(key), resource);
      namespaces.set(namespace, (namespaces.get(namespace) ?? 0) + 1);
    }
    total.objects += share.objects;
    total.bytes += share.bytes;
    total.revisions += share.revisions;
    if (share.revisions === 0) continue;
    const { group, version, plural, kind } = resource;
    kinds.push({ group, version, plural, kind, ...share });
  }
  return {
    total: { ...total },
    kinds: kinds.sort((a, b) => Number(b.bytes) - Number(a.bytes)),
    namespaces: [...namespaces]
      .map(([name, objects]) => ({ name, objects }))
      .sort((a, b) => b.objects - a.objects || (a.name < b.name ? -1 : 1)),
  };
}

const MOST_NODES = 200;
const ROLE = /^node-role\.kubernetes\.io\/(.+)$/;

function nodes({ history, revision, catalog }: World): JsonObject[] {
  const resource = catalog.find("", "v1", "nodes");
  if (resource === undefined) return [];
  const [from, to] = history.range(resource.place);
  const found: JsonObject[] = [];
  for (let key = from; key < to && found.length < MOST_NODES; key++) {
    const row = history.rowAt(key, revision);
    const decoded = row < 0 ? undefined : history.decode(row);
    if (decoded?.state !== "object") continue;
    const { object } = decoded;
    const ready = list(object, "status.conditions").find((each) => text(each, "type") === "Ready");
    const roles = entries(object, "metadata.labels").flatMap(([label]) => ROLE.exec(label)?.[1] ?? []);
    found.push({
      name: text(object, "metadata.name"),
      ready: text(ready, "status", "Unknown"),
      cordoned: field(object, "spec", "unschedulable") === true,
      roles,
      version: text(object, "status.nodeInfo.kubeletVersion"),
    });
  }
  return found;
}
