/**
 * How far the rescue of one component has come: a pure transition over what its current step has seen. Each state names
 * one step, which the caller carries out and reports; what waits within a step, and for how long, is that step's own
 * business.
 *
 * The rule behind it: a rescue pod is removed only for a permanent pod that is started, and comes back where that one
 * does not take over. A component is called lost only after a last look at its permanent pods, which may have come back
 * by themselves.
 */
import type { PodFault } from "./pod-state.ts";

export type RescueState<Pod> =
  /** Is the rescue pod of an earlier run there? */
  | { readonly kind: "finding-earlier" }
  /** It is, and has to lead. */
  | { readonly kind: "resuming"; readonly earlier: Pod }
  /** Does the component do its work? */
  | { readonly kind: "judging" }
  /** Permissions, and replicas where it was scaled to 0. `standIn` leads already. */
  | { readonly kind: "preparing"; readonly standIn: Pod | undefined }
  /** A rescue pod of this template has to lead. `first`: what the first template that failed met. */
  | { readonly kind: "standing-in"; readonly template: number; readonly first: PodFault | undefined }
  /** The rescue pod leads; a permanent one has to be started. */
  | { readonly kind: "starting-permanent"; readonly standIn: Pod }
  /** The rescue pod is removed; the permanent one has to take over. */
  | { readonly kind: "handing-over"; readonly standIn: Pod }
  /** Until the rescue pod is gone. `failure`: why the permanent one did not take over. */
  | { readonly kind: "removing"; readonly standIn: Pod; readonly failure: PodFault | undefined }
  /** A rescue pod of the same template once more. */
  | { readonly kind: "returning"; readonly standIn: Pod; readonly failure: PodFault }
  /** Nothing helped: has the permanent one come back by itself? */
  | { readonly kind: "last-look"; readonly fault: PodFault }
  | RescueEnd<Pod>;

export interface RescueEnd<Pod> {
  readonly kind: "ended";
  /**
   * `healthy`: it was, and nothing was done. `mended`: the permanent one does its work. `rescued`: it works by its
   * rescue pod. `lost`: nothing helped. `unknown`: whether it works cannot be judged, and nothing was done.
   */
  readonly as: "healthy" | "mended" | "rescued" | "lost" | "unknown";
  readonly standIn: Pod | undefined;
  readonly fault: PodFault | undefined;
}

/** What a step ended with. */
export type RescueSeen<Pod> =
  /** It is done, and there was nothing to find or nothing in the way. */
  | { readonly is: "done" }
  | { readonly is: "pod"; readonly pod: Pod }
  | { readonly is: "healthy" }
  | { readonly is: "lost" }
  /** Whether the component works cannot be judged. */
  | { readonly is: "undecided"; readonly fault: PodFault }
  | { readonly is: "fault"; readonly fault: PodFault }
  /** The time is up. */
  | { readonly is: "late"; readonly fault: PodFault };

/** `templates`: how many there are to make rescue pods of. What a step cannot end with leaves its state as it is. */
export function next<Pod>(state: RescueState<Pod>, seen: RescueSeen<Pod>, templates: number): RescueState<Pod> {
  if (seen.is === "late") return whenLate(state, seen.fault);
  switch (state.kind) {
    case "finding-earlier":
      if (seen.is === "pod") return { kind: "resuming", earlier: seen.pod };
      return seen.is === "done" ? { kind: "judging" } : state;
    case "resuming":
      // One that does not lead is removed by its step.
      if (seen.is === "pod") return { kind: "preparing", standIn: seen.pod };
      return seen.is === "fault" ? { kind: "judging" } : state;
    case "judging":
      if (seen.is === "healthy") return ended("healthy");
      if (seen.is === "undecided") return ended("unknown", undefined, seen.fault);
      return seen.is === "lost" ? { kind: "preparing", standIn: undefined } : state;
    case "preparing":
      if (seen.is !== "done") return state;
      return state.standIn === undefined
        ? { kind: "standing-in", template: 0, first: undefined }
        : { kind: "starting-permanent", standIn: state.standIn };
    case "standing-in":
      return whileStandingIn(state, seen, templates);
    case "starting-permanent":
      // Without its rescue pod the component would be lost again.
      if (seen.is === "fault") return ended("rescued", state.standIn, seen.fault);
      return seen.is === "done" ? { kind: "handing-over", standIn: state.standIn } : state;
    case "handing-over":
      if (seen.is === "fault") return { kind: "removing", standIn: state.standIn, failure: seen.fault };
      return seen.is === "done" ? { kind: "removing", standIn: state.standIn, failure: undefined } : state;
    case "removing":
      if (seen.is !== "done") return state;
      return state.failure === undefined
        ? ended("mended")
        : { kind: "returning", standIn: state.standIn, failure: state.failure };
    case "returning":
      if (seen.is === "pod") return ended("rescued", seen.pod, state.failure);
      return seen.is === "fault" ? { kind: "last-look", fault: seen.fault } : state;
    case "last-look":
      if (seen.is === "healthy") return ended("mended");
      return seen.is === "lost" ? ended("lost", undefined, state.fault) : state;
    case "ended":
      return state;
  }
}

function whileStandingIn<Pod>(
  state: Extract<RescueState<Pod>, { kind: "standing-in" }>,
  seen: RescueSeen<Pod>,
  templates: number,
): RescueState<Pod> {
  if (seen.is === "pod") return { kind: "starting-permanent", standIn: seen.pod };
  if (seen.is !== "fault") return state;
  const first = state.first ?? seen.fault;
  const template = state.template + 1;
  return template < templates ? { kind: "standing-in", template, first } : { kind: "last-look", fault: first };
}

/** The time of the whole run is up. What a rescue pod does continues; what is half done is taken further; all else is lost. */
function whenLate<Pod>(state: RescueState<Pod>, fault: PodFault): RescueState<Pod> {
  switch (state.kind) {
    case "starting-permanent":
      return ended("rescued", state.standIn, fault);
    case "handing-over":
      return { kind: "removing", standIn: state.standIn, failure: fault };
    case "last-look":
      return ended("lost", undefined, state.fault);
    case "ended":
      return state;
    case "finding-earlier":
    case "resuming":
    case "judging":
    case "preparing":
    case "standing-in":
    case "removing":
    case "returning":
      return { kind: "last-look", fault };
  }
}

function ended<Pod>(as: RescueEnd<Pod>["as"], standIn?: Pod, fault?: PodFault): RescueEnd<Pod> {
  return { kind: "ended", as, standIn, fault };
}
