/**
 * What the simulated etcd holds, and which API servers serve it. etcd has a member on each node; an API server serves
 * where its container runs and a majority of the members is reached. A write that was acknowledged stays.
 */
import { PARENT_ANNOTATION } from "../../../src/checkpoint/checkpoint.ts";
import type { KubeObject } from "../../../src/kube/object.ts";
import { secret } from "../../cluster-objects.ts";
import type { SimulatedNode } from "./node.ts";
import { EPOCH, virtualNow } from "./virtual-time.ts";

export const NAMESPACE = "kube-system";
export const CHECKPOINT_ID = `${NAMESPACE}/DaemonSet/kube-apiserver`;

export interface Template {
  readonly version: number;
  /** Whether a container of it runs. */
  readonly isSound: boolean;
}

interface StoredPod {
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  readonly template: Template;
  readonly created: number;
  /** As the kubelet has last reported. */
  isReady: boolean;
  restarts: number;
}

export class ClusterState {
  readonly nodes: SimulatedNode[] = [];
  /** Undefined once the DaemonSet was removed. */
  template: Template | undefined = { version: 1, isSound: true };
  secretVersion = 1;
  readonly pods = new Map<string, StoredPod>();
  /** Counts up with each change. */
  revision = 1;
  #names = 0;

  hasQuorum(from: SimulatedNode): boolean {
    if (!from.isUp || from.isCut) return false;
    return this.nodes.filter((node) => node.isUp && !node.isCut && node.hasEtcd).length * 2 > this.nodes.length;
  }

  serving(): SimulatedNode[] {
    return this.nodes.filter((node) => node.runsApiServer() && this.hasQuorum(node));
  }

  /** The API server that somebody on the node is led to: its own where that serves. */
  reachedFrom(node: SimulatedNode): SimulatedNode | undefined {
    if (!node.isUp) return undefined;
    const serving = this.serving();
    if (serving.includes(node)) return node;
    return node.isCut ? undefined : serving[0];
  }

  podOf(node: string): StoredPod | undefined {
    return [...this.pods.values()].find((pod) => pod.node === node);
  }

  /** The DaemonSet's controller: it works while any API server serves. */
  control(): void {
    if (this.serving().length === 0) return;
    const { template } = this;
    for (const pod of this.pods.values()) if (template === undefined) this.remove(pod.uid);
    if (template === undefined) return;
    for (const { name } of this.nodes) if (this.podOf(name) === undefined) this.#create(name, template);
    // A rolling update: one at a time, and the next only when all are ready.
    const old = [...this.pods.values()].filter((pod) => pod.template.version !== template.version);
    const isRolling = [...this.pods.values()].some((pod) => !pod.isReady && pod.template.version === template.version);
    const stuck = old.find((pod) => !pod.isReady);
    const next = stuck ?? (isRolling ? undefined : old[0]);
    if (next !== undefined) this.remove(next.uid);
  }

  /** The control plane that `start` leaves behind: each node has a pod of the DaemonSet. */
  begin(): void {
    if (this.template !== undefined) for (const { name } of this.nodes) this.#create(name, this.template);
  }

  #create(node: string, template: Template): void {
    const name = `kube-apiserver-${(this.#names++).toString(36).padStart(5, "a")}`;
    const uid = `uid-${name}`;
    this.pods.set(uid, { name, uid, node, template, created: virtualNow(), isReady: false, restarts: 0 });
    this.revision++;
  }

  remove(uid: string): void {
    this.pods.delete(uid);
    this.revision++;
  }

  report(uid: string, isReady: boolean, restarts: number): void {
    const pod = this.pods.get(uid);
    if (pod === undefined || (pod.isReady === isReady && pod.restarts === restarts)) return;
    [pod.isReady, pod.restarts] = [isReady, restarts];
    this.revision++;
  }

  objectsOn(node: string): KubeObject[] {
    return [...this.pods.values()].filter((pod) => pod.node === node).map(podObject);
  }

  secret(): KubeObject {
    return secret(`${NAMESPACE}/api-keys`, { "ca.key": `secret ${this.secretVersion}` });
  }
}

function podObject(pod: StoredPod): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      namespace: NAMESPACE,
      name: pod.name,
      uid: pod.uid,
      creationTimestamp: new Date(EPOCH + pod.created).toISOString(),
      annotations: { [PARENT_ANNOTATION]: "true" },
      labels: { "k8s-app": "kube-apiserver" },
      ownerReferences: [
        { apiVersion: "apps/v1", kind: "DaemonSet", name: "kube-apiserver", uid: "ds", controller: true },
      ],
    },
    spec: {
      nodeName: pod.node,
      hostNetwork: true,
      containers: [
        {
          name: "kube-apiserver",
          image: `kube-apiserver:v${pod.template.version}${pod.template.isSound ? "" : "-broken"}`,
          command: ["kube-apiserver"],
          volumeMounts: [{ name: "keys", mountPath: "/keys" }],
        },
      ],
      volumes: [{ name: "keys", secret: { secretName: "api-keys" } }],
    },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: pod.isReady ? "True" : "False" }],
      containerStatuses: [
        {
          name: "kube-apiserver",
          ready: pod.isReady,
          restartCount: pod.restarts,
          state: pod.isReady ? { running: {} } : { waiting: { reason: "CrashLoopBackOff" } },
        },
      ],
    },
  } as unknown as KubeObject;
}
