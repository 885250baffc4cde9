/** What the checkpointer is given, and what it reports. */
import type { AgentPlace } from "../../checkpoint/checkpoint.ts";
import type { Places } from "../../checkpoint/data-directory.ts";
import type { Patience, State } from "../../checkpoint/state.ts";
import type { Finding } from "../../errors/errors.ts";
import type { AgentApi } from "../../io/agent/agent-api.ts";
import type { FileSystem } from "../../io/files/durable/file-system.ts";
import type { AgentMachine } from "./machine.ts";

export type AgentLog = (
  level: "debug" | "info" | "warn" | "error",
  text: string,
  fields: Readonly<Record<string, string | number>>,
) => void;

export interface CheckpointerOptions {
  readonly place: AgentPlace;
  readonly places: Places;
  readonly kubeconfig: string;
  readonly context?: string | undefined;
  /** In place of the API server that the kubeconfig names. */
  readonly openApi?: (() => Promise<AgentApi>) | undefined;
  /** This node's own address. */
  readonly hostIp: string;
  readonly lockFile: string;
  readonly machine: AgentMachine;
  readonly patience: Patience;
  /** How many copies of each are kept. */
  readonly generations: number;
  /** How long a parent must have run healthy before its copy replaces the last good one. */
  readonly healthyAfterMs: number;
  /** How long a copy counts as up to date: secrets can only be asked for, not watched, with the role that the original has. */
  readonly refreshMs: number;
  /** `HOST:PORT` of the loopback; undefined for none. */
  readonly metricsAddress: string | undefined;
  /** How static pods' own manifests are looked after; undefined for not at all. */
  readonly protect?:
    | { readonly mends: boolean; readonly goneAfterMs: number; readonly keyFile: string | undefined }
    | undefined;
  /** What runs in the same process, while this is the only agent of the node; ends with the signal that it gets. */
  readonly beside?: ((signal: AbortSignal) => Promise<void>) | undefined;
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds that only go forward. */
  readonly clock: () => number;
  readonly log: AgentLog;
  readonly fileSystem?: FileSystem;
}

/** `checkpoint status -o json`. */
export interface AgentReport {
  readonly node: string;
  readonly namespace: string;
  /** RFC 3339. */
  readonly at: string;
  readonly agent: {
    readonly answers: boolean;
    readonly looks: number;
    /** What it does for static pods' own manifests: `mend` puts lost ones back, `notice` reports them; null for nothing. */
    readonly protects: "mend" | "notice" | null;
  };
  /** Why no API server can be asked; null while one can. */
  readonly apiServer: string | null;
  readonly runtime: string | null;
  readonly checkpoints: readonly CheckpointReport[];
  readonly findings: readonly Finding[];
}

export interface CheckpointReport {
  readonly id: string;
  /** The name of the parent that was copied last. */
  readonly pod: string;
  readonly state: State["kind"];
  readonly since: string | null;
  readonly cause: string;
  /** The generation that runs. */
  readonly runs: number | null;
  readonly generations: readonly { readonly number: number; readonly saved: string; readonly proven: boolean }[];
  /** Directories of secrets and config maps that the newest one mounts. */
  readonly files: readonly string[];
}
