/** What the agent reports of itself: for `checkpoint status`. */
import type { AgentPlace, CheckpointId } from "../../checkpoint/checkpoint.ts";
import type { Seen } from "../../checkpoint/observe.ts";
import { generationToRun } from "../../checkpoint/plan.ts";
import { isRun, type State } from "../../checkpoint/state.ts";
import type { Finding } from "../../errors/errors.ts";
import type { StoredCheckpoints } from "../../io/agent/checkpoint-store.ts";
import type { AgentReport, CheckpointReport } from "./checkpointer-options.ts";

export interface AgentView {
  readonly states: ReadonlyMap<CheckpointId, State>;
  readonly since: ReadonlyMap<CheckpointId, { readonly at: number; readonly cause: string }>;
  readonly seen: readonly Seen[];
  readonly stored: StoredCheckpoints;
  readonly apiServer: string | null;
  readonly runtime: string | null;
  readonly findings: readonly Finding[];
  readonly protects: AgentReport["agent"]["protects"];
  readonly counts: {
    readonly looks: number;
    readonly copies: number;
    readonly failures: number;
    /** By `FROM TO`. */
    readonly transitions: ReadonlyMap<string, number>;
  };
  readonly lastActivationMs: number | undefined;
}

export function reportOf(view: AgentView, place: AgentPlace, now: number): AgentReport {
  const { states, since, seen, stored } = view;
  const checkpoints = [...states].map(([id, state]): CheckpointReport => {
    const began = since.get(id);
    const copies = stored.generations.get(id) ?? [];
    const parents = seen.find((each) => each.id === id)?.parents ?? [];
    return {
      id,
      pod: copies[0]?.manifest.metadata.name ?? parents[0]?.metadata.name ?? "",
      state: state.kind,
      since: began === undefined ? null : new Date(began.at).toISOString(),
      cause: began?.cause ?? "",
      runs: isRun(state) ? (generationToRun(state, copies)?.number ?? null) : null,
      generations: copies.map(({ number, saved, proven }) => ({ number, saved, proven })),
      files: copies[0]?.data ?? [],
    };
  });
  return {
    node: place.nodeName,
    namespace: place.namespace,
    at: new Date(now).toISOString(),
    agent: { answers: true, looks: view.counts.looks, protects: view.protects },
    apiServer: view.apiServer,
    runtime: view.runtime,
    checkpoints,
    findings: [...view.findings, ...stored.findings],
  };
}
