/**
 * Rescue: a scheduler or a controller manager is lost, the API server is there, and nothing heals itself, because a new
 * scheduler's pod would need a scheduler. This room finds the component and makes the pod that stands in for it; it
 * judges from what is seen whether the permanent one can take over, and if not, why. Everything here is pure;
 * `operations/rescue/rescue.ts` acts on it.
 *
 * The target is what is to be rescued: the component's Deployment, DaemonSet or static pods, with the pod templates that it has had.
 */

import { type LeasePlace, leasePlaceOf } from "../controlplane/lease-place.ts";
import { asCandidate, type Candidate, recognisePod, wellFormed } from "../controlplane/sorted-objects.ts";
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import { input } from "../errors/input.ts";
import { compare } from "../kube/compare-text.ts";
import { RECOGNISED_BY } from "../kube/component.ts";
import { objectOf, objectsOf, textOf, without } from "../kube/fields.ts";
import type { LeaseHolderName } from "../kube/lease.ts";
import { isMirrorPod, isTemporary, nodeOf } from "../kube/mirror-pod.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { podTitle } from "./pod-state.ts";
import { isRescuePodOf, TEMPLATE_ANNOTATION } from "./rescue-mark.ts";

export interface RescueTarget {
  readonly component: LeaseHolderName;
  /** `Gone`: what made its pods was deleted; its templates are from what was left, or from etcd's last minutes. */
  readonly kind: "Deployment" | "DaemonSet" | "ReplicaSet" | "StaticPod" | "Gone";
  readonly namespace: string;
  /** Of the Deployment or DaemonSet; the component's for static pods. */
  readonly name: string;
  /** The Deployment or DaemonSet. */
  readonly workload: KubeObject | undefined;
  /** The one that counts now first, then those before it, the latest first. Never empty. */
  readonly templates: readonly RescueTemplate[];
  /** That a pod of the current template takes. */
  readonly lease: LeasePlace;
  /** Those that its pods take which are there, since they may be of another template; that of the template where there are none. */
  readonly leases: readonly LeasePlace[];
}

/** Whether a pod of it works can be judged by its lease; else by no more than that it is ready. */
export function worksByLease({ lease }: Pick<RescueTarget, "lease">): boolean {
  return lease.elects && lease.doubt === undefined;
}

/** What a rescue pod is made of. */
export interface RescueTemplate {
  /** Where it comes from, such as `Deployment "kube-system/kube-scheduler"`. */
  readonly title: string;
  readonly annotations: { readonly [name: string]: string };
  readonly podSpec: JsonObject;
  /** Where it has run: its files are there. For static pods only. */
  readonly node: string | undefined;
}

/**
 * The component's workload: recognised the surest way, in `kube-system` before elsewhere, by its own name before
 * others. Undefined where there is none. Throws `control-plane-not-found` where several namespaces have one, as a host
 * of other clusters' control planes does, and none was chosen.
 */
export function findWorkload(
  component: LeaseHolderName,
  workloads: readonly KubeObject[],
  namespace?: string,
): KubeObject | undefined {
  const found = workloads.flatMap((stored) => {
    const object = wellFormed(stored);
    const candidate = object === undefined ? undefined : asCandidate(object);
    if (candidate?.component !== component) return [];
    return namespace === undefined || candidate.namespace === namespace ? [{ object: defined(object), candidate }] : [];
  });
  const rank = ({ candidate }: { readonly candidate: Candidate }) =>
    RECOGNISED_BY.indexOf(candidate.by) * 2 + (candidate.name === component ? 0 : 1);
  const own = found.filter(({ candidate }) => candidate.namespace === "kube-system");
  const choice = own.length > 0 ? own : found;
  const namespaces = [...new Set(choice.map(({ candidate }) => candidate.namespace))].sort();
  if (namespaces.length > 1) {
    throw new MendError(
      "control-plane-not-found",
      `found "${component}" in ${namespaces.length} namespaces: ${namespaces.map((each) => `"${each}"`).join(", ")}`,
      { hint: `choose one with ${input("namespace")}` },
    );
  }
  return choice.sort((a, b) => rank(a) - rank(b) || compare(a.candidate.name, b.candidate.name))[0]?.object;
}

/**
 * @param revisions what the workload's controller keeps of earlier templates: ReplicaSets or ControllerRevisions,
 * others among them pass unseen
 */
export function workloadTarget(
  component: LeaseHolderName,
  workload: KubeObject,
  revisions: readonly KubeObject[],
): RescueTarget {
  const { namespace = "default", name } = workload.metadata;
  const title = `${workload.kind} "${namespace}/${name}"`;
  const current = templateOf(title, objectOf(objectOf(workload.spec).template));
  const earlier = revisions
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === workload.metadata.uid))
    .map((object) => ({ object, revision: revisionOf(object) }))
    .sort((a, b) => b.revision - a.revision)
    .map(({ object, revision }) => {
      const inner = object.kind === "ControllerRevision" ? objectOf(objectOf(object.data).spec) : objectOf(object.spec);
      return templateOf(`revision ${revision} of ${title}`, without(objectOf(inner.template), ["$patch"]));
    });
  const templates: RescueTemplate[] = [];
  for (const each of [current, ...earlier]) {
    if (!templates.some(({ podSpec }) => isSame(podSpec, each.podSpec))) templates.push(each);
  }
  const kind = workload.kind as "Deployment" | "DaemonSet" | "ReplicaSet";
  const lease = leasePlaceOf(component, current.podSpec);
  return { component, kind, namespace, name, workload, templates, lease, leases: [lease] };
}

/** ReplicaSets that belong to nobody, as a Deployment leaves them that was deleted without them: they make pods by themselves. */
export function findOrphanReplicaSet(
  component: LeaseHolderName,
  replicaSets: readonly KubeObject[],
  namespace?: string,
): KubeObject | undefined {
  const own = replicaSets.filter(({ metadata }) => (metadata.ownerReferences?.length ?? 0) === 0);
  const newest = own
    .toSorted((a, b) => revisionOf(b) - revisionOf(a))
    .find((each) => findWorkload(component, [asDeployment(each)], namespace) !== undefined);
  return newest;
}

/**
 * What made the component's pods was deleted, and no pod of it will come by itself. Its template is that of a
 * ReplicaSet or a pod that is still there, else of the workload as it last was (`gone`). Undefined where nothing is
 * left.
 */
export function goneTarget(
  component: LeaseHolderName,
  left: {
    readonly replicaSets: readonly KubeObject[];
    readonly pods: readonly KubeObject[];
    readonly gone: readonly KubeObject[];
  },
  namespace?: string,
): RescueTarget | undefined {
  const templates: (RescueTemplate & { readonly namespace: string; readonly of: string })[] = [];
  const add = (title: string, object: KubeObject, of: string, template: JsonObject) =>
    templates.push({ ...templateOf(title, template), namespace: object.metadata.namespace ?? "default", of });
  const last = findWorkload(component, left.gone, namespace);
  if (last !== undefined) {
    add(`${titleOf(last)}, as it last was`, last, last.metadata.name, objectOf(objectOf(last.spec).template));
  }
  for (const each of left.replicaSets.toSorted((a, b) => revisionOf(b) - revisionOf(a))) {
    if (findWorkload(component, [asDeployment(each)], namespace) === undefined) continue;
    const owner = each.metadata.ownerReferences?.[0]?.name ?? component;
    add(titleOf(each), each, owner, objectOf(objectOf(each.spec).template));
  }
  for (const pod of ownPods(component, left.pods)) {
    if (namespace !== undefined && pod.metadata.namespace !== namespace) continue;
    const spec = without(withoutDefaults(objectOf(pod.spec)), ["volumes", "containers"]);
    const plain = { ...spec, ...withoutToken(objectOf(pod.spec)) };
    add(podTitle(pod), pod, component, { metadata: { annotations: pod.metadata.annotations ?? {} }, spec: plain });
  }
  const [first] = templates;
  if (first === undefined) return undefined;
  const own = templates.filter((each) => each.namespace === first.namespace);
  const lease = leasePlaceOf(component, first.podSpec);
  const common = { component, kind: "Gone" as const, namespace: first.namespace, name: first.of, workload: undefined };
  return { ...common, templates: own, lease, leases: [lease] };
}

/** Pods of the component that are no static pods, whoever made them, and no rescue pods. */
export function ownPods(component: LeaseHolderName, pods: readonly KubeObject[]): KubeObject[] {
  return pods
    .filter(
      (pod) =>
        !isMirrorPod(pod) &&
        recognisePod(pod)?.component === component &&
        !isRescuePodOf(component, component, pod) &&
        !pod.metadata.name.endsWith("-rescue"),
    )
    .sort((a, b) => compare(a.metadata.name, b.metadata.name));
}

/** What admission has added to a pod for its service account's token: another pod gets its own. */
function withoutToken(spec: JsonObject): JsonObject {
  const isToken = ({ name }: JsonObject) => /^(?:kube-api-access-|.*-token-)\w{5}$/.test(textOf(name));
  const unmounted = (container: JsonObject): JsonObject => ({
    ...container,
    ...(container.volumeMounts !== undefined && {
      volumeMounts: objectsOf(container.volumeMounts).filter((mount) => !isToken(mount)),
    }),
  });
  return {
    ...(spec.volumes !== undefined && { volumes: objectsOf(spec.volumes).filter((volume) => !isToken(volume)) }),
    containers: objectsOf(spec.containers).map(unmounted),
  };
}

function titleOf({ kind, metadata }: KubeObject): string {
  return `${kind} "${metadata.namespace ?? "default"}/${metadata.name}"`;
}

/** What recognises workloads knows Deployments: a ReplicaSet has the same template, and its name but for a hash. */
function asDeployment(replicaSet: KubeObject): KubeObject {
  const { metadata } = replicaSet;
  return {
    ...replicaSet,
    kind: "Deployment",
    metadata: { ...metadata, name: metadata.name.replace(/-[a-z0-9]+$/, "") },
  };
}

/**
 * Static pods of all control-plane nodes. One that runs tells most, one that the API server no longer has (`gone`, from the time
 * when the component was last alive) still tells how it ran, one that crashes comes after. A rescue pod comes last: an
 * earlier run's, which by now may be all that is left of them. Undefined where there is none.
 */
export function staticTarget(
  component: LeaseHolderName,
  pods: readonly KubeObject[],
  gone: readonly KubeObject[] = [],
): RescueTarget | undefined {
  const present = staticPodsOf(component, pods);
  const lost = staticPodsOf(component, gone).filter((was) => !present.some((is) => isSameStaticPod(is, was)));
  const isRescuePod = (pod: KubeObject) => isRescuePodOf(component, component, pod);
  const ordered = [
    ...present.filter(isRunning),
    ...lost.filter(isRunning),
    ...present.filter((pod) => !isRunning(pod)),
    ...lost.filter((pod) => !isRunning(pod)),
    ...[...pods, ...gone].filter(isRescuePod),
  ];
  const templates: RescueTemplate[] = [];
  for (const pod of ordered) {
    const { annotations = {} } = pod.metadata;
    const when = lost.includes(pod) ? ", as it last was" : "";
    const title = isRescuePod(pod)
      ? (annotations[TEMPLATE_ANNOTATION] ?? podTitle(pod))
      : `static ${podTitle(pod)}${when}`;
    const podSpec = withoutDefaults(objectOf(pod.spec));
    if (templates.some((each) => isSame(each.podSpec, podSpec))) continue;
    templates.push({ title, annotations, podSpec, node: nodeOf(pod) });
  }
  const [first] = templates;
  if (first === undefined) return undefined;
  const namespace = defined(ordered[0]).metadata.namespace ?? "kube-system";
  const lease = leasePlaceOf(component, first.podSpec);
  return {
    component,
    kind: "StaticPod",
    namespace,
    name: component,
    workload: undefined,
    templates,
    lease,
    leases: [lease],
  };
}

/** Mirror pods of the component's static pods, on all nodes. */
export function staticPodsOf(component: LeaseHolderName, pods: readonly KubeObject[]): KubeObject[] {
  return pods
    .filter((pod) => isMirrorPod(pod) && !isTemporary(pod) && recognisePod(pod)?.component === component)
    .sort((a, b) => compare(a.metadata.name, b.metadata.name));
}

/** By its containers: the phase of a pod whose containers crash is still `Running`. */
function isRunning(pod: KubeObject): boolean {
  const statuses = objectsOf(objectOf(pod.status).containerStatuses);
  return statuses.length > 0 && statuses.every((status) => objectOf(status.state).running !== undefined);
}

/** Of the same manifest: one that was edited is another. */
function isSameStaticPod(a: KubeObject, b: KubeObject): boolean {
  const specOf = ({ spec }: KubeObject) => withoutDefaults(objectOf(spec));
  return a.metadata.name === b.metadata.name && isSame(specOf(a), specOf(b));
}

function templateOf(title: string, template: JsonObject): RescueTemplate {
  const annotations = objectOf(objectOf(template.metadata).annotations) as RescueTemplate["annotations"];
  return { title, annotations, podSpec: objectOf(template.spec), node: undefined };
}

/** What the kubelet and admission have added to a static pod, which is no part of how it runs. */
function withoutDefaults(spec: JsonObject): JsonObject {
  return without(spec, ["nodeName", "tolerations", "priority", "preemptionPolicy", "enableServiceLinks"]);
}

function revisionOf({ metadata, revision }: KubeObject): number {
  return Number(metadata.annotations?.["deployment.kubernetes.io/revision"] ?? textOrNumber(revision)) || 0;
}

function textOrNumber(value: JsonObject[string]): string | number {
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : textOf(value);
}

function isSame(a: JsonObject, b: JsonObject): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
