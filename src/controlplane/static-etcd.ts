/** The etcd members that static pods run, by their own flags: what restoring their data takes. */
import { containerIndexOf } from "../kube/component.ts";
import { flagValue } from "../kube/container-flags.ts";
import { objectOf, objectsOf } from "../kube/fields.ts";
import type { ControlPlaneFacts } from "./control-plane.ts";
import { hostFilesOf } from "./host-files.ts";

export interface StaticEtcdMember {
  readonly node: string;
  readonly name: string;
  readonly peerUrl: string;
  /** On the host. */
  readonly dataDir: string;
}

/** Sorted by node. A member whose flags do not say all of it is left out: its restore is for a person to plan. */
export function staticEtcdMembers({ nodes }: Pick<ControlPlaneFacts, "nodes">): StaticEtcdMember[] {
  const members: StaticEtcdMember[] = [];
  for (const node of nodes) {
    for (const pod of node.pods) {
      if (pod.component !== "etcd") continue;
      const spec = objectOf(pod.mirrorPod.spec);
      const container = objectsOf(spec.containers)[containerIndexOf("etcd", spec)];
      if (container === undefined) continue;
      const name = flagValue(container, "name");
      const peerUrl = flagValue(container, "initial-advertise-peer-urls");
      const dataDir = hostFilesOf([pod]).find((file) => file.role === "data")?.path;
      if (name === undefined || peerUrl === undefined || dataDir === undefined) continue;
      members.push({ node: node.name, name, peerUrl, dataDir });
    }
  }
  return members;
}
