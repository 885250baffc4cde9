/** What a start does and looks for at each step of the hand-over from the temporary control plane to the permanent one. */
import {
  afterHandOver,
  beforeHandOver,
  isBackingOff,
  type Observation,
  podsOf,
  replacedNodes,
  stillThere,
} from "../../bootstrap/pivot.ts";
import {
  type Chore,
  choresOf,
  knowsLivingNodes,
  type StartRules,
  type StartState,
  withChore,
} from "../../bootstrap/start-state.ts";
import { objectOf, textOf } from "../../kube/fields.ts";
import { LEASE_HOLDERS } from "../../kube/lease.ts";
import { etcdOutOfReach } from "./bring-etcd-back.ts";
import {
  deletePod,
  labelNode,
  nodeRoleLabels,
  raiseScaledAway,
  releaseReplaced,
  releaseStranded,
} from "./clear-the-way.ts";
import type { ClusterView } from "./cluster-view.ts";
import { giveUpLeases, type HeldLeases, leasesOfTheDead } from "./give-up-leases.ts";
import { temporaryPods } from "./start-api-server.ts";
import type { Start } from "./start-options.ts";

export class HandOver {
  readonly #start: Start;
  readonly #view: ClusterView;
  readonly #rules: StartRules;
  readonly #temporary: ReadonlySet<string>;
  #labels: ReadonlyMap<string, string> | undefined;

  constructor(start: Start, view: ClusterView, rules: StartRules) {
    this.#start = start;
    this.#view = view;
    this.#rules = rules;
    this.#temporary = new Set(start.pods.flatMap(({ component }) => component ?? []));
  }

  /**
   * Clears the way, and returns what the permanent control plane still needs before it can take over. The state has the
   * chores that were done.
   */
  async settle(
    state: StartState,
    look: Observation,
  ): Promise<{ readonly state: StartState; readonly waitingFor: readonly string[] }> {
    const start = this.#start;
    const time = start.options.now();
    const isSure = knowsLivingNodes(state, time, this.#rules);
    const replaced = replacedNodes(look);
    let after = state;
    for (const chore of choresOf(state, time, this.#rules)) after = await this.#do(chore, after, look, replaced);
    this.#labels ??= await nodeRoleLabels(start);
    await labelNode(start, look, this.#labels);
    await raiseScaledAway(start, look);
    const silent = isSure ? [] : replaced;
    const waitingFor = [
      ...beforeHandOver(start.required, look, this.#temporary),
      ...silent.map((name) => `node "${name}", which had this machine's address, to give a sign of life`),
    ];
    if (waitingFor.length === 0 && start.etcd !== undefined)
      waitingFor.push(...(await etcdOutOfReach(start.etcd, start.options.machine)));
    return { state: after, waitingFor: waitingFor.length > 0 ? waitingFor : await this.#refreshTiredPods(look) };
  }

  async #do(chore: Chore, state: StartState, look: Observation, replaced: readonly string[]): Promise<StartState> {
    switch (chore) {
      case "release-dead-leases":
        await giveUpLeases(this.#start, leasesOfTheDead(this.#start, this.#view));
        return withChore(state, chore);
      case "release-stranded-pods":
        await releaseStranded(this.#start, look);
        return state;
      case "release-replaced-nodes":
        await releaseReplaced(this.#start, look, replaced);
        return state;
    }
  }

  /** A pod has crashed while the temporary one had its port: with a new one the kubelet does not wait for minutes before it tries again. */
  async #refreshTiredPods(look: Observation): Promise<string[]> {
    const tired = this.#start.required
      .filter(({ prefix }) => this.#temporary.has(prefix))
      .flatMap((each) => podsOf(each, look))
      .filter((pod) => textOf(objectOf(pod.spec).nodeName) === this.#start.node && isBackingOff(pod));
    for (const pod of tired) await deletePod(this.#start, pod);
    return tired.map((pod) => `pod "${pod.metadata.name}" to be replaced by one that has not failed`);
  }

  /** Whether the temporary pods have ended; their leases, `held` when their manifests were removed, are given up then. */
  async end(look: Observation, held: HeldLeases): Promise<"there" | "gone"> {
    if (this.temporary(look) === "there") return "there";
    await giveUpLeases(this.#start, held);
    this.#view.forgetLeases();
    return "gone";
  }

  temporary(look: Observation): "there" | "gone" {
    return stillThere(this.#temporaryPods(), look).length === 0 ? "gone" : "there";
  }

  /** What the permanent control plane has not proved yet. */
  unproved(look: Observation): string[] {
    const { required } = this.#start;
    const components: string[] = LEASE_HOLDERS.filter((name) => required.some(({ prefix }) => prefix === name));
    return afterHandOver(required, look, this.#temporaryPods(), this.#view.renewedLeases, components);
  }

  #temporaryPods() {
    const { pods, node, options } = this.#start;
    return temporaryPods(pods, options.machine, node);
  }
}
