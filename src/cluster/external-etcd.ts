/** An etcd that no static pod runs, as the backup of it knows itself: its members, and how the API servers reach it. */
import type { StaticPodControlPlane } from "../controlplane/flavours/static-pods.ts";
import { containerIndexOf } from "../kube/component.ts";
import { flagValue } from "../kube/container-flags.ts";
import { objectOf, objectsOf, textOf } from "../kube/fields.ts";
import type { Member } from "../mvcc/store-info.ts";
import type { ExternalEtcd, PlannedMember } from "./restore-plan.ts";

/** Where packages of etcd keep its data; the unit may say otherwise. */
const DATA_DIR = "/var/lib/etcd";

/** The voters that the snapshot holds. A member that never started has no name, and is none. */
export function externalMembers(members: readonly Member[]): PlannedMember[] {
  return members.flatMap(({ name, peerURLs, clientURLs, isLearner }) => {
    const [peerUrl] = peerURLs;
    const host = peerUrl === undefined ? undefined : URL.parse(peerUrl)?.hostname.replace(/^\[|\]$/g, "");
    if (isLearner || name === "" || peerUrl === undefined || host === undefined) return [];
    return [{ node: name, name, peerUrl, dataDir: DATA_DIR, address: host, clientUrls: clientURLs }];
  });
}

export function externalAccess({ nodes }: StaticPodControlPlane): ExternalEtcd {
  const pod = nodes.flatMap(({ pods }) => pods).find(({ component }) => component === "kube-apiserver");
  const spec = objectOf(pod?.mirrorPod.spec);
  const container = objectsOf(spec.containers)[containerIndexOf("kube-apiserver", spec)] ?? {};
  const [cacert, cert, key] = ["etcd-cafile", "etcd-certfile", "etcd-keyfile"].map((name) =>
    flagValue(container, name),
  );
  const controlPlane = nodes.map(({ name, pods }) => {
    const [address = ""] = pods.map(({ mirrorPod }) => textOf(objectOf(mirrorPod.status).hostIP)).filter(Boolean);
    return { node: name, address: address || name };
  });
  return { controlPlane, cacert, cert, key };
}
