/** What happens while nodes are drained, for whoever shows it. */

import type { KubeObject } from "../../kube/object.ts";
import type { BudgetState } from "../../nodes/budget.ts";

export type DrainEvent =
  | { readonly type: "cordoned"; readonly node: string; readonly changed: boolean }
  /** Pods that are left alone, or go all the same, in kubectl's words. */
  | { readonly type: "warning"; readonly text: string }
  | { readonly type: "removing"; readonly pod: KubeObject; readonly evicting: boolean }
  | { readonly type: "removed"; readonly pod: KubeObject; readonly evicting: boolean }
  /** Terminating for longer than `--skip-wait-for-delete-timeout`. */
  | { readonly type: "skipped"; readonly pod: KubeObject; readonly seconds: number }
  | {
      readonly type: "refused";
      readonly pod: KubeObject;
      readonly message: string;
      readonly budgets: readonly BudgetNote[];
    }
  | { readonly type: "held"; readonly pod: KubeObject; readonly text: string }
  /** Something that the user should know, which changes nothing. */
  | { readonly type: "note"; readonly text: string }
  | { readonly type: "waiting-for-replacements"; readonly owners: readonly ReplacementState[] }
  | { readonly type: "progress"; readonly progress: DrainProgress }
  | { readonly type: "drained"; readonly node: string }
  | {
      readonly type: "node-failed";
      readonly node: string;
      readonly errors: readonly string[];
      /** Pods that were to go and are still there. */
      readonly pending: readonly KubeObject[];
    };

export interface BudgetNote extends BudgetState {
  /** Its pods that are not ready, some of them: `web-1 (Pending)`. */
  readonly unready: readonly string[];
}

export interface ReplacementState {
  /** `ReplicaSet default/web-5d4`. */
  readonly owner: string;
  readonly ready: number;
  readonly wanted: number;
}

export interface DrainProgress {
  readonly total: number;
  readonly gone: number;
  readonly terminating: number;
  /** Refused for now. */
  readonly waiting: number;
  /** When the last of the terminating ones has to have ended, in milliseconds since the epoch. */
  readonly latestEnd: number | undefined;
}

export type DrainSink = (event: DrainEvent) => void;
