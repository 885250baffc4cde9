/** What the agent knows of itself: for its pages, and for who is waiting. */
import type { DrillReport } from "../reports.ts";
import type { AgentLog } from "./agent-options.ts";

/** What the agent waits for, by kind; at most one of each. */
type AgentFaultKind = "store" | "etcd" | "compacted" | "spool" | "full" | "node-files" | "hash" | "link" | "bundles";

export interface AgentFault {
  readonly kind: AgentFaultKind;
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
  /** The newest drill, and when the repository was last verified; null where there was none, or nobody looked yet. */
  drill: DrillReport | null;
  verifyTime: number | null;
  readonly counts: { deltas: number; fulls: number; changes: number; storedBytes: number; gaps: number };
  readonly errors: Map<AgentFaultKind, number>;
}

export interface AgentReporter {
  readonly state: AgentState;
  faults(): readonly AgentFault[];
  /** Something is wrong: logged when it begins, and when its text changes. */
  begin(kind: AgentFaultKind, text: string): void;
  /** It is over: logged where it had begun. */
  end(kind: AgentFaultKind): void;
}

export interface ReporterOptions {
  readonly log: AgentLog;
  readonly now: () => number;
  readonly onFault: (fault: AgentFault, over: boolean) => void;
}

export function createReporter({ log, now, onFault }: ReporterOptions): AgentReporter {
  const faults = new Map<AgentFaultKind, AgentFault>();
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
    drill: null,
    verifyTime: null,
    counts: { deltas: 0, fulls: 0, changes: 0, storedBytes: 0, gaps: 0 },
    errors: new Map(),
  };
  return {
    state,
    faults: () => [...faults.values()],
    begin(kind, text) {
      state.errors.set(kind, (state.errors.get(kind) ?? 0) + 1);
      const before = faults.get(kind);
      const fault = { kind, text, since: before?.since ?? new Date(now()).toISOString() };
      faults.set(kind, fault);
      if (before?.text === text) return;
      log("warn", text, { fault: kind });
      if (before === undefined) onFault(fault, false);
    },
    end(kind) {
      const fault = faults.get(kind);
      if (fault === undefined) return;
      faults.delete(kind);
      log("info", `over: ${fault.text}`, { fault: kind, since: fault.since });
      onFault(fault, true);
    },
  };
}
