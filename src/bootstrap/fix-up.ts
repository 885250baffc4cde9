/**
 * A fix-up turns the pod template of a permanent component into something that a kubelet can run with no API server there. One file each,
 * applied in the order of `bootstrap-pod.ts`.
 */

import type { Finding } from "../errors/errors.ts";
import type { FindingCode } from "../errors/finding-codes.ts";
import type { ComponentName } from "../kube/component.ts";
import type { DataKind, DataObject } from "../kube/data-object.ts";
import type { JsonObject } from "../kube/object.ts";
import type { AssetSet } from "./asset.ts";

/** Where `start` puts the asset dir's `tls/` and its kubeconfig on the node (bootkube's pkg/asset). */
export const BOOTSTRAP_SECRETS_DIR = "/etc/kubernetes/bootstrap-secrets";

export type FixUp = (podSpec: JsonObject, context: FixUpContext) => JsonObject;

export interface FixUpContext {
  readonly component: ComponentName;
  /** Of the bootstrap pod, such as `bootstrap-kube-apiserver`. */
  readonly podName: string;
  /** Undefined where it is missing or need not be there. */
  data(kind: DataKind, name: string): DataObject | undefined;
  /** Files that the pod needs. */
  readonly assets: AssetSet;
  /** What a person should know of the pod that came out. */
  note(code: FindingCode, text: string, level?: Finding["level"]): void;
  readonly bootEtcd: BootEtcd | undefined;
}

/** The boot member, as the API server reaches it from the same node. */
export interface BootEtcd {
  readonly url: string;
  readonly isTls: boolean;
}
