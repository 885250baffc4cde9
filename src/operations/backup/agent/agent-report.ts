/** What the agent knows of itself: for its pages, and for who is waiting. */
import type { AgentLog } from "./agent-options.ts";

/** What the agent waits for, by kind; at most one of each. */
type TroubleKind = "store" | "etcd" | "compacted" | "spool" | "full" | "node-files" | "hash" | "link" | "bundles";

export interface AgentTrouble {
  readonly kind: TroubleKind;
  readonly text: string;
  /** ISO 8601. */
  readonly since: string;
}

interface AgentState {
  role: "starting" | "write" | "stand-by";
  history: number | null;
  /** The newest revision that is stored, and that etcd was seen to have. */
  storedRevision: number | null;
  etcdRevision: number | null;
  /** Milliseconds since the epoch: until when everything is stored; of the newest full. */
  storedTime: number | null;
  fullTime: number | null;
  restorableFrom: number | null;
  writer: string | null;
  spoolBytes: number;
  readonly counts: { deltas: number; fulls: number; changes: number; storedBytes: number; gaps: number };
  readonly errors: Map<TroubleKind, number>;
}

export interface AgentReporter {
  readonly state: AgentState;
  troubles(): readonly AgentTrouble[];
  /** Something is wrong: logged when it begins, and when its text changes. */
  begin(kind: TroubleKind, text: string): void;
  /** It is over: logged where it had begun. */
  end(kind: TroubleKind): void;
}

export interface ReporterOptions {
  readonly log: AgentLog;
  readonly now: () => number;
  readonly onTrouble: (trouble: AgentTrouble, over: boolean) => void;
}

export function createReporter({ log, now, onTrouble }: ReporterOptions): AgentReporter {
  const troubles = new Map<TroubleKind, AgentTrouble>();
  const state: AgentState = {
    role: "starting",
    history: null,
    storedRevision: null,
    etcdRevision: null,
    storedTime: null,
    fullTime: null,
    restorableFrom: null,
    writer: null,
    spoolBytes: 0,
    counts: { deltas: 0, fulls: 0, changes: 0, storedBytes: 0, gaps: 0 },
    errors: new Map(),
  };
  return {
    state,
    troubles: () => [...troubles.values()],
    begin(kind, text) {
      state.errors.set(kind, (state.errors.get(kind) ?? 0) + 1);
      const before = troubles.get(kind);
      const trouble = { kind, text, since: before?.since ?? new Date(now()).toISOString() };
      troubles.set(kind, trouble);
      if (before?.text === text) return;
      log("warn", text, { trouble: kind });
      if (before === undefined) onTrouble(trouble, false);
    },
    end(kind) {
      const trouble = troubles.get(kind);
      if (trouble === undefined) return;
      troubles.delete(kind);
      log("info", `over: ${trouble.text}`, { trouble: kind, since: trouble.since });
      onTrouble(trouble, true);
    },
  };
}
