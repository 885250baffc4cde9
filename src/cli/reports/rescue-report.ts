/** What a rescue says in the end: what became of each component, and the pods of the cluster, changed ones first. */

import { objectOf, textOf } from "../../kube/fields.ts";
import type { KubeObject } from "../../kube/object.ts";
import { summarize } from "../../kubeapi/columns/pod.ts";
import type { PodRow, RescueOutcome, RescueResult } from "../../operations/rescue/rescue.ts";
import type { JsonOutputs } from "../json-outputs.ts";
import { tableText } from "../terminal/table.ts";

/** Such as `Running 1/1`, or `Pending`. */
export function podSummary(pod: KubeObject): string {
  const { ready, total, reason } = summarize(pod);
  return reason === "Running" || reason === "NotReady" ? `${reason} ${ready}/${total}` : reason;
}

/** Whether nothing is broken as far as is known, and that is not known of all. */
export function isUndecided({ components }: RescueResult): boolean {
  return (
    components.some(({ state }) => state === "unknown") &&
    components.every(({ state }) => state !== "rescued" && state !== "lost")
  );
}

/** Whether each component does its work by its permanent pod. */
export function isWhole({ components }: RescueResult): boolean {
  return components.every(({ state }) => state === "healthy" || state === "mended");
}

export function rescueText(result: RescueResult): string {
  const lines = result.components.map(outcomeText).join("");
  return `${lines}\n${podsText(result.pods)}`;
}

function outcomeText({ component, state, elects, rescuePod, fault, hint, namespace }: RescueOutcome): string {
  const why = fault === null ? "" : `  why:  ${fault.text}\n`;
  const next = hint === null ? "" : `  next: ${hint}\n`;
  switch (state) {
    case "healthy":
      return `${component} is healthy: nothing was done.\n`;
    case "mended":
      return `${component} runs, and ${elects ? "renews its lease" : "is ready"}.\n`;
    case "rescued":
      return (
        `${component} works by its rescue pod alone, "${namespace}/${rescuePod?.name}" on node "${rescuePod?.node}" ` +
        `(from ${rescuePod?.template}), which stays.\n${why}${next}`
      );
    case "unknown":
      return `whether ${component} works is not known: nothing was done.\n${why}${next}`;
    case "lost":
      return `${component} could not be rescued.\n${why}${next}`;
    default:
      return state satisfies never;
  }
}

function podsText(rows: readonly PodRow[]): string {
  const changed = rows.filter(({ change }) => change !== undefined && change !== "gone").length;
  const unwell = rows.filter(({ change, isWell }) => !isWell && change !== "gone").length;
  const left = rows.filter(({ change }) => change !== "gone").length;
  const head = `${left} pods: ${unwell === 0 ? "all are well" : `${unwell} not well`}, ${changed} changed since the start\n`;
  const table = rows.map(({ pod, change }) => {
    const { ready, total, reason, restarts } = summarize(pod);
    const gone = change === "gone";
    return [
      pod.metadata.namespace ?? "",
      pod.metadata.name,
      gone ? "-" : `${ready}/${total}`,
      gone ? "gone" : reason,
      gone ? "-" : String(restarts),
      textOf(objectOf(pod.spec).nodeName) || "<none>",
      gone ? "" : (change ?? ""),
    ];
  });
  return head + tableText([["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "NODE", "CHANGE"], ...table]);
}

export function rescueJson({ components, pods }: RescueResult): JsonOutputs["rescue"] {
  return {
    components,
    pods: pods.map(({ pod, change, isWell }) => {
      const { ready, total, reason, restarts } = summarize(pod);
      const { namespace = "", name } = pod.metadata;
      const node = textOf(objectOf(pod.spec).nodeName) || null;
      return { namespace, name, ready, total, status: reason, restarts, node, change: change ?? null, isWell };
    }),
  };
}
