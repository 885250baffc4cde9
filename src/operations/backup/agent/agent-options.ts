/** What the backup agent runs with. */
import type { EtcdFlags } from "../../../io/etcd/etcd-connection.ts";
import type { WebhookFormat } from "./webhook-format.ts";

type LogLevel = "debug" | "info" | "warn" | "error";
export type AgentLog = (level: LogLevel, text: string, fields?: Readonly<Record<string, unknown>>) => void;

export interface AgentOptions {
  /** The address of the repository. */
  readonly repository: string;
  readonly signingKeyFile: string;
  /** The node's or the host's name. */
  readonly writer: string;
  readonly etcd: EtcdFlags;
  /** How often changes are stored, in milliseconds; so much is lost at most. */
  readonly intervalMs: number;
  /** Changes of so many bytes are stored at once. */
  readonly flushBytes: number;
  /** A delta without changes says that nothing happened. */
  readonly heartbeatMs: number;
  readonly fullEveryMs: number;
  /** How often etcd's HashKV is asked for. */
  readonly hashEveryMs: number;
  /** How long another writer may be silent while etcd continues, and while it does not. */
  readonly patience: { readonly busy: number; readonly idle: number };
  readonly spoolDirectory: string;
  /** Bytes that may wait there. */
  readonly spoolLimit: number;
  /** The node's files to keep, as paths; directories with all they hold. */
  readonly nodeFiles: readonly string[];
  /** `HOST:PORT` of the loopback; undefined for none. */
  readonly metricsAddress: string | undefined;
  /** Gets a POST of JSON when a fault begins and ends. */
  readonly webhook: { readonly url: string; readonly format: WebhookFormat } | undefined;
  /** The kubeconfig with which faults are written as Events of the node; undefined for none. */
  readonly eventsKubeconfig: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds that never go back. */
  readonly clock: () => number;
  readonly log: AgentLog;
}
