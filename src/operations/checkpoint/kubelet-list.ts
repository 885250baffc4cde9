/**
 * The kubelet's list of its pods, asked for beside the agent's walk: without an API server a kubelet takes seconds to
 * say that it cannot check credentials.
 */
import type { AgentKubeconfig } from "../../io/agent/agent-kubeconfig.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { CheckpointerOptions } from "./checkpointer-options.ts";

const KUBELET_MS = 10_000;

export class KubeletList {
  readonly #options: CheckpointerOptions;
  readonly #kubeconfig: AgentKubeconfig;
  readonly #answered: (finding: Error | undefined) => void;
  #last: { readonly at: number; readonly pods: readonly KubeObject[] | undefined } | undefined;

  /** `answered` is called after each answer, with what is wrong where there is no list. */
  constructor(
    options: CheckpointerOptions,
    kubeconfig: AgentKubeconfig,
    answered: (finding: Error | undefined) => void,
  ) {
    this.#options = options;
    this.#kubeconfig = kubeconfig;
    this.#answered = answered;
  }

  /** Its last list, undefined where there is none. The next one is asked for when this is old. */
  pods(): readonly KubeObject[] | undefined {
    const now = this.#options.clock();
    if (this.#last === undefined || now - this.#last.at >= KUBELET_MS) {
      this.#last = { at: now, pods: this.#last?.pods };
      void this.#ask();
    }
    return this.#last.pods;
  }

  async #ask(): Promise<void> {
    const { hostIp: host, signal, machine, clock } = this.#options;
    try {
      // What is wrong with the kubeconfig, the API server's client has said.
      const access = await this.#kubeconfig.read().catch(() => undefined);
      const pods = await machine.kubeletPods({ host, access, signal });
      this.#last = { at: clock(), pods };
      this.#answered(undefined);
    } catch (error) {
      if (signal.aborted) return;
      this.#last = { at: clock(), pods: undefined };
      this.#answered(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
