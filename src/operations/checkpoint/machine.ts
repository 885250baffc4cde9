/**
 * The node on which the agent runs: its container runtime, its kubelet, its directories. The agent is given one, so
 * that tests run it without a kubelet.
 */

import type { RuntimePod } from "../../checkpoint/observe.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { releaseProgramPages } from "../../io/agent/program-pages.ts";
import { watchDirectories } from "../../io/files/directory-watch.ts";
import { findRuntimeEndpoint } from "../../io/node/container-runtime.ts";
import { type KubeletOptions, readKubeletPods } from "../../io/node/kubelet.ts";
import { RuntimePods } from "../../io/node/runtime-pods.ts";
import type { KubeObject } from "../../kube/object.ts";

export interface AgentMachine {
  readonly runtime: {
    /** The pods that the container runtime has; undefined where it does not answer. */
    readonly list: () => Promise<readonly RuntimePod[] | undefined>;
    /** Why the last list is undefined. */
    readonly failure: Error | undefined;
    readonly close: () => void;
  };
  readonly kubeletPods: (options: KubeletOptions) => Promise<readonly KubeObject[]>;
  /** Calls back when a file comes, goes or changes; with an error when a directory can be watched no more. */
  readonly watchDirectories: (
    paths: readonly string[],
    changed: (error?: unknown) => void,
  ) => { readonly close: () => void };
  /** Gives back memory that an agent at rest does not need. */
  readonly releaseMemory: () => void;
}

/** `timeoutMs`: how long the container runtime may take to answer. */
export function thisMachine(runtimeEndpoint: string, timeoutMs: number): AgentMachine {
  return {
    runtime: new RuntimePods(runtimeEndpoint, timeoutMs),
    kubeletPods: readKubeletPods,
    watchDirectories,
    releaseMemory: releaseProgramPages,
  };
}

/** Where the container runtime of this node listens. Throws `runtime-unreachable` where none is found. */
export async function findRuntime(): Promise<string> {
  const { findKubelet } = await import("../../io/node/local-node.ts");
  const found = findRuntimeEndpoint(findKubelet());
  if (found !== undefined) return found;
  throw new MendError("runtime-unreachable", "no container runtime is found on this node", {
    hint: `pass ${input("containerRuntimeEndpoint")}`,
  });
}
