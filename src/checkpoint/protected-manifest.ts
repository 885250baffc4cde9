/**
 * Static pods' own manifests, which on clusters of kubeadm's kind are the control plane, and the files that they mount:
 * whether they are what they were when they last ran well, and when they are to be put back. `protected-copy.ts` is how
 * they are kept.
 */

import { parseManifest } from "../bootstrap/manifest-objects.ts";
import { defined } from "../errors/defined.ts";
import { objectOf, objectsOf, textOf } from "../kube/fields.ts";
import type { KubeObject } from "../kube/object.ts";

/** On what the checkpointer itself puts there: it looks after those otherwise. */
const CHECKPOINT_OF_ANNOTATION = "checkpointer.alpha.coreos.com/checkpoint-of";
/** Static pods that are there for a while, as `start` makes them. */
const PASSING = /^(?:bootstrap-|recovery-etcd)/;

/** A file of the node. */
export interface ProtectedFile {
  /** Absolute. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly bytes: Uint8Array;
}

export interface StaticPod {
  readonly namespace: string;
  readonly name: string;
  readonly containers: readonly string[];
  /** The node's paths that it mounts, absolute. */
  readonly hostPaths: readonly string[];
}

/**
 * What a file of the manifests' directory is. `passing`: a pod that is there for a while, or none of a cluster's;
 * `damaged`: nothing that a kubelet can run.
 */
export type ManifestReading =
  | { readonly is: "static-pod"; readonly pod: StaticPod }
  | { readonly is: "passing" }
  | { readonly is: "damaged" };

export function readManifest(bytes: Uint8Array): ManifestReading {
  const pod = parsePod(bytes);
  if (pod === undefined) return { is: "damaged" };
  const { name, namespace, annotations } = pod.metadata;
  if (PASSING.test(name) || annotations?.[CHECKPOINT_OF_ANNOTATION] !== undefined) return { is: "passing" };
  const spec = objectOf(pod.spec);
  const containers = objectsOf(spec.containers).map((container) => textOf(container.name));
  if (containers.length === 0 || containers.includes("")) return { is: "damaged" };
  const hostPaths = objectsOf(spec.volumes).map((volume) => textOf(objectOf(volume.hostPath).path));
  return {
    is: "static-pod",
    pod: {
      namespace: namespace ?? "default",
      name,
      containers,
      hostPaths: hostPaths.filter((path) => path.startsWith("/")).map((path) => path.replace(/\/+$/, "")),
    },
  };
}

function parsePod(bytes: Uint8Array): KubeObject | undefined {
  try {
    const objects = parseManifest("", new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    const [only] = objects;
    return objects.length === 1 && only?.object.kind === "Pod" ? only.object : undefined;
  } catch {
    return undefined; // what is no text or no YAML runs nowhere
  }
}

/** A file beside its copy. `damaged`: cut off, or full of zeros as after a loss of power. */
export type FileState = "same" | "changed" | "damaged" | "gone";

export function compareFile(copy: Uint8Array, present: Uint8Array | undefined): FileState {
  if (present === undefined) return "gone";
  const isPrefix = Buffer.compare(present, copy.subarray(0, present.length)) === 0;
  if (isPrefix) return present.length === copy.length ? "same" : "damaged";
  return present.every((byte) => byte === 0) ? "damaged" : "changed";
}

/** As {@link compareFile}; a manifest is also damaged when no kubelet can run it. */
export function compareManifest(copy: Uint8Array, present: Uint8Array | undefined): FileState {
  const state = compareFile(copy, present);
  return state === "changed" && readManifest(defined(present)).is === "damaged" ? "damaged" : state;
}

/** How long something must have been wrong before it is mended, in milliseconds: an editor or a person may be at it. */
export interface ProtectionPatience {
  readonly damaged: number;
  readonly gone: number;
}

/** A manifest and its files beside their copy. */
export interface ProtectedSight {
  readonly manifest: FileState;
  /** Of each file that it mounts, by path. */
  readonly files: ReadonlyMap<string, FileState>;
  /** Where a file with the manifest's content is, if it was moved aside. */
  readonly movedTo: string | undefined;
  /** Since when something is gone or damaged without a break, in milliseconds of the same clock as `now`. */
  readonly since: number;
}

/** `left`: wrong, and on purpose as it seems; `text` says why. */
export type ProtectionDecision =
  | { readonly act: "nothing" }
  | { readonly act: "wait"; readonly until: number; readonly text: string }
  | { readonly act: "leave"; readonly text: string }
  | { readonly act: "mend"; readonly paths: readonly string[]; readonly text: string };

/** `manifestPath` names the manifest among the paths to mend: it comes last, when all that it mounts is there. */
export function decideProtection(
  sight: ProtectedSight,
  manifestPath: string,
  patience: ProtectionPatience,
  now: number,
): ProtectionDecision {
  const states = [...sight.files, [manifestPath, sight.manifest] as const];
  const wrong = states.filter(([, state]) => state === "gone" || state === "damaged");
  if (wrong.length === 0) return { act: "nothing" };
  const text = wrong.map(([path, state]) => `"${path}" is ${state}`).join(", ");
  if (sight.manifest === "gone" && sight.movedTo !== undefined) {
    return { act: "leave", text: `"${manifestPath}" was moved to "${sight.movedTo}"` };
  }
  if (
    sight.manifest === "gone" &&
    sight.files.size > 0 &&
    [...sight.files.values()].every((state) => state === "gone")
  ) {
    return { act: "leave", text: `"${manifestPath}" is gone with all that it mounts: the node was reset` };
  }
  if (sight.manifest === "changed") {
    return { act: "leave", text: `${text}, and "${manifestPath}" is another than was copied` };
  }
  const delay = wrong.every(([, state]) => state === "damaged") ? patience.damaged : patience.gone;
  const until = sight.since + delay;
  return now < until ? { act: "wait", until, text } : { act: "mend", paths: wrong.map(([path]) => path), text };
}
