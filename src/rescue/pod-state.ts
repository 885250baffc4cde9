/** How far a pod of a component has come, by what the API server reports of it, and what is wrong with it where something is. */
import { containerIndexOf } from "../kube/component.ts";
import { objectOf, objectsOf, textOf } from "../kube/fields.ts";
import type { LeaseHolderName } from "../kube/lease.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { toleratesAll } from "../kube/tolerations.ts";

export type PodState =
  /** Ended, or on its way out. */
  | { readonly is: "gone"; readonly fault: PodFault | undefined }
  | { readonly is: "unscheduled"; readonly fault: PodFault | undefined }
  /** Bound to a node; the kubelet has not started it yet. */
  | { readonly is: "bound"; readonly fault: PodFault | undefined }
  /** `crash` where an earlier run has ended. */
  | { readonly is: "running"; readonly ready: boolean; readonly crash: Crash | undefined }
  /** It ended, and will be tried again. The log of its last run says why. */
  | { readonly is: "crashed"; readonly crash: Crash };

export interface Crash {
  /** Of this end: another one of the same container has another. */
  readonly id: string;
  readonly container: string;
  readonly exitCode: number;
  readonly restarts: number;
  /** What the kubelet kept of its last words. */
  readonly message: string;
}

/** What keeps a component from coming back. Scripts match on the kind. */
export interface PodFault {
  readonly kind:
    | "image"
    | "configuration"
    | "volume"
    | "bad-flag"
    | "port-taken"
    | "crash"
    | "unexplained"
    | "unschedulable"
    | "quota"
    | "refused"
    | "rejected"
    | "manifest-missing"
    | "workload-missing"
    | "no-pod"
    | "node-lost"
    | "no-lease"
    | "undecided"
    | "timeout";
  /** A sentence, without a full stop. */
  readonly text: string;
}

const IMAGE = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "ErrImageNeverPull",
  "InvalidImageName",
  "ImageInspectError",
]);
const CONFIGURATION = new Set(["CreateContainerConfigError", "CreateContainerError", "RunContainerError"]);

const MOST_TAINTS = 4;

export function podTitle({ metadata }: KubeObject): string {
  return `pod "${metadata.namespace ?? "default"}/${metadata.name}"`;
}

/** @param nodes the cluster's, whose taints are named where the scheduler does not name them */
export function podState(component: LeaseHolderName, pod: KubeObject, nodes: readonly KubeObject[] = []): PodState {
  const status = objectOf(pod.status);
  const phase = textOf(status.phase);
  if (pod.metadata.deletionTimestamp !== undefined || phase === "Succeeded") return { is: "gone", fault: undefined };
  if (phase === "Failed") {
    const detail = [textOf(status.reason), textOf(status.message)].filter((each) => each !== "").join(": ");
    return {
      is: "gone",
      fault: { kind: "rejected", text: `${podTitle(pod)} has failed${detail === "" ? "" : `: ${detail}`}` },
    };
  }
  if (textOf(objectOf(pod.spec).nodeName) === "") return { is: "unscheduled", fault: unschedulable(pod, nodes) };
  const spec = objectOf(pod.spec);
  const name = textOf(objectsOf(spec.containers)[containerIndexOf(component, spec)]?.name);
  const own = objectsOf(status.containerStatuses).find((each) => each.name === name);
  if (own === undefined) return { is: "bound", fault: initFault(pod) };
  const { running, waiting } = objectOf(own.state);
  const crash = crashOf(name, own);
  if (running !== undefined) return { is: "running", ready: own.ready === true, crash };
  const reason = textOf(objectOf(waiting).reason);
  if (IMAGE.has(reason) || CONFIGURATION.has(reason)) return { is: "bound", fault: waitingFault(pod, own) };
  if (crash !== undefined) return { is: "crashed", crash };
  return { is: "bound", fault: initFault(pod) };
}

/** Of a container that has ended: just now, or before it was started again. */
function crashOf(container: string, status: JsonObject): Crash | undefined {
  const { terminated } = objectOf(status.state);
  const ended = terminated === undefined ? objectOf(objectOf(status.lastState).terminated) : objectOf(terminated);
  if (Object.keys(ended).length === 0) return undefined;
  const restarts = Number(status.restartCount ?? 0);
  const id = `${textOf(ended.containerID)} ${textOf(ended.finishedAt)}`;
  return { id, container, exitCode: Number(ended.exitCode ?? 0), restarts, message: textOf(ended.message) };
}

function unschedulable(pod: KubeObject, nodes: readonly KubeObject[]): PodFault | undefined {
  const scheduled = objectsOf(objectOf(pod.status).conditions).find(({ type }) => type === "PodScheduled");
  if (scheduled?.status !== "False" || textOf(scheduled.reason) !== "Unschedulable") return undefined;
  const message = textOf(scheduled.message);
  // Newer schedulers count the nodes, and name no taint.
  const taints = message.includes("untolerated taint(s)") ? untolerated(pod, nodes) : [];
  const reason =
    taints.length === 0 ? message : `${message.replace(/\.$/, "")}; it does not tolerate ${taints.join(", ")}`;
  return { kind: "unschedulable", text: `${podTitle(pod)} fits on no node: ${reason}` };
}

/** Such as `key=value:NoSchedule of node "m1"`, the first few. */
function untolerated(pod: KubeObject, nodes: readonly KubeObject[]): string[] {
  const found = nodes.flatMap((node) =>
    objectsOf(objectOf(node.spec).taints)
      .filter((taint) => !toleratesAll(pod, [taint]))
      .map(({ key, value, effect }) => {
        const text = [textOf(key), textOf(value)].filter((each) => each !== "").join("=");
        return `${text}:${textOf(effect)} of node "${node.metadata.name}"`;
      }),
  );
  return found.length > MOST_TAINTS ? [...found.slice(0, MOST_TAINTS), "..."] : found;
}

function initFault(pod: KubeObject): PodFault | undefined {
  for (const status of objectsOf(objectOf(pod.status).initContainerStatuses)) {
    const reason = textOf(objectOf(objectOf(status.state).waiting).reason);
    if (IMAGE.has(reason) || CONFIGURATION.has(reason)) return waitingFault(pod, status);
    if (reason === "CrashLoopBackOff") {
      return { kind: "crash", text: `init container "${textOf(status.name)}" of ${podTitle(pod)} crashes` };
    }
  }
  return undefined;
}

function waitingFault(pod: KubeObject, status: JsonObject): PodFault {
  const waiting = objectOf(objectOf(status.state).waiting);
  const reason = textOf(waiting.reason);
  const message = cut(textOf(waiting.message) || reason);
  if (!IMAGE.has(reason)) return { kind: "configuration", text: `${podTitle(pod)} cannot be started: ${message}` };
  const node = textOf(objectOf(pod.spec).nodeName);
  const image = imageOf(pod, textOf(status.name)) || textOf(status.image);
  return {
    kind: "image",
    text: `node "${node}" has no image "${image}" for ${podTitle(pod)}, and cannot pull it: ${message}`,
  };
}

function imageOf(pod: KubeObject, container: string): string {
  const { containers, initContainers } = objectOf(pod.spec);
  const all = [...objectsOf(containers), ...objectsOf(initContainers)];
  return textOf(all.find(({ name }) => name === container)?.image);
}

const BAD_FLAG = new RegExp(
  [
    "unknown (?:shorthand )?flag|unknown command|flag provided but not defined|invalid argument .* for",
    "unrecognized feature gate|cannot set feature gate|invalid configuration",
  ].join("|"),
  "i",
);
const PORT_TAKEN = /address already in use/i;
/** What Go programs say when they end: klog's errors and fatals, cobra's errors, panics. */
const LAST_WORDS = /^(?:[EF]\d{4} |error:|panic:|fatal|failed )|\berror\b.*:/i;
const MOST_CHARACTERS = 300;

/** Why the component ended, from its last words: the log of its last run, else what the kubelet kept. */
export function crashFault(pod: KubeObject, crash: Crash, log: string): PodFault {
  const lines = `${log}\n${crash.message}`
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const suffix = (line: string | undefined) => (line === undefined ? "" : `: ${plainLine(line)}`);
  const bad = lines.find((line) => BAD_FLAG.test(line));
  if (bad !== undefined)
    return { kind: "bad-flag", text: `${podTitle(pod)} does not accept its command line${suffix(bad)}` };
  const port = lines.findLast((line) => PORT_TAKEN.test(line));
  if (port !== undefined) return { kind: "port-taken", text: `${podTitle(pod)} cannot listen${suffix(port)}` };
  const last = lines.findLast((line) => LAST_WORDS.test(line)) ?? lines.at(-1);
  if (last === undefined) return { kind: "unexplained", text: `${podTitle(pod)} ends with code ${crash.exitCode}` };
  return { kind: "crash", text: `${podTitle(pod)} ends with code ${crash.exitCode}${suffix(last)}` };
}

/** Without klog's header of time, thread and place. */
export function plainLine(line: string): string {
  const text = line.replace(/^[EFIW]\d{4} [\d:.]+\s+\d+ [\w.-]+:\d+\] /, "").replace(/^error: /i, "");
  return cut(text);
}

function cut(text: string): string {
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS)}...`;
}

/** Why a workload's controller makes no pod, from what it keeps in its status: `ReplicaFailure` of a ReplicaSet, or of the Deployment. */
export function creationFault(owner: KubeObject): PodFault | undefined {
  const failure = objectsOf(objectOf(owner.status).conditions).find(
    ({ type, status }) => type === "ReplicaFailure" && status === "True",
  );
  return failure === undefined ? undefined : uncreatedFault(owner, textOf(failure.message));
}

export function uncreatedFault({ kind, metadata }: KubeObject, message: string): PodFault {
  return refusedFault(`${kind} "${metadata.name}" may not create its pod`, message);
}

/** @param what happens, without the reason */
export function refusedFault(what: string, message: string): PodFault {
  const kind = /exceeded quota|must specify (?:limits|requests)|failed quota/i.test(message) ? "quota" : "refused";
  return { kind, text: `${what}: ${message}` };
}
