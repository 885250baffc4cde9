/**
 * From a mirror pod back to the manifest that the kubelet read: what the kubelet and the API server added is taken
 * away, and fields that stand at their defaults (k8s.io/kubernetes/pkg/apis/core/v1/defaults.go) with it, because
 * nobody can tell whether they were written.
 */

import type { StaticPod } from "../controlplane/control-plane.ts";
import { defined } from "../errors/defined.ts";
import { isObject, listOf, mapObjects, objectOf, objectsOf, textOf, without } from "../kube/fields.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";

/** `config.hash`, `config.seen`, `config.source`, `config.mirror`. */
const KUBELET_ANNOTATION = /^kubernetes\.io\/config\.(hash|seen|source|mirror)$/;
/** What admission mounts into a pod of a service account. */
const TOKEN_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
/** Set by admission on every pod, besides the kubelet's own toleration of everything. */
const ADDED_TOLERATIONS = /^node\.kubernetes\.io\/(not-ready|unreachable|memory-pressure)$/;

const POD_DEFAULTS: JsonObject = {
  dnsPolicy: "ClusterFirst",
  enableServiceLinks: true,
  preemptionPolicy: "PreemptLowerPriority",
  restartPolicy: "Always",
  schedulerName: "default-scheduler",
  terminationGracePeriodSeconds: 30,
  securityContext: {},
  shareProcessNamespace: false,
  hostPID: false,
  hostIPC: false,
};
const CONTAINER_DEFAULTS: JsonObject = {
  terminationMessagePath: "/dev/termination-log",
  terminationMessagePolicy: "File",
  resources: {},
  stdin: false,
  stdinOnce: false,
  tty: false,
};
const PROBE_DEFAULTS: JsonObject = { failureThreshold: 3, periodSeconds: 10, successThreshold: 1, timeoutSeconds: 1 };

export function staticPodManifest(pod: StaticPod): JsonObject {
  const metadata = objectOf(pod.mirrorPod.metadata);
  const annotations = Object.entries(objectOf(metadata.annotations)).filter(([name]) => !KUBELET_ANNOTATION.test(name));
  const labels = objectOf(metadata.labels);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: pod.name,
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      ...(annotations.length === 0 ? {} : { annotations: Object.fromEntries(annotations) }),
    },
    spec: podSpec(objectOf(pod.mirrorPod.spec)),
  };
}

function podSpec(spec: JsonObject): JsonObject {
  const isHostNetwork = spec.hostNetwork === true;
  // Admission resolves the class to its number; a number without a class is somebody's own.
  const hasClass = textOf(spec.priorityClassName) !== "" || spec.priority === 0;
  const tokens = tokenVolumes(spec);
  let fixed = withoutDefaults(without(spec, ["nodeName", "serviceAccount", "serviceAccountName"]), POD_DEFAULTS);
  if (hasClass) fixed = without(fixed, ["priority"]);
  for (const field of ["initContainers", "containers", "ephemeralContainers"]) {
    fixed = mapObjects(fixed, field, (each) => container(each, isHostNetwork, tokens));
  }
  fixed = mapObjects(fixed, "volumes", volume);
  fixed = filterList(fixed, "volumes", (each) => !tokens.has(textOf(each.name)));
  return filterList(fixed, "tolerations", (each) => !isAddedToleration(each));
}

/** Names of the volumes that only hold a service account's token. */
function tokenVolumes(spec: JsonObject): Set<string> {
  const mounts = objectsOf(spec.containers).flatMap((each) => objectsOf(each.volumeMounts));
  return new Set(mounts.filter((mount) => mount.mountPath === TOKEN_MOUNT).map((mount) => textOf(mount.name)));
}

/** The kubelet lets a static pod tolerate everything; a toleration for a time is admission's. */
function isAddedToleration(toleration: JsonObject): boolean {
  const key = textOf(toleration.key);
  if (toleration.operator !== "Exists" || textOf(toleration.value) !== "") return false;
  return key === ""
    ? toleration.effect === "NoExecute" && toleration.tolerationSeconds === undefined
    : ADDED_TOLERATIONS.test(key);
}

function container(value: JsonObject, isHostNetwork: boolean, tokens: ReadonlySet<string>): JsonObject {
  let fixed = withoutDefaults(value, {
    ...CONTAINER_DEFAULTS,
    imagePullPolicy: defaultPullPolicy(textOf(value.image)),
  });
  for (const field of ["livenessProbe", "readinessProbe", "startupProbe"]) {
    const probe = fixed[field];
    if (isObject(probe)) fixed = { ...fixed, [field]: handler(withoutDefaults(probe, PROBE_DEFAULTS)) };
  }
  const lifecycle = fixed.lifecycle;
  if (isObject(lifecycle)) {
    const hooks = Object.entries(lifecycle).map(([name, hook]) => [name, isObject(hook) ? handler(hook) : hook]);
    fixed = { ...fixed, lifecycle: Object.fromEntries(hooks) as JsonObject };
  }
  fixed = mapObjects(fixed, "ports", (port) => {
    const rest = withoutDefaults(port, { protocol: "TCP" });
    return isHostNetwork ? withoutDefaults(rest, { hostPort: port.containerPort }) : rest;
  });
  fixed = mapObjects(fixed, "env", (variable) => {
    const from = objectOf(variable.valueFrom);
    if (!isObject(from.fieldRef)) return variable;
    return { ...variable, valueFrom: { ...from, fieldRef: withoutDefaults(from.fieldRef, { apiVersion: "v1" }) } };
  });
  return filterList(fixed, "volumeMounts", (mount) => !tokens.has(textOf(mount.name)));
}

function handler(value: JsonObject): JsonObject {
  if (isObject(value.httpGet)) return { ...value, httpGet: withoutDefaults(value.httpGet, { scheme: "HTTP" }) };
  if (isObject(value.grpc)) return { ...value, grpc: withoutDefaults(value.grpc, { service: "" }) };
  return value;
}

function volume(value: JsonObject): JsonObject {
  const changed: { [field: string]: JsonValue | undefined } = { ...value };
  if (isObject(value.hostPath)) changed.hostPath = withoutDefaults(value.hostPath, { type: "" });
  for (const field of ["secret", "configMap", "downwardAPI", "projected"]) {
    const source = value[field];
    if (isObject(source)) changed[field] = withoutDefaults(source, { defaultMode: 0o644 });
  }
  return changed;
}

/** `Always` for the tag `latest` or no tag at all. */
function defaultPullPolicy(image: string): string {
  const [name, digest] = image.split("@");
  const tag = /:([^/:]+)$/.exec(defined(name))?.[1] ?? (digest === undefined ? "latest" : "");
  return tag === "latest" ? "Always" : "IfNotPresent";
}

/** Drops the fields that equal the given ones, and those that are null. */
function withoutDefaults(value: JsonObject, defaults: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(value).filter(
      ([name, each]) => each !== null && !(name in defaults && isSame(each, defaults[name])),
    ),
  );
}

function isSame(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (isObject(a) && isObject(b)) return Object.keys(a).length === 0 && Object.keys(b).length === 0;
  return a === b;
}

function filterList(value: JsonObject, field: string, keep: (each: JsonObject) => boolean): JsonObject {
  if (!Array.isArray(value[field])) return value;
  const kept = listOf(value[field]).filter((each) => !isObject(each) || keep(each));
  return kept.length === 0 ? without(value, [field]) : { ...value, [field]: kept };
}
