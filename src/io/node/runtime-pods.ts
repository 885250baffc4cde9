/** The pods that really run on this node, as the container runtime has them; keeps its connection, and makes another when it breaks. */
import type { RuntimePod } from "../../checkpoint/observe.ts";
import { type ContainerRuntime, openContainerRuntime } from "./container-runtime.ts";

export class RuntimePods {
  readonly #endpoint: string;
  readonly #timeoutMs: number;
  #runtime: ContainerRuntime | undefined;
  #failure: Error | undefined;

  constructor(endpoint: string, timeoutMs: number) {
    this.#endpoint = endpoint;
    this.#timeoutMs = timeoutMs;
  }

  /** Why the last list is undefined. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Undefined where it does not answer: nothing is known then. */
  async list(): Promise<readonly RuntimePod[] | undefined> {
    try {
      this.#runtime ??= await openContainerRuntime(this.#endpoint, { timeout: this.#timeoutMs });
      const [sandboxes, containers] = await Promise.all([this.#runtime.podSandboxes(), this.#runtime.containers()]);
      this.#failure = undefined;
      return sandboxes.map((sandbox) => ({
        namespace: sandbox.namespace,
        name: sandbox.name,
        uid: sandbox.uid,
        ready: sandbox.ready,
        labels: sandbox.labels,
        annotations: sandbox.annotations,
        containers: containers
          .filter(({ sandboxId }) => sandboxId === sandbox.id)
          .map(({ id, name, attempt, state }) => ({ id, name, attempt, running: state === "running" })),
      }));
    } catch (error) {
      this.close();
      this.#failure = error instanceof Error ? error : new Error(String(error));
      return undefined;
    }
  }

  close(): void {
    this.#runtime?.close();
    this.#runtime = undefined;
  }
}
