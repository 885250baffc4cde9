/** What is checkpointed on this node: from the agent, or, where none answers, from the disk. */

import type { Places } from "../../checkpoint/data-directory.ts";
import { defined } from "../../errors/defined.ts";
import { askAgent } from "../../io/agent/agent-endpoint.ts";
import { readStoredCheckpoints } from "../../io/agent/checkpoint-store.ts";
import type { AgentReport } from "./checkpointer-options.ts";

export interface StatusOptions {
  readonly places: Places;
  readonly metricsAddress: string;
  readonly now: () => number;
}

export async function checkpointStatus({ places, metricsAddress, now }: StatusOptions): Promise<AgentReport> {
  const answer = (await askAgent(metricsAddress)) as AgentReport | undefined;
  if (Array.isArray(answer?.checkpoints) && Array.isArray(answer.findings)) return answer;
  const { generations, active, findings } = readStoredCheckpoints(places);
  const checkpoints = [...generations].map(([id, copies]) => {
    const file = active.find((each) => each.id === id);
    const runs = copies.find(({ fingerprint }) => fingerprint === file?.fingerprint);
    return {
      id,
      pod: defined(copies[0]).manifest.metadata.name,
      state: file === undefined ? ("inactive" as const) : ("active" as const),
      since: file === undefined ? null : new Date(file.modified).toISOString(),
      cause: "",
      runs: runs?.number ?? null,
      generations: copies.map(({ number, saved, proven }) => ({ number, saved, proven })),
      files: defined(copies[0]).data,
    };
  });
  return {
    node: "",
    namespace: "",
    at: new Date(now()).toISOString(),
    agent: { answers: false, looks: 0, protects: null },
    apiServer: null,
    runtime: null,
    checkpoints,
    findings,
  };
}
