/**
 * What `-o json` prints, by command. docs/json-output.md is written from these types and from the comments of their
 * fields (`test/json-types.ts`); a field that is removed, renamed or given another type breaks scripts.
 */

import type { ReplacePlan } from "../cluster/replace-plan.ts";
import type { PlanCheck, RestorePlan } from "../cluster/restore-plan.ts";
import type { SalvageOfNodes } from "../cluster/salvage-plan.ts";
import type { ClusterHealth } from "../diagnosis/etcd-health.ts";
import type { DrillResult } from "../operations/backup/drill.ts";
import type { Imported } from "../operations/backup/import.ts";
import type { InitResult } from "../operations/backup/init.ts";
import type { BackupList } from "../operations/backup/list.ts";
import type { PruneResult } from "../operations/backup/prune.ts";
import type { BackupMoment, SavedMoment } from "../operations/backup/restore.ts";
import type { RestoredNodeFiles } from "../operations/backup/restore-node-files.ts";
import type { RotateResult } from "../operations/backup/rotate.ts";
import type { RepositoryStatus } from "../operations/backup/status.ts";
import type { BackupVerification } from "../operations/backup/verify.ts";
import type { IssueResult } from "../operations/certificate/issue-options.ts";
import type { CertificateList } from "../operations/certificate/list-certificates.ts";
import type { RenewedAll } from "../operations/certificate/renew-all.ts";
import type { Renewed } from "../operations/certificate/renew-certificates.ts";
import type { AgentReport } from "../operations/checkpoint/checkpointer-options.ts";
import type { CleanResult, PreparedClean } from "../operations/clean/clean.ts";
import type { PreparedUndo, UndoResult } from "../operations/clean/undo-clean.ts";
import type { BundleApplied } from "../operations/cluster/apply-bundle.ts";
import type { ClusterBundles } from "../operations/cluster/bundle-cluster.ts";
import type { Replaced } from "../operations/cluster/replace-node.ts";
import type { ClusterRestored } from "../operations/cluster/restore-cluster.ts";
import type { ClusterSalvaged } from "../operations/cluster/salvage-cluster.ts";
import type { DiagnoseResult } from "../operations/diagnose/diagnose.ts";
import type { DryRun } from "../operations/drain/cordon-nodes.ts";
import type { NodeOutcome } from "../operations/drain/drain-nodes.ts";
import type { MovedLeadership } from "../operations/etcd/change-members.ts";
import type { RestoredComparison } from "../operations/etcd/compare-restored.ts";
import type { Defragmented } from "../operations/etcd/maintain.ts";
import type { SalvageResult } from "../operations/etcd/salvage.ts";
import type { NodesStatus } from "../operations/node-status/node-status.ts";
import type { RestoreOutcome } from "../operations/objects/restore.ts";
import type { Rebalance } from "../operations/rebalance/rebalance-nodes.ts";
import type { RescueOutcome } from "../operations/rescue/rescue.ts";
import type { Serving } from "../operations/serve/serve.ts";
import type { RestoreResult } from "../operations/snapshot/restore.ts";
import type { SaveResult } from "../operations/snapshot/save.ts";
import type { StartPreview, StartResult } from "../operations/start/start.ts";
import type { FullHead } from "../repository/head.ts";

/** A member of etcd, after a change of members. */
interface ChangedMemberJson {
  /** In hexadecimal. */
  readonly clusterId: string;
  /** In hexadecimal: the member that the command is about. */
  readonly memberId: string;
  /** All members, after the change. */
  readonly members: readonly MemberJson[];
}

interface MemberJson {
  /** In hexadecimal. */
  readonly id: string;
  /** Empty for a member that was never started. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  /** Whether it does not vote yet. */
  readonly isLearner: boolean;
}

interface AlarmsJson {
  readonly alarms: readonly {
    /** In hexadecimal. */
    readonly memberId: string;
    /** `NOSPACE` or `CORRUPT`. */
    readonly alarm: string;
  }[];
}

interface PodJson {
  readonly namespace: string;
  readonly name: string;
  /** Containers that are ready. */
  readonly ready: number;
  readonly total: number;
  /** As `kubectl get pods` shows it. */
  readonly status: string;
  readonly restarts: number;
  readonly node: string | null;
  /** What became of the pod since the rescue began; null for nothing. */
  readonly change: string | null;
  /** Whether it runs and is ready, or has completed. */
  readonly isWell: boolean;
}

interface ObjectJson {
  /** Such as `deployments.apps`. */
  readonly resource: string;
  readonly namespace: string | null;
  readonly name: string;
}

interface RestoredItemJson extends ObjectJson {
  /** What is done with the object. */
  readonly action: string;
  readonly kind: string;
  /** Why; left out where there is nothing to say. */
  readonly reason?: string;
  /** What to know about it. */
  readonly notes: readonly string[];
  /** The paths of the fields that change. */
  readonly fields: readonly string[];
  /** What became of it; left out before it is done. */
  readonly state?: string;
  /** Why the cluster refused it. */
  readonly refusal?: string;
  /** Whether the object that was read back is the one that was wanted. */
  readonly readBack?: string;
  /** The paths of the fields in which it is not. */
  readonly differsIn?: readonly string[];
}

/** One property a command, with the words that are typed. */
export interface JsonOutputs {
  "snapshot save": SaveResult;
  "backup init": InitResult;
  "backup rotate": RotateResult;
  "backup now": FullHead;
  "backup list": BackupList;
  "backup status": readonly RepositoryStatus[];
  "backup verify": BackupVerification;
  "backup prune": PruneResult;
  "backup restore --data-dir": RestoreResult & { readonly moment: BackupMoment };
  "backup restore --output-file": SavedMoment;
  "backup restore --files-dir": RestoredNodeFiles;
  "backup drill": DrillResult;
  "backup import": readonly Imported[];
  "objects restore": {
    /** One an object, in the order in which they are given back. */
    readonly items: readonly RestoredItemJson[];
    /** Objects of the backup that are not given back. */
    readonly leftOut: RestoreOutcome["leftOut"];
    /** What `objects undo` takes; null where nothing was written. */
    readonly undoFile: string | null;
    /** False for a plan. */
    readonly done: boolean;
  };
  "objects undo": {
    readonly items: readonly (ObjectJson & {
      readonly action: string;
      readonly reason: string;
      /** What became of it; null before it is done. */
      readonly state: string | null;
    })[];
    /** False for a plan. */
    readonly done: boolean;
  };
  /** Printed when it listens. */
  serve: Omit<Serving, "findings" | "close">;
  "etcd health": ClusterHealth;
  "etcd health --restored-from": RestoredComparison;
  "etcd member add": ChangedMemberJson & {
    /** Variables that the new member starts with, such as ETCD_INITIAL_CLUSTER. */
    readonly environment: Readonly<Record<string, string>>;
  };
  "etcd member remove, update, promote": ChangedMemberJson;
  "etcd move-leader": MovedLeadership;
  "etcd defrag": { readonly members: readonly Defragmented[] };
  "etcd compact": {
    /** Revisions below this one are compacted. */
    readonly compactRevision: number;
  };
  "etcd alarm list, disarm": AlarmsJson;
  "etcd salvage": SalvageResult;
  diagnose: DiagnoseResult;
  "cluster restore": ClusterRestored;
  "cluster restore --plan": { readonly plan: RestorePlan; readonly check: PlanCheck };
  "cluster bundle": ClusterBundles;
  "cluster apply": BundleApplied;
  "cluster salvage": ClusterSalvaged;
  "cluster salvage --plan": SalvageOfNodes;
  "cluster replace-node": Replaced;
  "cluster replace-node --plan": ReplacePlan;
  "cluster undo": {
    /** The operation that was undone. */
    readonly operation: string;
    /** The nodes whose files are as before. */
    readonly nodes: readonly string[];
    /** Whether clients may have seen revisions that what is back has not reached: kubelets and operators have to be restarted. */
    readonly wasServed: boolean;
  };
  start: Omit<StartResult, "etcd"> & {
    /** How long it took. */
    readonly seconds: number;
    /** Where etcd was brought back, it is from now on here; null where it was not. */
    readonly etcd: StartResult["etcd"] | null;
  };
  "start --dry-run": Omit<StartPreview, "etcd"> & {
    /** The etcd that is brought back, and stays; null for none. */
    readonly etcd: StartPreview["etcd"] | null;
  };
  rescue: {
    /** One a component that was asked for. */
    readonly components: readonly RescueOutcome[];
    /** All pods of the cluster, after the rescue. */
    readonly pods: readonly PodJson[];
  };
  "node cordon, uncordon (one a line)": {
    readonly node: string;
    /** Whether it is cordoned now. */
    readonly cordoned: boolean;
    /** False where it was so before. */
    readonly changed: boolean;
    readonly dryRun: DryRun;
  };
  "node drain": { readonly dryRun: DryRun; readonly nodes: readonly NodeOutcome[] };
  "node status": NodesStatus;
  "node evict": {
    readonly node: string;
    /** False for a dry run, and where it was declined. */
    readonly done: boolean;
    /** Whether pods are freed without the node's confirmation. */
    readonly force: boolean;
    readonly by: string;
    /** Pods that are deleted, as `NAMESPACE/NAME`, as in all lists here. */
    readonly remove: readonly string[];
    /** Pods without a controller. */
    readonly unreplicated: readonly string[];
    /** Pods that were asked to end before. */
    readonly terminating: readonly string[];
    /** Pods of DaemonSets, of the machine's files, and finished ones. */
    readonly stay: readonly string[];
    /** Pods of which two may not run: they wait until the node answers or is out of service. */
    readonly waitForProof: readonly string[];
  };
  "node rebalance": Pick<Rebalance, "before" | "after" | "skipped"> & {
    readonly dryRun: boolean;
    readonly moves: readonly {
      /** As `NAMESPACE/NAME`. */
      readonly pod: string;
      readonly from: string;
      readonly to: string;
      /** Why this pod. */
      readonly because: string;
    }[];
  };
  "node clean": CleanResult;
  "node clean --dry-run": PreparedClean["plan"];
  "node clean --undo": UndoResult;
  "node clean --undo --dry-run": Omit<PreparedUndo, "run">;
  "checkpoint status": AgentReport;
  "certificate list": CertificateList;
  "certificate renew": { readonly renewed: readonly Renewed[] };
  "certificate renew all": RenewedAll;
  "certificate issue": IssueResult;
}

/** A result as `-o json` prints it: one line. */
export function jsonLine<C extends keyof JsonOutputs>(_command: C, result: JsonOutputs[C]): string {
  return `${JSON.stringify(result)}\n`;
}
