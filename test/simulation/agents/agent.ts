/** The real node agent on a simulated node. Whatever ends it, it is started again, as the kubelet does it. */
import { placesIn } from "../../../src/checkpoint/data-directory.ts";
import { PATIENCE } from "../../../src/checkpoint/state.ts";
import { AgentLoop } from "../../../src/operations/checkpoint/agent-loop.ts";
import type { AgentLog, AgentReport } from "../../../src/operations/checkpoint/checkpointer-options.ts";
import { reportOf } from "../../../src/operations/checkpoint/checkpointer-report.ts";
import { openApi } from "./agent-client.ts";
import { type ClusterState, NAMESPACE } from "./cluster-state.ts";
import { Died } from "./disk.ts";
import type { SimulatedNode } from "./node.ts";
import { EPOCH, virtualNow } from "./virtual-time.ts";

const STARTS_AGAIN_AFTER_MS = 10_000;
const RUNTIME_AWAY = new Error("the runtime is away");

export class SimulatedAgent {
  readonly #cluster: ClusterState;
  readonly #node: SimulatedNode;
  readonly #log: AgentLog;
  /** An error that is no error for the user and no death that was made. */
  readonly #broken: (error: unknown) => void;
  #stop: AbortController | undefined;
  #loop: AgentLoop | undefined;
  #startsAt = 0;

  constructor(cluster: ClusterState, node: SimulatedNode, log: AgentLog, broken: (error: unknown) => void) {
    this.#cluster = cluster;
    this.#node = node;
    this.#log = log;
    this.#broken = broken;
  }

  get isRunning(): boolean {
    return this.#loop !== undefined;
  }

  /** Once a second. */
  tick(): void {
    if (!this.#node.isUp) this.kill();
    else if (this.#loop === undefined && virtualNow() >= this.#startsAt) this.#start();
  }

  kill(): void {
    this.#stop?.abort(new Died("killed"));
    this.#stop = undefined;
    if (this.#loop !== undefined) this.#startsAt = virtualNow() + STARTS_AGAIN_AFTER_MS;
    this.#loop = undefined;
  }

  report(): AgentReport | undefined {
    if (this.#loop === undefined) return undefined;
    const place = { nodeName: this.#node.name, podName: undefined, namespace: NAMESPACE };
    return reportOf(this.#loop.view(), place, EPOCH + virtualNow());
  }

  #start(): void {
    const stop = new AbortController();
    const node = this.#node;
    const loop = new AgentLoop({
      place: { nodeName: node.name, podName: undefined, namespace: NAMESPACE },
      places: placesIn(node.directory),
      kubeconfig: `${node.directory}/kubeconfig`,
      openApi: async () => openApi(this.#cluster, node),
      hostIp: node.address,
      lockFile: "",
      machine: {
        runtime: {
          list: async () => (node.hasRuntime ? node.runtimePods() : undefined),
          get failure() {
            return node.hasRuntime ? undefined : RUNTIME_AWAY;
          },
          close: () => {},
        },
        kubeletPods: async () => {
          throw new Error("the kubelet cannot check credentials");
        },
        watchDirectories: () => ({ close: () => {} }),
        releaseMemory: () => {},
      },
      patience: PATIENCE,
      generations: 3,
      healthyAfterMs: 60_000,
      refreshMs: 120_000,
      metricsAddress: undefined,
      signal: stop.signal,
      now: () => EPOCH + virtualNow() + node.clockOff,
      clock: virtualNow,
      log: this.#log,
      fileSystem: node.disk.mount(),
    });
    this.#stop = stop;
    this.#loop = loop;
    loop.run().then(
      () => this.#ended(loop),
      (error: unknown) => {
        if (!(error instanceof Died) && !stop.signal.aborted) this.#broken(error);
        this.#ended(loop);
      },
    );
  }

  #ended(loop: AgentLoop): void {
    if (this.#loop === loop) this.kill();
  }
}
