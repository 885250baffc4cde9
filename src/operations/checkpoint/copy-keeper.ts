/** Keeps copies that are good: which draft is saved, which generation is proven, which ones are removed. */
import type { CheckpointId } from "../../checkpoint/checkpoint.ts";
import { judge, kept, numbered } from "../../checkpoint/generation.ts";
import type { Seen } from "../../checkpoint/observe.ts";
import { generationToRun } from "../../checkpoint/plan.ts";
import { isRun, type State } from "../../checkpoint/state.ts";
import type { CheckpointStore, StoredCheckpoints } from "../../io/agent/checkpoint-store.ts";
import type { AgentFindings } from "./agent-findings.ts";
import type { ReadyDraft } from "./checkpoint-drafts.ts";
import type { CheckpointerOptions } from "./checkpointer-options.ts";

export interface CopyKeeperEdges {
  readonly options: CheckpointerOptions;
  readonly store: CheckpointStore;
  readonly findings: AgentFindings;
  /** Reads the disk again after a change. */
  readonly reload: () => StoredCheckpoints;
  /** Asks for a look at that time, on the agent's clock. */
  readonly wakeAt: (time: number) => void;
}

export class CopyKeeper {
  readonly #edges: CopyKeeperEdges;
  /** Copies written. */
  count = 0;

  constructor(edges: CopyKeeperEdges) {
    this.#edges = edges;
  }

  /**
   * Saves what is ready, or proves what was saved, as `checkpoint/generation.ts` decides. What cannot be written is
   * reported as a finding.
   */
  async keep(
    { id, healthyFor }: Seen,
    state: State,
    ready: ReadyDraft,
    { generations: stored }: StoredCheckpoints,
  ): Promise<void> {
    const { options, store, findings, reload, wakeAt } = this.#edges;
    const { draft, fingerprint, steadyFor } = ready;
    const { manifest, directories } = draft;
    const generations = stored.get(id) ?? [];
    const running = healthyFor !== undefined;
    const candidate = { manifest, fingerprint, running, healthyFor: Math.min(healthyFor ?? 0, steadyFor) };
    const verdict = judge(candidate, generations, options.healthyAfterMs);
    try {
      if (verdict.act === "save") {
        const number = Math.max(0, ...generations.map((each) => each.number)) + 1;
        const saved = new Date(options.now()).toISOString();
        const generation = numbered(manifest, { number, saved, proven: verdict.proven });
        await store.save(generation, directories, verdict.instead);
        this.count++;
        options.log("info", "copied", { checkpoint: id, pod: manifest.metadata.name, generation: number });
        this.#prune(id, state);
      } else if (verdict.act === "prove") {
        const { manifest: same, number, saved } = verdict.generation;
        await store.amend(numbered(same, { number, saved, proven: true }));
        reload();
      } else if (verdict.act === "wait") {
        wakeAt(options.clock() + verdict.after);
      }
      if (await store.renew(directories)) reload();
      findings.end(`save ${id}`);
    } catch (error) {
      findings.fail(`save ${id}`, id, error);
      reload();
    }
  }

  #prune(id: CheckpointId, state: State): void {
    const { options, store, reload } = this.#edges;
    const generations = reload().generations.get(id) ?? [];
    const runs = isRun(state) ? generationToRun(state, generations)?.fingerprint : undefined;
    store.keep(id, kept(generations, options.generations, runs));
    store.clear();
    reload();
  }
}
