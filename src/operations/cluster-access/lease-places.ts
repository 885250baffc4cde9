/**
 * Which leases the pods of a scheduler or controller manager hold: by their flags, their configuration file wherever it
 * is, and their own log.
 */

import { statSync } from "node:fs";
import { hostname } from "node:os";
import { isAbsolute, join } from "node:path";
import {
  type ConfigSource,
  electionConfigOf,
  isSamePlace,
  type LeasePlace,
  leaseInLog,
  leasePlaceOf,
} from "../../controlplane/lease-place.ts";
import { recognisePod } from "../../controlplane/sorted-objects.ts";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { ApiError, type ClusterApi } from "../../io/api-server/cluster-api.ts";
import { readTextFile } from "../../io/files/read-file.ts";
import { reachableFile } from "../../io/node/component-files.ts";
import { findKubelet } from "../../io/node/local-node.ts";
import { containerIndexOf } from "../../kube/component.ts";
import type { Flag } from "../../kube/container-flags.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import type { LeaseHolderName } from "../../kube/lease.ts";
import { nodeOf } from "../../kube/mirror-pod.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { podState, podTitle } from "../../rescue/pod-state.ts";

/** Its first lines say which lease it tries to get. */
const LOG_START_BYTES = 256 << 10;
/** A configuration of a few lines. */
const MOST_CONFIG_BYTES = 1 << 20;

/** The lease that a pod of this template takes. `node`: the node that it is for, where that is known. */
export async function findLeasePlace(
  api: ClusterApi,
  component: LeaseHolderName,
  { namespace, podSpec, node }: { readonly namespace: string; readonly podSpec: JsonObject; readonly node?: string },
  signal?: AbortSignal,
): Promise<LeasePlace> {
  const config = electionConfigOf(component, podSpec);
  if (config === undefined) return leasePlaceOf(component, podSpec);
  const { text, why } = await readConfig(api, config.source, namespace, node ?? "", signal);
  return leasePlaceOf(component, podSpec, text, why);
}

/**
 * The lease of a pod that was started. What is in a file may have changed since: the pod's own log counts first, and
 * where it does not say, a file that is newer than the pod's container is a doubt.
 */
export async function findPodLease(
  api: ClusterApi,
  component: LeaseHolderName,
  pod: KubeObject,
  signal?: AbortSignal,
): Promise<LeasePlace> {
  const { namespace = "default" } = pod.metadata;
  const podSpec = objectOf(pod.spec);
  const config = electionConfigOf(component, podSpec);
  if (config === undefined) {
    const place = leasePlaceOf(component, podSpec);
    if (place.doubt === undefined) return place;
    const named = await leaseNamedBy(api, component, pod, signal);
    return named === undefined ? place : { ...named, elects: true };
  }
  const named = await leaseNamedBy(api, component, pod, signal);
  if (named !== undefined) return { ...named, elects: true };
  const { text, why, changed } = await readConfig(api, config.source, namespace, nodeOf(pod), signal);
  const place = leasePlaceOf(component, podSpec, text, why);
  if (place.doubt !== undefined || changed <= startOf(component, pod)) return place;
  return { ...place, doubt: `its configuration file "${config.path}" was changed after ${podTitle(pod)} was started` };
}

interface ConfigFile {
  readonly text: string | undefined;
  /** Why there is none. */
  readonly why: string | undefined;
  /** When it was last written, in milliseconds since the epoch; 0 where that is not known. */
  readonly changed: number;
}

async function readConfig(
  api: ClusterApi,
  source: ConfigSource,
  namespace: string,
  node: string,
  signal: AbortSignal | undefined,
): Promise<ConfigFile> {
  const unread = (why: string): ConfigFile => ({ text: undefined, why, changed: 0 });
  if (source.kind === "unknown") return unread("cannot be read from here");
  if (source.kind === "node") {
    if (node === "" || node !== ownNodeName())
      return unread(`is a file of node "${node || "?"}", not to be read from here`);
    return readConfigFile(source.path) ?? unread("cannot be read");
  }
  const object = `${source.kind} "${namespace}/${source.name}"`;
  try {
    return (await readKey(api, source, namespace, signal)) ?? unread(`${object} does not have it`);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof MendError)) throw error;
    return unread(`${object} cannot be read: ${error.message}`);
  }
}

/**
 * The lease that the pod itself says it tries to get, at the beginning of its log: its configuration may have been
 * changed since it was started. Undefined where the log does not say, or cannot be had.
 */
export async function leaseNamedBy(
  api: ClusterApi,
  component: LeaseHolderName,
  pod: KubeObject,
  signal?: AbortSignal,
): Promise<Pick<LeasePlace, "namespace" | "name"> | undefined> {
  const { namespace = "default", name } = pod.metadata;
  const spec = objectOf(pod.spec);
  const container = textOf(objectsOf(spec.containers)[containerIndexOf(component, spec)]?.name);
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/log`;
  try {
    const query = `container=${encodeURIComponent(container)}&limitBytes=${LOG_START_BYTES}`;
    return leaseInLog(await api.text(`${path}?${query}`, signal));
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof MendError) return undefined; // its kubelet is silent, or nobody may read logs
    throw error;
  }
}

/** The leases of a component's pods that have started, whatever made them; the usual one where there are none. */
export async function findComponentLeases(
  api: ClusterApi,
  component: LeaseHolderName,
  pods: readonly KubeObject[],
  signal?: AbortSignal,
): Promise<LeasePlace[]> {
  const own = pods.filter(
    (pod) => recognisePod(pod)?.component === component && podState(component, pod).is === "running",
  );
  const places = await Promise.all(own.map((pod) => findPodLease(api, component, pod, signal)));
  return places.length === 0 ? [leasePlaceOf(component)] : distinctPlaces(places);
}

/** The lease of a program of this machine, by its flags and the file that they name; a relative path is the process's. */
export function localLeasePlace(
  component: LeaseHolderName,
  flags: readonly Flag[],
  pid: number | undefined,
): LeasePlace {
  const words = flags.map(({ name, value }) => (value === undefined ? `--${name}` : `--${name}=${value}`));
  const podSpec = { containers: [{ name: component, command: [component, ...words] }] };
  const config = electionConfigOf(component, podSpec);
  if (config === undefined) return leasePlaceOf(component, podSpec);
  const named = isAbsolute(config.path) ? config.path : join(`/proc/${pid}/cwd`, config.path);
  const path = reachableFile(named, pid);
  return leasePlaceOf(component, podSpec, path && readConfigFile(path)?.text, "cannot be read");
}

/** Each place once. Of two for one lease the one without a doubt counts. */
export function distinctPlaces(places: readonly LeasePlace[]): LeasePlace[] {
  const distinct: LeasePlace[] = [];
  for (const place of places) {
    const at = distinct.findIndex((each) => isSamePlace(each, place) && each.elects === place.elects);
    if (at < 0) distinct.push(place);
    else if (defined(distinct[at]).doubt !== undefined) distinct[at] = place;
  }
  return distinct;
}

async function readKey(
  api: ClusterApi,
  source: Extract<ConfigSource, { name: string }>,
  namespace: string,
  signal: AbortSignal | undefined,
): Promise<ConfigFile | undefined> {
  const collection = source.kind === "ConfigMap" ? "configmaps" : "secrets";
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/${collection}/${encodeURIComponent(source.name)}`;
  let object: KubeObject;
  try {
    object = await api.get(path, signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
  const value = textOf(objectOf(object.data)[source.key]);
  const encoded = source.kind === "Secret" ? value : textOf(objectOf(object.binaryData)[source.key]);
  const isPlain = source.kind === "ConfigMap" && value !== "";
  const text = isPlain ? value : Buffer.from(encoded, "base64").toString("utf8");
  if (text === "") return undefined;
  const times = [
    object.metadata.creationTimestamp,
    ...objectsOf(object.metadata.managedFields).map(({ time }) => time),
  ];
  return { text, why: undefined, changed: Math.max(0, ...times.map((time) => Date.parse(textOf(time)) || 0)) };
}

/** When the component's container was started, in milliseconds since the epoch; infinite where that is not known. */
function startOf(component: LeaseHolderName, pod: KubeObject): number {
  const spec = objectOf(pod.spec);
  const name = objectsOf(spec.containers)[containerIndexOf(component, spec)]?.name;
  const status = objectsOf(objectOf(pod.status).containerStatuses).find((each) => each.name === name);
  const started = Date.parse(textOf(objectOf(objectOf(status?.state).running).startedAt));
  return Number.isNaN(started) ? Number.POSITIVE_INFINITY : started;
}

function ownNodeName(): string {
  return findKubelet()?.nodeName ?? hostname().toLowerCase();
}

function readConfigFile(path: string): ConfigFile | undefined {
  try {
    const { size, mtimeMs } = statSync(path);
    if (size > MOST_CONFIG_BYTES) return undefined;
    return { text: readTextFile(path), why: undefined, changed: mtimeMs };
  } catch {
    return undefined; // not there, or not for this user: then it stays a doubt
  }
}
