/** A pod's row: the STATUS that kubectl makes up from phase, containers and deletion. Source: pkg/printers/internalversion, printPod. */
import type { JsonValue, KubeObject } from "../../kube/object.ts";
import type { FieldChoice } from "../../storage/compile-decoder.ts";
import { since } from "./age.ts";
import { field, list, text } from "./field.ts";
import { columns, type KindTable, METADATA } from "./kind-table.ts";

const CONTAINER_STATUS: FieldChoice = {
  name: true,
  state: {
    waiting: { reason: true },
    running: {}, // that it is there
    terminated: { reason: true, signal: true, exitCode: true },
  },
  lastState: { terminated: { finishedAt: true } },
  ready: true,
  restartCount: true,
  started: true,
};

const SPEC = {
  initContainers: { name: true, restartPolicy: true },
  containers: { name: true },
} as const;
const STATUS = {
  phase: true,
  conditions: { type: true, status: true, reason: true },
  reason: true,
  initContainerStatuses: CONTAINER_STATUS,
  containerStatuses: CONTAINER_STATUS,
} as const;
const POD_METADATA = { ...METADATA, deletionTimestamp: true } as const;

export const podTable: KindTable = {
  fields: {
    metadata: POD_METADATA,
    spec: { ...SPEC, nodeName: true, readinessGates: true },
    status: { ...STATUS, nominatedNodeName: true, podIP: true, podIPs: true },
  },
  usualFields: { metadata: POD_METADATA, spec: SPEC, status: STATUS },
  columns: columns("NAME READY STATUS RESTARTS AGE | IP NODE NOMINATED_NODE READINESS_GATES"),
  row(pod, { now }) {
    const { ready, total, reason, restarts, lastRestart } = summarize(pod);
    const ago = restarts > 0 && lastRestart !== "" ? ` (${since(lastRestart, now)} ago)` : "";
    return [
      pod.metadata.name,
      `${ready}/${total}`,
      reason,
      `${restarts}${ago}`,
      since(pod.metadata.creationTimestamp, now),
      text(list(pod, "status.podIPs")[0], "ip") || text(pod, "status.podIP", "<none>"),
      text(pod, "spec.nodeName", "<none>"),
      text(pod, "status.nominatedNodeName", "<none>"),
      readinessGates(pod),
    ];
  },
};

export interface PodSummary {
  readonly ready: number;
  readonly total: number;
  readonly reason: string;
  readonly restarts: number;
  /** RFC 3339, or empty. */
  readonly lastRestart: string;
}

/** Restarts of some containers, and when the last one was. */
class Restarts {
  count = 0;
  last = "";
  add(container: JsonValue): void {
    this.count += Number(text(container, "restartCount", "0"));
    const finished = text(container, "lastState.terminated.finishedAt");
    if (finished !== "" && (this.last === "" || Date.parse(finished) > Date.parse(this.last))) this.last = finished;
  }
}

/**
 * Of pods of one owner, what the decoder made of spec and status is often one and the same (`storage/decode-message.ts`):
 * it is looked at once.
 */
const summaries = new WeakMap<object, { readonly spec: unknown; readonly summary: PodSummary }>();

/** What kubectl shows of a pod. Its spec and status are not to be changed afterwards. */
export function summarize(pod: KubeObject): PodSummary {
  const { spec, status } = pod as { readonly spec?: unknown; readonly status?: unknown };
  if (typeof status !== "object" || status === null) return withDeletion(pod, summarizeRest(pod));
  let known = summaries.get(status);
  if (known === undefined || known.spec !== spec) {
    known = { spec, summary: summarizeRest(pod) };
    summaries.set(status, known);
  }
  return withDeletion(pod, known.summary);
}

function withDeletion(pod: KubeObject, summary: PodSummary): PodSummary {
  const reason = deletionReason(pod);
  return reason === undefined ? summary : { ...summary, reason };
}

/** What spec and status say. */
function summarizeRest(pod: KubeObject): PodSummary {
  const initContainers = list(pod, "spec.initContainers");
  const sidecars = new Set(
    initContainers.filter((each) => text(each, "restartPolicy") === "Always").map((each) => text(each, "name")),
  );
  const init = initPhase(pod, sidecars, initContainers.length);
  let { ready } = init;
  let reason = init.reason ?? basicReason(pod);
  let restarts = init.restarts;
  if (init.reason === undefined || hasCondition(pod, "Initialized")) {
    restarts = init.sidecarRestarts;
    let running = false;
    for (const container of list(pod, "status.containerStatuses").toReversed()) {
      restarts.add(container);
      const state = containerReason(container);
      if (state !== undefined) reason = state;
      else if (field(container, "ready") === true && field(container, "state", "running") !== undefined) {
        running = true;
        ready++;
      }
    }
    if (reason === "Completed" && running) reason = hasCondition(pod, "Ready") ? "Running" : "NotReady";
  }
  const total = list(pod, "spec.containers").length + sidecars.size;
  return { ready, total, reason, restarts: restarts.count, lastRestart: restarts.last };
}

function basicReason(pod: KubeObject): string {
  const gated = list(pod, "status.conditions").some(
    (each) => text(each, "type") === "PodScheduled" && text(each, "reason") === "SchedulingGated",
  );
  return gated ? "SchedulingGated" : text(pod, "status.reason") || text(pod, "status.phase");
}

interface InitPhase {
  /** `Init:…` while some init container is not done. */
  readonly reason: string | undefined;
  /** Sidecars that are ready. */
  readonly ready: number;
  readonly restarts: Restarts;
  readonly sidecarRestarts: Restarts;
}

function initPhase(pod: KubeObject, sidecars: ReadonlySet<string>, total: number): InitPhase {
  const restarts = new Restarts();
  const sidecarRestarts = new Restarts();
  let ready = 0;
  for (const [i, container] of list(pod, "status.initContainerStatuses").entries()) {
    restarts.add(container);
    const sidecar = sidecars.has(text(container, "name"));
    if (sidecar) sidecarRestarts.add(container);
    const terminated = field(container, "state", "terminated");
    if (terminated !== undefined && text(terminated, "exitCode", "0") === "0") continue;
    if (sidecar && field(container, "started") === true) {
      if (field(container, "ready") === true) ready++;
      continue;
    }
    const waiting = text(container, "state.waiting.reason");
    const reason =
      terminated !== undefined
        ? `Init:${terminationReason(terminated)}`
        : waiting !== "" && waiting !== "PodInitializing"
          ? `Init:${waiting}`
          : `Init:${i}/${total}`;
    return { reason, ready, restarts, sidecarRestarts };
  }
  return { reason: undefined, ready, restarts, sidecarRestarts };
}

/** Why a container is not running, or undefined. */
function containerReason(container: JsonValue): string | undefined {
  const waiting = text(container, "state.waiting.reason");
  if (waiting !== "") return waiting;
  const terminated = field(container, "state", "terminated");
  return terminated === undefined ? undefined : terminationReason(terminated);
}

function terminationReason(terminated: JsonValue): string {
  const reason = text(terminated, "reason");
  if (reason !== "") return reason;
  const signal = text(terminated, "signal", "0");
  return signal !== "0" ? `Signal:${signal}` : `ExitCode:${text(terminated, "exitCode", "0")}`;
}

function deletionReason(pod: KubeObject): string | undefined {
  if (field(pod, "metadata", "deletionTimestamp") === undefined) return undefined;
  if (text(pod, "status.reason") === "NodeLost") return "Unknown";
  const phase = text(pod, "status.phase");
  return phase === "Failed" || phase === "Succeeded" ? undefined : "Terminating";
}

function hasCondition(pod: KubeObject, type: string): boolean {
  return list(pod, "status.conditions").some((each) => text(each, "type") === type && text(each, "status") === "True");
}

function readinessGates(pod: KubeObject): string {
  const gates = list(pod, "spec.readinessGates");
  if (gates.length === 0) return "<none>";
  return `${gates.filter((gate) => hasCondition(pod, text(gate, "conditionType"))).length}/${gates.length}`;
}
