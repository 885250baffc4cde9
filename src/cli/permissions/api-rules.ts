/**
 * What each command asks of an API server, as rules of RBAC: what `kubemend rbac` prints. Measured by the audit log of a
 * real API server (test/clients/rbac.test.ts), and read from the code for what only a particular state of a cluster
 * calls for.
 */

export interface Rule {
  /** What it is for, in a line. */
  readonly reason: string;
  readonly verbs: readonly string[];
  /** As kubectl names them: `pods`, `pods/eviction`, `deployments.apps`, and `*.*` for everything. */
  readonly resources: readonly string[];
  /** Only there; undefined: in all namespaces, or for what is in none. */
  readonly namespace?: string;
}

const EVERYTHING = "*.*";

const READ = ["get", "list", "watch"];
const LEASES = "leases.coordination.k8s.io";
/** Leader election of API servers before 1.17, in `kube-system`. */
const ELECTION = [LEASES, "configmaps", "endpoints"];

const nodes = (verbs: readonly string[], reason: string): Rule => ({ reason, verbs, resources: ["nodes"] });
const pods = (verbs: readonly string[], reason: string): Rule => ({ reason, verbs, resources: ["pods"] });
const MAY_I: Rule = {
  reason: "asks beforehand whether the rest is allowed; everybody may, unless the cluster took it away",
  verbs: ["create"],
  resources: ["selfsubjectaccessreviews.authorization.k8s.io"],
};
const BUDGETS: Rule = {
  reason: "disruption budgets: which pods may go now",
  verbs: READ,
  resources: ["poddisruptionbudgets.policy"],
};
/** Without subresources: `extensions` is where they were before 1.16. */
const WORKLOADS = ["deployments", "replicasets", "daemonsets"].flatMap((name) => [
  `${name}.apps`,
  `${name}.extensions`,
]);
const OWNERS: Rule = {
  reason: "what pods belong to, and how many replicas it wants",
  verbs: ["get", "list"],
  resources: [...WORKLOADS, "statefulsets.apps", "jobs.batch", "replicationcontrollers"],
};
const REMOVALS: Rule[] = [
  { reason: "evicts pods", verbs: ["create"], resources: ["pods/eviction"] },
  pods(["delete"], "deletes pods where eviction is not served, or not wanted"),
];

const DIAGNOSE: Rule[] = [
  nodes(["list"], "nodes: readiness, taints, addresses of kubelets"),
  pods(["list"], "the control plane's pods, pods that cannot be scheduled, node agents"),
  {
    reason: "leaders of the scheduler and the controller manager",
    verbs: ["get"],
    resources: ELECTION,
    namespace: "kube-system",
  },
  {
    reason: "workloads that lack pods, and what makes the control plane",
    verbs: ["get", "list"],
    resources: WORKLOADS,
  },
  BUDGETS,
  {
    reason: "what blocks changes: namespaces that do not end, quotas, webhooks, APIs of servers that are gone",
    verbs: ["get", "list"],
    resources: [
      "namespaces",
      "resourcequotas",
      "mutatingwebhookconfigurations.admissionregistration.k8s.io",
      "validatingwebhookconfigurations.admissionregistration.k8s.io",
      "apiservices.apiregistration.k8s.io",
    ],
  },
  { reason: "whether something is behind webhooks and APIs", verbs: ["get"], resources: ["services", "endpoints"] },
  {
    reason:
      "objects that the API server cannot read itself; asked for without their contents, but RBAC knows no such difference",
    verbs: ["list"],
    resources: ["secrets", "configmaps"],
  },
  { reason: "why pods cannot be scheduled or created", verbs: ["list"], resources: ["events"] },
];

const NODE_READ = nodes(["get", "list"], "finds the nodes");

function writesAnything(reason: string): Rule[] {
  return [
    { reason, verbs: ["get", "list", "create", "update", "patch", "delete"], resources: [EVERYTHING] },
    {
      reason: "roles and bindings of more than oneself may do",
      verbs: ["bind", "escalate"],
      resources: ["clusterroles.rbac.authorization.k8s.io", "roles.rbac.authorization.k8s.io"],
    },
  ];
}

const SAME_CLUSTER: Rule[] = [
  {
    reason: "with --kubeconfig only: whether the backup is of this cluster",
    verbs: ["get", "list"],
    resources: ["namespaces"],
  },
];

/** By what the user types. */
export const API_RULES: Readonly<Record<string, readonly Rule[]>> = {
  diagnose: DIAGNOSE,
  "support-bundle": DIAGNOSE,
  "node status": [
    nodes(READ, "nodes, and changes of them"),
    pods(READ, "their pods"),
    {
      reason: "heartbeats of kubelets",
      verbs: ["get", "list"],
      resources: [LEASES],
      namespace: "kube-node-lease",
    },
  ],
  "node cordon": [nodes(["get", "list", "patch"], "finds and marks the nodes")],
  "node uncordon": [nodes(["get", "list", "patch"], "finds and marks the nodes")],
  "node drain": [
    nodes(["get", "list", "patch"], "finds and marks the nodes"),
    pods(READ, "follows the pods of the nodes, and what replaces them"),
    ...REMOVALS,
    BUDGETS,
    OWNERS,
    MAY_I,
  ],
  "node evict": [
    nodes(["get", "list", "patch"], "finds the node, and marks it as out of service"),
    pods(["get", "list", "delete"], "deletes the pods that nobody on the node can stop"),
    { reason: "the kubelet's heartbeat", verbs: ["get"], resources: [LEASES], namespace: "kube-node-lease" },
    MAY_I,
  ],
  "node rebalance": [
    nodes(READ, "where pods may go"),
    pods([...READ, "patch"], "follows pods, and marks the one that is to go"),
    ...REMOVALS,
    BUDGETS,
    {
      reason: "adds a replica and takes it back",
      verbs: ["get", "list", "patch"],
      resources: [...WORKLOADS.filter((name) => !name.endsWith("daemonsets")), "replicationcontrollers"],
    },
    {
      reason: "leaves alone what an autoscaler scales",
      verbs: ["list"],
      resources: ["horizontalpodautoscalers.autoscaling"],
    },
    MAY_I,
  ],
  rescue: [
    nodes(READ, "where the rescue pod can run"),
    pods([...READ, "create", "delete"], "makes the rescue pod and takes it away"),
    {
      reason: "finds what makes the component's pods, scales it up from 0, has its controller try again",
      verbs: ["get", "list", "patch"],
      resources: WORKLOADS,
    },
    {
      reason: "who leads, and giving up the lead of what is gone",
      verbs: ["get", "patch"],
      resources: ELECTION,
      namespace: "kube-system",
    },
    {
      reason: "the component's account and configuration",
      verbs: ["get"],
      resources: ["serviceaccounts", "configmaps"],
    },
    { reason: "why its pods are not created", verbs: ["list"], resources: ["events", "resourcequotas"] },
    {
      reason: "whether the component may take its lease",
      verbs: ["create"],
      resources: ["subjectaccessreviews.authorization.k8s.io"],
    },
    MAY_I,
  ],
  recover: [
    NODE_READ,
    pods(["list"], "static pods of the control plane, and etcd's"),
    { reason: "the control plane's definition", verbs: ["list"], resources: WORKLOADS },
    { reason: "the address of a self-hosted etcd", verbs: ["list"], resources: ["services"] },
    { reason: "an etcd that an operator keeps", verbs: ["list"], resources: ["etcdclusters.etcd.database.coreos.com"] },
    {
      reason: "keys, certificates and configuration that the control plane mounts",
      verbs: ["get"],
      resources: ["secrets", "configmaps"],
    },
  ],
  "objects diff": [
    {
      reason: "what is compared: as a rule everything; name the kinds instead where less is enough",
      verbs: ["get", "list"],
      resources: [EVERYTHING],
    },
  ],
  "objects restore": writesAnything("what is given back: name the kinds instead where less is enough"),
  "objects undo": writesAnything("what is taken back: the kinds that were given back are enough"),
  "snapshot restore": SAME_CLUSTER,
  "backup restore": SAME_CLUSTER,
  "backup run": [
    {
      reason: "with events in its configuration only: faults as events of the node",
      verbs: ["create"],
      resources: ["events"],
      namespace: "default",
    },
  ],
  "checkpoint run": [
    { ...pods(READ, "follows the node's pods, to copy those with the annotation"), namespace: "kube-system" },
    {
      reason: "copies what they mount",
      verbs: ["get"],
      resources: ["secrets", "configmaps"],
      namespace: "kube-system",
    },
    { reason: "the kubelet's own list of pods", verbs: ["get"], resources: ["nodes", "nodes/proxy"] },
  ],
};
