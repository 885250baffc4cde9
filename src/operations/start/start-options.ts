/** What a start is asked for, and what it has once it is prepared. */
import type { RequiredPod } from "../../bootstrap/pivot.ts";
import type { BootstrapManifest, StartPlan } from "../../bootstrap/start-plan.ts";
import type { ApiManners } from "../../io/api-server/api-manners.ts";
import type { ClusterApi } from "../../io/api-server/cluster-api.ts";
import type { BootstrapPlaces } from "../../io/files/bootstrap-files.ts";
import type { LocalKubelet } from "../../io/node/local-node.ts";
import type { EtcdReturn } from "./bring-etcd-back.ts";
import type { StartMachine } from "./machine.ts";

export interface StartOptions {
  readonly machine: StartMachine;
  readonly assetDir: string;
  readonly podManifestPath: string;
  /** `/etc/kubernetes/bootstrap-secrets`, where the assets' pods look for them. */
  readonly secretsDir: string;
  /** Undefined: the components that the assets bring up, and the checkpointer if it is among the manifests. */
  readonly requiredPods: readonly RequiredPod[] | undefined;
  readonly strict: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly report: (text: string) => void;
  /** The environment, for proxies. */
  readonly variables?: Readonly<Record<string, string | undefined>>;
  readonly manners?: ApiManners;
}

/** What a start works with, once everything was checked that can be checked without touching anything. */
export interface Start {
  readonly options: StartOptions;
  readonly plan: StartPlan;
  /** The temporary pods that are needed: not the API server's where one answers already. */
  readonly pods: readonly BootstrapManifest[];
  readonly places: BootstrapPlaces;
  readonly api: ClusterApi;
  readonly kubelet: LocalKubelet;
  readonly node: string;
  /** Where etcd is to come back, too. */
  readonly etcd: EtcdReturn | undefined;
  readonly required: readonly RequiredPod[];
  readonly deadline: number;
  /** Ends the watches. */
  readonly ended: AbortController;
}
