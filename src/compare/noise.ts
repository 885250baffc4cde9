/** What changes in a cluster without anybody changing anything: left out of comparisons unless asked for, and named. */

import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { isObject } from "../storage/arrange.ts";

/** Whole objects that are noise, by where etcd keeps them. */
const NOISY_PATHS: Readonly<Record<string, string>> = {
  events: "events",
  "events.k8s.io/events": "events",
  leases: "leases",
  masterleases: "leases",
  "ranges/serviceips": "allocations",
  "ranges/servicenodeports": "allocations",
  ipaddresses: "allocations",
};

const NOISY_METADATA = ["managedFields", "resourceVersion", "generation", "selfLink", "uid", "creationTimestamp"];
const NOISY_ANNOTATIONS = ["endpoints.kubernetes.io/last-change-trigger-time"];
/** Leader election in ConfigMaps and Endpoints, before there were leases. */
const ELECTION = "control-plane.alpha.kubernetes.io/leader";

/** Why all objects below a path are noise, such as `leases`, or undefined. */
export function noisyPath(path: string): string | undefined {
  return Object.hasOwn(NOISY_PATHS, path) ? NOISY_PATHS[path] : undefined;
}

/** Whether the object is there to hold an election, which its holder renews every few seconds. */
export function isElectionRecord(object: KubeObject): boolean {
  const annotations = object.metadata?.annotations;
  return isObject(annotations) && Object.hasOwn(annotations, ELECTION);
}

/** The object without the fields that are noise. */
export function withoutNoise(object: KubeObject): JsonObject {
  const { status: _, ...rest } = object;
  const metadata: Record<string, JsonValue | undefined> = isObject(object.metadata) ? { ...object.metadata } : {};
  for (const name of NOISY_METADATA) delete metadata[name];
  if (isObject(metadata.annotations) && NOISY_ANNOTATIONS.some((name) => name in (metadata.annotations as object))) {
    const annotations: Record<string, JsonValue | undefined> = { ...metadata.annotations };
    for (const name of NOISY_ANNOTATIONS) delete annotations[name];
    metadata.annotations = annotations;
  }
  return { ...rest, metadata };
}
