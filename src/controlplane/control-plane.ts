/** What a recovery needs to know of a control plane. Every source of objects, a backup file or a live server, ends in these types. */
import type { Finding } from "../errors/errors.ts";
import type { ComponentName } from "../kube/component.ts";
import type { LastSign } from "../kube/last-sign.ts";
import type { JsonObject } from "../kube/object.ts";

/** What is known of a control plane whatever its flavour. */
export interface ControlPlaneFacts {
  readonly flavour: string;
  /** Everything that runs as a part of it, sorted. */
  readonly components: readonly RunningComponent[];
  /**
   * Nodes whose kubelets start a part of it from manifests, with these pods: all of it, or etcd alone beside a
   * self-hosted control plane, where nothing comes back without etcd's manifest. Sorted by name.
   */
  readonly nodes: readonly StaticPodNode[];
  /** Where etcd runs on the cluster whose state it holds, by etcd-operator. */
  readonly etcd: SelfHostedEtcd | undefined;
  /** Who starts it from its assets: the kubelets, from manifests that are copied to their nodes, or `kubemend start`. */
  readonly startedBy: "kubelets" | "start";
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

/** What runs and where it is defined. */
export interface RunningComponent {
  /** Null for what runs beside the control plane, such as a load balancer. */
  readonly component: ComponentName | null;
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly name: string;
  /** Of a pod of one node. */
  readonly node?: string;
  readonly image: string | null | undefined;
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
  /** as far as its place shows, such as `Secret`. */
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly state: "encrypted" | "unreadable";
  readonly text: string;
}
