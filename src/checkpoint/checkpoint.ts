/**
 * How the pod checkpointer decides. A node whose only API server is gone after a reboot can ask nobody what to run, so
 * copies of certain pods are kept on its disk and run as static pods until the real ones are back. A *parent* is a pod
 * of this node that asks to be copied; a *checkpoint* is what stands for all parents of one controller (a DaemonSet's
 * pod has another name each time); a *generation* is one copy of it that was good. `parent.ts` selects, `sanitize.ts`
 * makes the copy, `generation.ts` says which copies are kept, `state.ts` decides what runs, `plan.ts` orders what is to
 * be done. Facts of the original: bootkube's pkg/checkpoint and cmd/checkpoint.
 */
import type { JsonObject, KubeObject } from "../kube/object.ts";

/** On a parent, with the value `true`. */
export const PARENT_ANNOTATION = "checkpointer.alpha.coreos.com/checkpoint";
/** On a checkpoint, with the parent's name. */
export const CHECKPOINT_OF_ANNOTATION = "checkpointer.alpha.coreos.com/checkpoint-of";
/** On a checkpoint, where kubemend made it. */
export const CONTROLLER_ANNOTATION = "checkpointer.kubemend.io/controller";
export const GENERATION_ANNOTATION = "checkpointer.kubemend.io/generation";
export const SAVED_ANNOTATION = "checkpointer.kubemend.io/saved";
export const PROVEN_ANNOTATION = "checkpointer.kubemend.io/ran-healthy";
export const DATA_ANNOTATION = "checkpointer.kubemend.io/data";
export const DIGEST_ANNOTATION = "checkpointer.kubemend.io/digest";

/** What the kubelet appends to its own pods' names, and this agent's place: the downward API gives all three. */
export interface AgentPlace {
  readonly nodeName: string;
  /** Undefined where the agent is no pod. */
  readonly podName: string | undefined;
  /** Only pods of this namespace are looked after, as the agent's role allows. */
  readonly namespace: string;
}

/** A copy of a parent that can be run as a static pod. */
export interface Generation {
  /** Counts up from 1; 0 for what the original checkpointer left. */
  readonly number: number;
  /** RFC 3339, empty where unknown. */
  readonly saved: string;
  /** Whether its parent ran healthy for a while with just this content. */
  readonly proven: boolean;
  /** The static pod. */
  readonly manifest: KubeObject;
  /** Directories that hold what it mounts, as {@link DataDirectory.path}. */
  readonly data: readonly string[];
  /** What makes two generations the same: of the manifest without {@link number}, {@link saved} and {@link proven}. */
  readonly fingerprint: string;
}

/** Files for one volume, in a directory that is named for their content and never changed. */
export interface DataDirectory {
  /** Absolute. */
  readonly path: string;
  readonly kind: "secret" | "configmap";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly files: readonly DataFile[];
}

export interface DataFile {
  /** Relative; may have slashes. */
  readonly path: string;
  readonly mode: number;
  readonly bytes: Uint8Array;
  /** A token, which is renewed all the time: no part of the directory's name. */
  readonly volatile: boolean;
}

/** What all parents of one controller have in common, and what the checkpoint is known by: `NAMESPACE/KIND/NAME`. */
export type CheckpointId = string;

/** The pod spec, or nothing. */
export function specOf(pod: KubeObject): JsonObject {
  return (pod.spec ?? {}) as JsonObject;
}
