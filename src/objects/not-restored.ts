/**
 * Objects that are not given back unless somebody names them: what controllers make again, what has had its time, and
 * what holds no more than a moment.
 */
import { isElectionRecord } from "../compare/noise.ts";
import { objectOf, objectsOf, textOf } from "../kube/fields.ts";
import type { KubeObject } from "../kube/object.ts";

export interface GivingContext {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Whether the cluster's controller manager makes a token for each account, as it did before Kubernetes 1.24. */
  readonly makesTokens: boolean;
  /** The ServiceAccount of a name in the backup. */
  serviceAccount(namespace: string, name: string): KubeObject | undefined;
  service(namespace: string, name: string): KubeObject | undefined;
}

/** What these controllers own, they make again. */
const MADE_BY_OWNER = new Set(["pods", "replicasets", "controllerrevisions", "jobs", "endpointslices", "controllers"]);
const BUILT_IN_OWNERS = new Set([
  "CronJob",
  "DaemonSet",
  "Deployment",
  "Job",
  "Node",
  "ReplicaSet",
  "ReplicationController",
  "Service",
  "StatefulSet",
]);

const BY_PATH: Readonly<Record<string, string>> = {
  events: "events are what was seen, and are not given back",
  leases: "a lease is taken again by who holds it",
  leasecandidates: "a lease is taken again by who holds it",
  masterleases: "the API server writes it",
  "ranges/serviceips": "the API server writes it",
  "ranges/servicenodeports": "the API server writes it",
  ranges: "the API server writes it",
  storageversions: "the API server writes it",
  ipaddresses: "the API server writes it",
  minions: "a node registers itself",
  csinodes: "a node registers itself",
  resourceslices: "a node registers itself",
  volumeattachments: "the controller manager attaches volumes again",
  csistoragecapacities: "the storage driver writes it",
  certificatesigningrequests: "a signing request is made again by who needs the certificate",
};

/** ConfigMaps of the root CA publisher, and of OpenShift's. */
const IN_EACH_NAMESPACE = new Set(["kube-root-ca.crt", "openshift-service-ca.crt"]);

/**
 * Whether a cluster puts an object of that name into every namespace, so that it says nothing of who uses the
 * namespace. Source: OpenShift's project controllers.
 */
export function isInEachNamespace({ metadata }: KubeObject, path: string): boolean {
  if (path === "configmaps") return IN_EACH_NAMESPACE.has(metadata.name);
  if (path === "serviceaccounts") return ["default", "builder", "deployer"].includes(metadata.name);
  return path === "rolebindings" && /^system:(?:deployers|image-builders|image-pullers)$/.test(metadata.name);
}

/** Why the object is not given back, or undefined. */
export function notRestored(object: KubeObject, path: string, context: GivingContext): string | undefined {
  if (Object.hasOwn(BY_PATH, path)) return BY_PATH[path];
  const { metadata } = object;
  // A namespace is needed for what is in it, and comes back empty.
  if (metadata.deletionTimestamp !== undefined && path !== "namespaces")
    return "it was being deleted when the backup was taken";
  if (isElectionRecord(object)) return "it holds an election, which is held again";
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  if (owner !== undefined && MADE_BY_OWNER.has(path) && BUILT_IN_OWNERS.has(owner.kind)) {
    return `${owner.kind} "${owner.name}" makes it`;
  }
  switch (path) {
    case "pods":
      return ofPod(object);
    case "jobs":
      return hasCondition(object, ["Complete", "Failed"]) ? "it has completed, and would run again" : undefined;
    case "services/endpoints": {
      const service = context.service(metadata.namespace ?? "", metadata.name);
      const selector = objectOf(objectOf(service?.spec).selector);
      return Object.keys(selector).length > 0 ? `Service "${metadata.name}" makes it` : undefined;
    }
    case "endpointslices":
      return metadata.labels?.["endpointslice.kubernetes.io/managed-by"]?.endsWith(".k8s.io") === true
        ? `Service "${metadata.labels["kubernetes.io/service-name"] ?? ""}" makes it`
        : undefined;
    case "configmaps":
      return IN_EACH_NAMESPACE.has(metadata.name) ? "the controller manager writes it into each namespace" : undefined;
    case "secrets":
      return ofSecret(object, context);
    case "apiregistration.k8s.io/apiservices":
      return metadata.labels?.["kube-aggregator.kubernetes.io/automanaged"] === undefined
        ? undefined
        : "the API server makes it of a definition";
    default:
      return undefined;
  }
}

export function isEndingNamespace({ kind, apiVersion, metadata }: KubeObject): boolean {
  return kind === "Namespace" && apiVersion === "v1" && metadata.deletionTimestamp !== undefined;
}

/** What it means that somebody named an object that has had its time; undefined where it has not. */
export function runsAgain(object: KubeObject, path: string): string | undefined {
  if (path === "jobs" && hasCondition(object, ["Complete", "Failed"])) return "it had completed, and runs again";
  if (path === "pods" && ["Succeeded", "Failed"].includes(textOf(objectOf(object.status).phase)))
    return "it had ended, and runs again";
  return undefined;
}

function ofPod(pod: KubeObject): string | undefined {
  if (pod.metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined)
    return "its kubelet makes it of a manifest";
  const phase = textOf(objectOf(pod.status).phase);
  return phase === "Succeeded" || phase === "Failed" ? "it has ended, and would run again" : undefined;
}

function hasCondition({ status }: KubeObject, types: readonly string[]): boolean {
  return objectsOf(objectOf(status).conditions).some(
    ({ type, status: value }) => types.includes(textOf(type)) && value === "True",
  );
}

function ofSecret(secret: KubeObject, { now, makesTokens, serviceAccount }: GivingContext): string | undefined {
  const { metadata, type } = secret;
  if (type === "bootstrap.kubernetes.io/token") {
    const data = objectOf(secret.data);
    const expiration = Buffer.from(textOf(data.expiration), "base64").toString();
    return Date.parse(expiration) < now ? `the bootstrap token expired at ${expiration}` : undefined;
  }
  if (!isTokenSecret(secret)) return undefined;
  const account = accountOf(secret);
  if (!isMadeToken(secret, serviceAccount(metadata.namespace ?? "", account))) return undefined;
  return makesTokens
    ? `the controller manager makes a token for ServiceAccount "${account}"`
    : `pods of ServiceAccount "${account}" get tokens without a Secret; where somebody else uses this one, ` +
        "name it, and a new token is made";
}

/** Whether a secret is the token of a service account. */
export function isTokenSecret({ type }: KubeObject): boolean {
  return type === "kubernetes.io/service-account-token";
}

function accountOf({ metadata }: KubeObject): string {
  return metadata.annotations?.["kubernetes.io/service-account.name"] ?? "";
}

/** The controller manager (before Kubernetes 1.24) makes tokens under a name of its own, and lists them in the account. */
function isMadeToken({ metadata }: KubeObject, account: KubeObject | undefined): boolean {
  return isMadeTokenName(metadata.name, account?.metadata.name ?? "") && account !== undefined;
}

/** `ACCOUNT-token-` and five characters of the alphabet that Kubernetes draws names from. */
export function isMadeTokenName(secret: string, account: string): boolean {
  return secret.startsWith(`${account}-token-`) && /-token-[bcdfghjklmnpqrstvwxz2456789]{5}$/.test(secret);
}
