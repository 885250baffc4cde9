/**
 * A parent becomes a checkpoint: a static pod of the same name that nobody schedules, owns or serves secrets to. Where
 * it differs from what bootkube made, ADR 0063 says why.
 */
import { dropScheduling } from "../bootstrap/drop-scheduling.ts";
import { makeEnvironmentLiteral } from "../bootstrap/literal-environment.ts";
import { mapObjects, objectOf, without } from "../kube/fields.ts";
import { withoutHostPorts } from "../kube/host-ports.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import {
  CHECKPOINT_OF_ANNOTATION,
  CONTROLLER_ANNOTATION,
  DATA_ANNOTATION,
  type DataDirectory,
  specOf,
} from "./checkpoint.ts";
import { turnVolumesIntoDirectories, type VolumeContext } from "./data-volumes.ts";
import { checkpointIdOf } from "./parent.ts";

/** A copy without a number yet: what a generation is made of. */
export interface Draft {
  readonly manifest: KubeObject;
  readonly directories: readonly DataDirectory[];
}

const MOST_GRACE_SECONDS = 10;

/** Everything it refers to must be in the context, or be optional. */
export function sanitize(context: VolumeContext): Draft {
  const { parent } = context;
  const scheduled = dropScheduling(withoutToken(specOf(parent)), context);
  const literal = makeEnvironmentLiteral(scheduled, context);
  const { podSpec, directories } = turnVolumesIntoDirectories(literal, context);
  const spec = endSoon(withoutRequests(withoutHostPorts(keepTolerations(podSpec, specOf(parent)))));
  return { manifest: { apiVersion: "v1", kind: "Pod", metadata: metadataOf(parent, directories), spec }, directories };
}

/**
 * The owner is the parent: with its own owner a controller would take the checkpoint's mirror pod for one of its pods,
 * and with none, too, by its labels. Newer kubelets put the node in its place.
 */
function metadataOf(parent: KubeObject, directories: readonly DataDirectory[]): KubeObject["metadata"] {
  const { name, namespace = "", uid = "", labels } = parent.metadata;
  const controller = checkpointIdOf(parent).slice(namespace.length + 1);
  return {
    name,
    namespace,
    ...(labels !== undefined && { labels }),
    annotations: {
      [CHECKPOINT_OF_ANNOTATION]: name,
      [CONTROLLER_ANNOTATION]: controller,
      [DATA_ANNOTATION]: JSON.stringify(directories.map(({ path }) => path).sort()),
    },
    ownerReferences: [{ apiVersion: "v1", kind: "Pod", name, uid, controller: true }],
  };
}

/** The API server mounts a token that no template asked for; before 1.21 a secret like any other, and it stays. */
function withoutToken(podSpec: JsonObject): JsonObject {
  return without(podSpec, ["ephemeralContainers"]);
}

/** Taints that came later would have the node controller evict it. */
function keepTolerations(podSpec: JsonObject, original: JsonObject): JsonObject {
  return original.tolerations === undefined ? podSpec : { ...podSpec, tolerations: original.tolerations };
}

/**
 * The kubelet would turn the parent away for want of what its own checkpoint has reserved. Limits stay; without a
 * request of zero they would be requests too.
 */
function withoutRequests(podSpec: JsonObject): JsonObject {
  const change = (container: JsonObject) => {
    const resources = objectOf(container.resources);
    const { limits } = resources;
    const names = new Set([...Object.keys(objectOf(resources.requests)), ...Object.keys(objectOf(limits))]);
    if (names.size === 0) return container;
    const requests = Object.fromEntries(
      [...names].flatMap((name) => {
        if (name === "cpu" || name === "memory" || name === "ephemeral-storage") return [[name, "0"] as const];
        const own = objectOf(resources.requests)[name];
        return own === undefined ? [] : [[name, own] as const];
      }),
    );
    return { ...container, resources: { ...without(resources, ["requests"]), requests } };
  };
  return mapObjects(mapObjects(podSpec, "initContainers", change), "containers", change);
}

/** So that the parent has its port soon. */
function endSoon(podSpec: JsonObject): JsonObject {
  const own = podSpec.terminationGracePeriodSeconds;
  const seconds = typeof own === "number" ? Math.min(own, MOST_GRACE_SECONDS) : MOST_GRACE_SECONDS;
  return { ...podSpec, terminationGracePeriodSeconds: seconds };
}
