/**
 * What was observed, as plain values: what `operations/diagnose/diagnose.ts` gathers and the rules judge. Times are
 * milliseconds since the epoch.
 */

import type { ComponentName } from "../kube/component.ts";
import type { Flag } from "../kube/container-flags.ts";
import type { CommandAccess } from "./command-line.ts";
import type { MemberHealth, QuorumHealth } from "./etcd-health.ts";
import type { ServiceManager } from "./service-command.ts";
import type { Area } from "./trouble.ts";

export interface Facts {
  /** This machine's clock. */
  readonly now: number;
  readonly access: CommandAccess;
  /** Undefined where there is no kubeconfig. */
  readonly api: ApiServerFacts | undefined;
  /** Undefined where this machine carries nothing of a control plane, nor a kubelet. */
  readonly local: LocalFacts | undefined;
  /** Undefined where it is not known how to reach etcd. */
  readonly etcd: EtcdFacts | undefined;
  /** Undefined where the API server could not be asked. */
  readonly cluster: ClusterFacts | undefined;
  readonly certificates: readonly CertificateFact[];
  /** What could not be learned, and why. */
  readonly unknown: readonly UnknownArea[];
}

export interface UnknownArea {
  readonly area: Area;
  readonly text: string;
}

export interface ApiServerFacts {
  /** Host and port. */
  readonly server: string;
  /** The kubeconfig. */
  readonly source: string;
  /** Whether it is called by an address of this machine. */
  readonly isLocal: boolean;
  readonly outcome: ApiOutcome;
}

export type ApiOutcome =
  | {
      readonly state: "answers";
      readonly version: string;
      /** Of one read that etcd has to answer; undefined where that was refused to us or failed. */
      readonly readMilliseconds: number | undefined;
      /** The server's clock less this machine's; undefined where it did not send it. */
      readonly skewMilliseconds: number | undefined;
      readonly failedChecks: readonly FailedCheck[];
    }
  /** Nobody listens, the connection breaks, or there is no way there. */
  | { readonly state: "unreachable"; readonly text: string }
  | { readonly state: "silent"; readonly seconds: number }
  | { readonly state: "untrusted" | "denied"; readonly text: string }
  /** It answers that it cannot answer. */
  | {
      readonly state: "failing";
      readonly status: number;
      readonly text: string;
      readonly failedChecks: readonly FailedCheck[];
    };

/** A line `[-]NAME failed: REASON` of `/readyz?verbose`. */
export interface FailedCheck {
  readonly name: string;
  readonly reason: string;
}

export interface LocalFacts {
  readonly nodeName: string;
  readonly kubelet: {
    readonly process: LocalProcess | undefined;
    /** Whether this machine has had one: its directory is there. */
    readonly installed: boolean;
    readonly staticPods: string;
  };
  /** Those that this machine runs, or has run. */
  readonly components: readonly LocalComponent[];
  readonly serviceManager: ServiceManager;
  /** Of its network interfaces, without the loopback. */
  readonly addresses: readonly string[];
  /** Of the files that tell control-plane nodes from others, those that are there. */
  readonly files: readonly string[];
  readonly etcdData: EtcdDataFacts;
  /** Certificates and kubeconfigs of a kubeadm node that are missing, unreadable, or without their key. */
  readonly lostCertificates: readonly string[];
}

/** Where an etcd of this machine has its data: by its manifest or its flags, else where kubeadm puts it. */
export interface EtcdDataFacts {
  readonly path: string;
  /** Whether nothing here says where it is, so that the path is kubeadm's. */
  readonly isGuess: boolean;
  /** `member`: there is a member's data. */
  readonly state: "member" | "empty" | "absent" | "unreadable";
}

export interface LocalProcess {
  readonly pid: number;
  readonly ageMilliseconds: number;
  /** `stopped`: by a signal; `disk`: it waits for the disk and cannot be killed. */
  readonly state: "alive" | "stopped" | "disk";
}

export interface LocalComponent {
  readonly name: ComponentName;
  readonly process: LocalProcess | undefined;
  /** Its flags, from its process, else from its manifest. */
  readonly flags: readonly Flag[];
  readonly manifest: { readonly path: string; readonly fault: string | undefined } | undefined;
  /** A manifest of it that lies where no kubelet looks for it. */
  readonly strayManifest: string | undefined;
  /** A systemd unit that starts it. */
  readonly unit: string | undefined;
  readonly log: ComponentLog | undefined;
  /** The port that it serves on. */
  readonly port: number;
  /** Who listens there, where it is not this component. */
  readonly portTakenBy: { readonly name: string; readonly pid: number | undefined } | undefined;
}

export interface ComponentLog {
  readonly path: string;
  /** Whether the kubelet ran it from a manifest here, or at the API server's word. */
  readonly staticPod: boolean;
  /** How often its container was started again. */
  readonly restarts: number;
  readonly lastLines: readonly string[];
  readonly ageMilliseconds: number;
}

export interface EtcdFacts {
  readonly endpoints: readonly string[];
  /** As etcdctl takes them. */
  readonly flags: readonly string[];
  /** As `recover` takes them. */
  readonly recoverFlags: readonly string[];
  readonly health:
    | (QuorumHealth & { readonly members: readonly MemberHealth[] })
    | {
        readonly error: string;
        /** Whether it takes connections and does not answer. */
        readonly hangs: boolean;
        /** Whether this machine has no certificate to ask it with: then nothing is known of it. */
        readonly lacksCertificate?: boolean;
      };
}

export interface ClusterFacts {
  /** The API server's clock when the facts were gathered. */
  readonly now: number;
  /** Of `major.minor`: NaN where it is not known. */
  readonly minor: number;
  readonly components: readonly ComponentFacts[];
  /** Mirror pods of control-plane components: what the API server remembers of static pods. */
  readonly staticPods: readonly { readonly component: ComponentName; readonly node: string }[];
  readonly nodes: readonly NodeFacts[];
  readonly podCount: number | undefined;
  readonly pendingPods: readonly PendingPod[];
  readonly laggingDeployments: readonly LaggingDeployment[];
  readonly shortReplicaSets: readonly ShortReplicaSet[];
  /** What looked wrong at first, and was taken care of a moment later: whoever does that works, however much is left. */
  readonly caughtUp: CaughtUp;
  readonly webhooks: readonly WebhookFacts[];
  readonly apiServices: readonly ApiServiceFacts[];
  readonly namespaces: readonly StuckNamespace[];
  readonly quotas: readonly QuotaFacts[];
  readonly disruptionBudgets: readonly DisruptionBudgetFacts[];
  /** Kinds of which the API server cannot list the objects, because it cannot read one of them. */
  readonly unreadable: readonly UnreadableFacts[];
}

/** An object in etcd that the API server cannot decrypt or decode, so that it answers no list of its kind. */
export interface UnreadableFacts {
  /** Plural, such as `secrets`. */
  readonly resource: string;
  /** In etcd, such as `/registry/secrets/shop/db`; undefined where the API server does not name it. */
  readonly key: string | undefined;
  /** The API server's own words. */
  readonly message: string;
}

/** The scheduler or the controller manager. */
export interface ComponentFacts {
  readonly name: "kube-scheduler" | "kube-controller-manager";
  /** Undefined where there never was one. */
  readonly lease: LeaseFacts | undefined;
  /** Why it cannot be judged by that lease; undefined where it can. */
  readonly leaseDoubt: string | undefined;
  /** What makes its pods, if anything in the cluster does. */
  readonly workload:
    | { readonly kind: string; readonly namespace: string; readonly name: string; readonly replicas: number }
    | undefined;
  readonly pods: readonly ComponentPod[];
}

export interface LeaseFacts {
  /** `lease kube-system/kube-scheduler`. */
  readonly place: string;
  /** Empty where the last holder gave it up. */
  readonly holder: string;
  readonly renewed: number;
  readonly durationSeconds: number;
  /** Whether it changed while it was watched; undefined where it looked well, so that once was enough. */
  readonly renewedMeanwhile: boolean | undefined;
}

export interface ComponentPod {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly isMirror: boolean;
  /** Whether it stands in for the component's own pods. */
  readonly isRescuePod: boolean;
  /** Such as `CrashLoopBackOff`, `ImagePullBackOff`; with the runtime's message. */
  readonly waiting: string | undefined;
}

export interface NodeFacts {
  readonly name: string;
  readonly address: string;
  readonly isControlPlaneNode: boolean;
  /** Such as `Debian GNU/Linux 12 (bookworm)`. */
  readonly osImage: string;
  /** Of the machine, as its kubelet read it from the firmware or the system; empty where it could not. */
  readonly machine: string;
  readonly ready: "True" | "False" | "Unknown";
  /** When that became so. */
  readonly since: number;
  readonly reason: string;
  readonly message: string;
  /** When it was cordoned, as far as is known; undefined where it is not. */
  readonly cordoned: { readonly since: number | undefined } | undefined;
  /** Asked only of nodes that are not ready. */
  readonly pods: readonly NodePod[] | undefined;
}

export interface NodePod {
  readonly namespace: string;
  readonly name: string;
  readonly deleting: boolean;
  /** When it is evicted; undefined: never, or not before its node is counted as lost. */
  readonly due: number | undefined;
}

export interface PendingPod {
  readonly namespace: string;
  readonly name: string;
  readonly created: number;
  readonly schedulerName: string;
  readonly node: string;
  /** What the scheduler said of it; undefined where it has said nothing. */
  readonly verdict: { readonly reason: string; readonly message: string } | undefined;
}

export interface CaughtUp {
  /** Pods that nobody had placed, by the name of their scheduler. */
  readonly pods: ReadonlyMap<string, number>;
  readonly deployments: number;
  /** Those that are whole, or less short than they were. */
  readonly replicaSets: number;
}

export interface LaggingDeployment {
  readonly namespace: string;
  readonly name: string;
  readonly generation: number;
  readonly observedGeneration: number;
}

export interface ShortReplicaSet {
  readonly namespace: string;
  readonly name: string;
  readonly wanted: number;
  readonly there: number;
  /** The controller's own words, such as of a quota that was exceeded; undefined where it has said nothing. */
  readonly failure: string | undefined;
}

export interface WebhookFacts {
  readonly kind: "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration";
  readonly configuration: string;
  /** In the configuration's list. */
  readonly index: number;
  readonly name: string;
  /** Such as `create pods, update deployments.apps`. */
  readonly intercepts: string;
  readonly service: { readonly namespace: string; readonly name: string };
  readonly fault: "service-missing" | "no-endpoints";
  readonly deployment: ScaledDownDeployment | undefined;
}

/** A Deployment behind a service, scaled to 0. */
export interface ScaledDownDeployment {
  readonly namespace: string;
  readonly name: string;
}

export interface ApiServiceFacts {
  readonly name: string;
  readonly reason: string;
  readonly message: string;
  readonly service: { readonly namespace: string; readonly name: string } | undefined;
  readonly deployment: ScaledDownDeployment | undefined;
}

export interface StuckNamespace {
  readonly name: string;
  readonly since: number;
  /** Messages of the conditions that say why, by type. */
  readonly conditions: readonly { readonly type: string; readonly message: string }[];
  /** Of the namespace itself (`spec.finalizers`), besides `kubernetes`. */
  readonly finalizers: readonly string[];
  /** `metadata.finalizers`, which any object may have. */
  readonly ownFinalizers: readonly string[];
  /** What is left in it, with finalizers of its own. */
  readonly remaining: readonly {
    readonly resource: string;
    readonly name: string;
    readonly finalizers: readonly string[];
  }[];
}

export interface QuotaFacts {
  readonly namespace: string;
  readonly name: string;
  /** Resources that are used up: hard limit and use, as quantities. */
  readonly full: readonly { readonly resource: string; readonly hard: string; readonly used: string }[];
}

export interface DisruptionBudgetFacts {
  readonly namespace: string;
  readonly name: string;
  readonly allowed: number;
  readonly expected: number;
  readonly healthy: number;
  readonly desired: number;
  /** How many replicas more would let one go; undefined where none ever would. */
  readonly replicasToFree: number | undefined;
  /** Whether it lets pods go at once that are not ready (`unhealthyPodEvictionPolicy: AlwaysAllow`). */
  readonly letsUnreadyGo: boolean;
}

export interface CertificateFact {
  /** Whose, such as `api-server`, `etcd`, `kubelet`, `kubeconfig`. */
  readonly owner: string;
  /** Such as `served by the API server at 10.0.0.1:6443`, a path. The same certificate may be in several places. */
  readonly place: string;
  readonly subject: string;
  readonly fingerprint: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly isAuthority: boolean;
  /** The file it is in, and the authority that can sign it again, where that one's key is at hand. */
  readonly files:
    | {
        readonly certificate: string;
        readonly authority: { readonly certificate: string; readonly key: string } | undefined;
      }
    | undefined;
  /** Whether its private key belongs to it; undefined where that is not known. */
  readonly keyMatches: boolean | undefined;
  readonly keyPlace?: string | undefined;
  /** Whose kubelet's it is. */
  readonly node?: string | undefined;
}
