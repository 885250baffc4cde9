/** Which control plane the cluster of a backup had, and what is to be done and looked after when it is restored. */
import { distributionOf } from "../../controlplane/distribution.ts";
import { recognisePod } from "../../controlplane/sorted-objects.ts";
import { leftoverPrefixes, readLeftovers, restoreNotes, restoreSteps } from "../../diagnosis/after-restore.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import type { Catalog } from "../catalog.ts";
import { text } from "../columns/field.ts";
import type { World } from "../world.ts";

/** Pods and nodes that are looked at. */
const MOST_LOOKED_AT = 3000;

/** Of moments that were looked at. */
const known = new WeakMap<Catalog, JsonObject>();

export function controlPlane(world: World, prefix: string, members: readonly string[]): JsonObject {
  const found = known.get(world.catalog) ?? readControlPlane(world, prefix, members);
  known.set(world.catalog, found);
  return found;
}

/** `members`: the names of etcd's members, of which each but the first is restored after it. */
function readControlPlane(world: World, prefix: string, members: readonly string[]): JsonObject {
  const { history, revision } = world;
  const keys: string[] = [];
  for (const place of leftoverPrefixes(prefix)) {
    for (const key of world.liveKeys(place, revision)) keys.push(history.key(key));
  }
  const leftovers = readLeftovers(keys, prefix);
  const distribution = distributionOf(objectsAt(world, `${prefix}/minions/`));
  return {
    flavour: distribution?.what ?? leftovers.flavour ?? null,
    instead: distribution?.instead ?? null,
    apiServers: leftovers.apiServers,
    members: placesOf(objectsAt(world, `${prefix}/pods/kube-system/`)),
    steps: restoreSteps(leftovers, members.slice(1)),
    notes: restoreNotes(leftovers, undefined).map(({ level, code, where, text }) => ({ level, code, where, text })),
  };
}

/** Which parts of the control plane ran on which node, as the pods say. */
function placesOf(pods: readonly KubeObject[]): JsonObject[] {
  const components = new Map<string, Map<string, boolean>>();
  for (const pod of pods) {
    const component = recognisePod(pod)?.component;
    if (component === undefined) continue;
    const node = text(pod, "spec.nodeName");
    const onNode = components.get(node) ?? new Map<string, boolean>();
    components.set(node, onNode);
    const runs = text(pod, "status.phase") === "Running";
    onNode.set(component, runs || (onNode.get(component) ?? false));
  }
  return [...components]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([node, all]) => ({
      node,
      components: [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, running]) => ({ name, running })),
    }));
}

function objectsAt({ history, revision, liveKeys }: World, place: string): KubeObject[] {
  return [...liveKeys(place, revision).subarray(0, MOST_LOOKED_AT)].flatMap((key) => {
    const decoded = history.decode(history.rowAt(key, revision));
    return decoded.state === "object" && decoded.object.metadata?.name !== undefined ? [decoded.object] : [];
  });
}
