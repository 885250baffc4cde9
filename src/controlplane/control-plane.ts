/** What a recovery needs to know of a control plane. Every source of objects, a backup file or a live server, ends in these types. */
import type { Finding } from "../errors/errors.ts";
import type { ComponentName } from "../kube/component.ts";
import type { DataObject } from "../kube/data-object.ts";
import type { LastSign } from "../kube/last-sign.ts";
import type { JsonObject } from "../kube/object.ts";

export type ControlPlane = SelfHostedControlPlane | StaticPodControlPlane;

/** What is known of a control plane whatever its flavour. */
interface ControlPlaneFacts {
  /** Versions in the image tags of the components, such as `v1.20.2`, without repeats; more than one during an upgrade. */
  readonly versions: readonly string[];
  /** Names of the nodes that carry the control plane, sorted. */
  readonly controlPlaneNodes: readonly string[];
  /** How many nodes the cluster has. */
  readonly nodeCount: number;
  /** The latest moment that the objects themselves speak of: how old the source is. */
  readonly lastSign: LastSign | undefined;
  /**
   * Everything that the control plane refers to and that the source does not hold, sorted. Nobody should render while
   * this is not empty, unless told to.
   */
  readonly missing: readonly Missing[];
  readonly findings: readonly Finding[];
}

/** The control plane runs on the cluster itself, as bootkube makes it. */
export interface SelfHostedControlPlane extends ControlPlaneFacts {
  readonly flavour: "self-hosted" | "self-hosted-etcd";
  /** Where the components live: `kube-system` nearly always. */
  readonly namespace: string;
  /** Sorted by component, then by name. */
  readonly workloads: readonly Workload[];
  /** The secrets and config maps that the components and etcd refer to, by {@link dataKey}. */
  readonly data: ReadonlyMap<string, DataObject>;
  /** Present in the flavour `self-hosted-etcd` only. */
  readonly etcd: SelfHostedEtcd | undefined;
  /**
   * Nodes that run etcd as a static pod beside it, with that pod alone: without its manifest nothing comes back. Empty
   * where etcd is self-hosted or elsewhere.
   */
  readonly etcdNodes: readonly StaticPodNode[];
}

/** A DaemonSet or Deployment (of any API version) that runs a component. */
export interface Workload {
  readonly component: ComponentName;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Of the pod template. */
  readonly annotations: { readonly [name: string]: string };
  readonly podSpec: JsonObject;
}

/** An etcd that etcd-operator runs on the cluster whose state it holds. */
export interface SelfHostedEtcd {
  /** The EtcdCluster object. */
  readonly name: string;
  readonly namespace: string;
  readonly apiVersion: string;
  readonly spec: JsonObject;
  /** The image of its members, from a member pod or else from the EtcdCluster's version. */
  readonly image: string;
  /** The address that the boot member is reached at, which is not any Service's. */
  readonly bootServiceIp: string;
  /** What the API server dials. */
  readonly servers: readonly string[];
  /** The labels and the port that the service behind {@link servers} finds members by, as an etcd elsewhere must have them to be found. */
  readonly memberLabels: { readonly [name: string]: string };
  readonly memberPort: number;
  /** Names of its members' pods. */
  readonly memberPods: readonly string[];
  /** Undefined when its members speak plain HTTP. */
  readonly tls: SelfHostedEtcdTls | undefined;
}

/** Names of the secrets. */
export interface SelfHostedEtcdTls {
  readonly peerSecret: string;
  readonly serverSecret: string;
  readonly clientSecret: string;
}

/** The control plane runs as static pods that the kubelet reads from files, as kubeadm makes it. etcd holds only their mirror pods. */
export interface StaticPodControlPlane extends ControlPlaneFacts {
  readonly flavour: "static-pods";
  /** Sorted by name. */
  readonly nodes: readonly StaticPodNode[];
  /** The ClusterConfiguration that kubeadm keeps in a config map, as YAML. */
  readonly kubeadmConfiguration: string | undefined;
}

export interface StaticPodNode {
  readonly name: string;
  /** Sorted by name. */
  readonly pods: readonly StaticPod[];
}

export interface StaticPod {
  /** As in its manifest: without the node's name at the end. */
  readonly name: string;
  /** Undefined for what runs beside the control plane, such as a load balancer. */
  readonly component: ComponentName | undefined;
  /** The mirror pod as the API server holds it. */
  readonly mirrorPod: JsonObject;
}

/** Something referred to and not there. */
export interface Missing {
  /** `Secret`, `ConfigMap`, `EtcdCluster`, or `component`. */
  readonly kind: string;
  /** Empty for a component that was not found anywhere. */
  readonly namespace: string;
  readonly name: string;
  /** The key within the secret or config map, when the object is there and the key is not. */
  readonly key: string | undefined;
  /** What refers to it, such as `kube-apiserver volume "secrets"`; several joined by ", ". */
  readonly neededBy: string;
  readonly reason: "absent" | "encrypted" | "unreadable";
  /** A sentence that names the missing thing: for people. */
  readonly text: string;
}

/** An object that is in the source and could not be read. */
export interface SealedObject {
  /** As far as its place tells, such as `Secret`. */
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly state: "encrypted" | "unreadable";
  readonly text: string;
}
