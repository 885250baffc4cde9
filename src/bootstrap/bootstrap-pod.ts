/** The bootstrap pod of a self-hosted component: its pod template, made fit for a kubelet that has no API server yet. */
import type { Workload } from "../controlplane/control-plane.ts";
import type { SelfHostedControlPlane } from "../controlplane/flavours/self-hosted.ts";
import type { Finding } from "../errors/errors.ts";
import { dataKey } from "../kube/data-object.ts";
import type { JsonObject } from "../kube/object.ts";
import { RUNTIME_ANNOTATIONS } from "../kube/pod-template.ts";
import type { AssetSet } from "./asset.ts";
import { dialBootEtcd } from "./dial-boot-etcd.ts";
import { dropScheduling } from "./drop-scheduling.ts";
import { endQuickly } from "./end-quickly.ts";
import type { BootEtcd, FixUp, FixUpContext } from "./fix-up.ts";
import { giveKubeconfig } from "./give-kubeconfig.ts";
import { makeEnvironmentLiteral } from "./literal-environment.ts";
import { runAsRoot } from "./run-as-root.ts";
import { useHostNetwork } from "./use-host-network.ts";
import { turnVolumesIntoFiles } from "./volumes-as-files.ts";

const FIX_UPS: readonly FixUp[] = [
  dropScheduling,
  useHostNetwork,
  runAsRoot,
  endQuickly,
  makeEnvironmentLiteral,
  turnVolumesIntoFiles,
  dialBootEtcd,
  giveKubeconfig,
];

export interface BootstrapPod {
  readonly name: string;
  readonly manifest: JsonObject;
}

/** Adds the files that the pod needs to `assets`, and what a person should know to `findings`. */
export function bootstrapPod(
  workload: Workload,
  plane: SelfHostedControlPlane,
  bootEtcd: BootEtcd | undefined,
  assets: AssetSet,
  findings: Finding[],
): BootstrapPod {
  const isOnly = plane.workloads.filter((each) => each.component === workload.component).length === 1;
  const name = `bootstrap-${isOnly ? workload.component : workload.name}`;
  const context: FixUpContext = {
    component: workload.component,
    podName: name,
    bootEtcd,
    assets,
    data: (kind, object) => plane.data.get(dataKey(kind, workload.namespace, object)),
    note: (code, text, level = "warning") => findings.push({ level, code, where: name, text }),
  };
  const spec = FIX_UPS.reduce((fixed, fixUp) => fixUp(fixed, context), workload.podSpec);
  // No label comes along: with its labels the DaemonSet would take the pod for its own.
  const annotations = Object.entries(workload.annotations).filter(([key]) => RUNTIME_ANNOTATIONS.test(key));
  const metadata = {
    name,
    namespace: workload.namespace,
    ...(annotations.length === 0 ? {} : { annotations: Object.fromEntries(annotations) }),
  };
  return { name, manifest: { apiVersion: "v1", kind: "Pod", metadata, spec } };
}
