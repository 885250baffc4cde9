/** Copies in the making: fetched one after the other beside the agent's walk, which never waits for an API server. */

import type { CheckpointId } from "../../checkpoint/checkpoint.ts";
import { specOf } from "../../checkpoint/checkpoint.ts";
import type { Seen } from "../../checkpoint/observe.ts";
import { defined } from "../../errors/defined.ts";
import type { AgentApi } from "../../io/agent/agent-api.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { AgentFindings } from "./agent-findings.ts";
import { type DraftOutcome, draftCheckpoint, Tokens } from "./checkpoint-draft.ts";
import type { CheckpointerOptions } from "./checkpointer-options.ts";

const REQUEST_MS = 10_000;

interface Drafted {
  readonly uid: string;
  /** What of its parent it was made of. */
  readonly content: string;
  /** When it was fetched. */
  readonly at: number;
  readonly outcome: DraftOutcome | undefined;
  /** Since when it has been what it is. */
  readonly since: number;
}

/** A copy that could be saved. */
export interface ReadyDraft extends Extract<DraftOutcome, { draft: unknown }> {
  /** For how long it has been what it is, in milliseconds. */
  readonly steadyFor: number;
}

export class CheckpointDrafts {
  readonly #options: CheckpointerOptions;
  readonly #findings: AgentFindings;
  readonly #tokens = new Tokens();
  readonly #drafts = new Map<CheckpointId, Drafted>();
  #busy = false;

  constructor(options: CheckpointerOptions, findings: AgentFindings) {
    this.#options = options;
    this.#findings = findings;
  }

  /** The copy of just this parent, if there is one. */
  of(id: CheckpointId, parent: KubeObject | undefined): ReadyDraft | undefined {
    const drafted = this.#drafts.get(id);
    const outcome = drafted?.outcome;
    if (outcome === undefined || "missing" in outcome || drafted?.uid !== parent?.metadata.uid) return undefined;
    return { ...outcome, steadyFor: this.#options.clock() - defined(drafted).since };
  }

  forget(id: CheckpointId): void {
    this.#drafts.delete(id);
  }

  /** Fetches the next one that is due; `done` is called when there is news. */
  fetch(api: AgentApi, seen: readonly Seen[], done: () => void): void {
    if (this.#busy) return;
    const now = this.#options.clock();
    const due = seen.find(({ id, parents: [parent] }) => {
      const known = this.#drafts.get(id);
      if (parent === undefined) return false;
      return known === undefined || now - known.at >= this.#options.refreshMs || known.content !== contentOf(parent);
    });
    const parent = due?.parents[0];
    if (due === undefined || parent === undefined) return;
    this.#busy = true;
    const { places, place } = this.#options;
    const limit = AbortSignal.timeout(REQUEST_MS);
    const signal = AbortSignal.any([this.#options.signal, limit]);
    draftCheckpoint(parent, { api, places, place, tokens: this.#tokens, signal })
      .then(
        (outcome) => this.#fetched(due.id, parent, outcome),
        (error: unknown) => {
          const text = error instanceof Error ? error.message : String(error);
          const late = "the API server does not answer in time for what the pod mounts";
          this.#failed(due.id, parent, limit.aborted ? late : text);
        },
      )
      .finally(() => {
        this.#busy = false;
        done();
      });
  }

  #fetched(id: CheckpointId, parent: KubeObject, outcome: DraftOutcome): void {
    const before = this.#drafts.get(id);
    const now = this.#options.clock();
    const uid = parent.metadata.uid ?? "";
    const isSame = before?.uid === uid && printOf(before.outcome) === printOf(outcome);
    const since = isSame ? before.since : now;
    this.#drafts.set(id, { uid, content: contentOf(parent), at: now, outcome, since });
    if ("missing" in outcome) {
      const text = `it cannot be copied: the API server has no ${outcome.missing.join(", no ")}`;
      this.#findings.begin(`copy ${id}`, { level: "error", code: "checkpoint-impossible", where: id, text });
      return;
    }
    this.#findings.end(`copy ${id}`);
    for (const finding of outcome.findings) this.#findings.reportOnce(finding);
  }

  /** What was fetched before stays good. */
  #failed(id: CheckpointId, parent: KubeObject, text: string): void {
    if (this.#options.signal.aborted) return;
    const before = this.#drafts.get(id);
    const uid = parent.metadata.uid ?? "";
    const now = this.#options.clock();
    const kept = before?.uid === uid ? before : undefined;
    this.#drafts.set(id, {
      uid,
      content: contentOf(parent),
      at: now,
      outcome: kept?.outcome,
      since: kept?.since ?? now,
    });
    this.#findings.begin(`copy ${id}`, { level: "warning", code: "checkpoint-outdated", where: id, text });
  }
}

/** What of a parent goes into a copy. */
function contentOf(parent: KubeObject): string {
  const { name, uid, labels, ownerReferences } = parent.metadata;
  return JSON.stringify([name, uid, labels, ownerReferences, specOf(parent)]);
}

function printOf(outcome: DraftOutcome | undefined): string {
  if (outcome === undefined) return "";
  return "missing" in outcome ? `missing ${outcome.missing.join()}` : outcome.fingerprint;
}
