/**
 * Every code of a finding with what it means and what to do: what `kubemend explain` and docs/codes.md print. The list
 * is closed: the compiler refuses a finding whose code is not here.
 */

import type { CodeText } from "./code-text.ts";
import { input } from "./input.ts";

/** A code, with its meaning and what to do. */
const code = (means: string, todo: string): CodeText => ({ means, todo });

export const FINDING_CODES = {
  // of a database file
  "file-truncated": code("the end of the database file is missing", "copy it again, or use another backup"),
  "meta-invalid": code(
    "one of the two pages that a database starts from is invalid, and the other is used",
    "make a fresh backup: the next damage may hit the other one",
  ),
  "bucket-invalid": code("a bucket of the database cannot be read", "use another backup"),
  "root-value": code("the root of the database holds something other than buckets", "use another backup"),
  "page-out-of-range": code("the database refers to a page beyond its end", "use another backup"),
  "page-out-of-bounds": code(
    "the list of free pages names a page beyond the end of the database",
    `etcd rebuilds that list: restore with ${input("compact")}, or defragment`,
  ),
  "page-id": code("a page has the number of another page", "use another backup"),
  "page-flags": code("a page is of another kind than the one that is expected there", "use another backup"),
  "page-truncated": code("a page is cut off by the end of the file", "copy the file again, or use another backup"),
  "page-too-large": code("a page claims to be larger than any page can be", "use another backup"),
  "page-unreadable": code("an item of a page lies outside of it", "use another backup"),
  "page-unreachable": code("a page is neither used nor free", "nothing: it wastes space, and does no harm"),
  "page-double-referenced": code(
    "two parts of the database refer to the same page",
    "use another backup: changes to one part would damage the other",
  ),
  "page-freed-but-used": code(
    "a page is in use, and also in the list of free pages",
    "do not start etcd on it: restore it, or use another backup",
  ),
  "page-freed-twice": code(
    "a page is in the list of free pages twice",
    "do not start etcd on it: restore it, or use another backup",
  ),
  "tree-depth": code("the pages of a bucket are nested more deeply than any database is", "use another backup"),
  "key-order": code("keys are not in ascending order", `restore with ${input("compact")}, which writes them in order`),
  "key-twice": code(
    "a key occurs twice in a place where it can occur once, and the first value was taken",
    "compare the value with another backup",
  ),
  "key-value-invalid": code("a stored key-value cannot be decoded", "use another backup, or do without this key"),
  "revision-invalid": code("a key of etcd's keyspace is no revision", "use another backup"),
  "value-unreadable": code(
    "the value of a key cannot be read, because its page is damaged",
    "take it from another backup",
  ),
  "store-info-invalid": code(
    "what etcd notes about itself (index, term, version, members) cannot be read",
    "restore it as a new cluster",
  ),
  "compaction-unfinished": code("etcd ended during a compaction, and finishes it at its next start", "nothing"),
  "findings-omitted": code("there are more findings than are kept", "mend the first ones, and run it again"),
  "snapshot-hash-absent": code(
    "the file has no SHA-256 at its end, as a copy of a database has none",
    "prefer a snapshot that etcdctl snapshot save wrote; a copy of a running etcd's file may be torn",
  ),
  "snapshot-hash-mismatch": code(
    "the file does not match its SHA-256: it was changed after it was written",
    "copy it again, or use another backup",
  ),
  // of Kubernetes objects
  "not-kubernetes": code(
    "no Kubernetes cluster was found under any prefix",
    `name its prefix with ${input("etcdPrefix")}`,
  ),
  "object-encrypted": code(
    "objects are encrypted with a key that was not given",
    `pass the API server's encryption config with ${input("encryptionConfig")}`,
  ),
  "object-unreadable": code("an object cannot be decoded", "take it from another backup"),
  "object-invalid": code("an object is not what Kubernetes takes", "correct it, or take it from another backup"),
  "field-unknown": code("an object has fields that kubemend does not know; they are kept", "nothing"),
  "revision-mismatch": code(
    "an object was encrypted for another key, or its value was moved",
    "take it from another backup",
  ),
  "encryption-config-unknown-field": code(
    "the encryption config has fields that no API server knows",
    "take them out: newer API servers refuse the file",
  ),
  "several-clusters": code(
    "the database holds several clusters, under different prefixes",
    `choose one with ${input("etcdPrefix")}`,
  ),
  // of a restore
  "alarm-restored": code(
    "the snapshot holds an alarm (NOSPACE, CORRUPT), which is raised again",
    "remove its cause, then run kubemend etcd alarm disarm",
  ),
  "ended-leases-left-out": code("keys of leases that had ended by then were left out", "nothing: they would never end"),
  "member-ids-unchanged": code(
    "the members have the same ids as in the cluster that the snapshot is of",
    `give another ${input("initialClusterToken")}, if old members may still run`,
  ),
  "revision-goes-back": code(
    "revisions are lower than before the restore, and clients that saw newer ones keep what they saw",
    `restore with ${input("bumpRevision")} and ${input("markCompacted")}, or restart them`,
  ),
  "nodes-restored": code("objects of nodes are those of the snapshot", "delete those of machines that are gone"),
  "masterleases-restored": code(
    "the list of API servers is that of the snapshot",
    "nothing: entries of those that are gone end by themselves",
  ),
  "cluster-unknown": code(
    "it could not be checked that the snapshot is of this cluster",
    "check it yourself: compare the names of its nodes and namespaces",
  ),
  "restored-keys-newer": code(
    "what etcd serves is newer than what was restored",
    "nothing, if the API server runs already",
  ),
  "restored-keys-equal": code("what etcd serves is what was restored", "nothing"),
  "restored-keys-none-newer": code(
    "no key that etcd serves is newer than what was restored",
    "nothing, if the API server does not run yet",
  ),
  "restored-log-old": code(
    "etcd's log does not show the restore",
    "check that etcd was started on the new data directory",
  ),
  "restored-log-new": code("etcd's log shows the restore", "nothing"),
  "restored-log-unknown": code("etcd's log does not show whether it belongs to the restore", "see the other findings"),
  "restored-keys-differ": code(
    "what etcd serves differs from what was restored",
    "check that this etcd was started on the new data directory",
  ),
  "restored-not-asked": code("the restored etcd could not be asked", "check that it runs"),
  // of data directories
  "data-dir-unreadable": code("a data directory cannot be read", "check its permissions, or use the other survivors"),
  "database-missing": code("a data directory holds no database", "nothing: its log and the other survivors are used"),
  "database-unreadable": code("the database of a survivor cannot be read", "nothing: the other survivors are used"),
  "database-damaged": code(
    "the database of a survivor is damaged",
    "prefer another survivor; kubemend snapshot verify lists the damage",
  ),
  "database-foreign": code("a survivor is of another cluster", "leave it out"),
  "database-inconsistent": code("a survivor's database and its log contradict each other", "prefer another survivor"),
  "database-rebuilt": code(
    "no survivor has a sound database",
    "nothing: etcd makes it again from the log when it starts",
  ),
  "raft-snapshot-damaged": code("a raft snapshot is damaged, and an older one is used", "nothing"),
  "raft-snapshot-made": code(
    "the new log begins after the database, and keys of the v2 API, if there were any, are lost",
    "nothing: Kubernetes keeps nothing there",
  ),
  "entry-too-large": code("an entry of the log is larger than etcd 3.4 reads back", "start etcd 3.5 on it"),
  "etcd-version": code(
    "the version of etcd that the data is of",
    "start this version of etcd on it, or the next minor version",
  ),
  "member-new": code("the result has a new member, because its own had been removed", "nothing"),
  "wal-missing": code(
    "a data directory has no write-ahead log",
    `name it with ${input("survivorWalDir")}, if etcd ran with a WAL directory of its own`,
  ),
  "wal-without-member": code("a write-ahead log does not say whose it is", "nothing: the other survivors are used"),
  "wal-unreadable": code(
    "the directory of a write-ahead log cannot be read",
    "check its permissions, or use the other survivors",
  ),
  "snap-unreadable": code(
    "the directory of a database cannot be read",
    "check its permissions, or use the other survivors",
  ),
  "wal-torn": code(
    "the last entry of a log was not written whole, as when a machine lost its power",
    "nothing: it was never acknowledged by this member",
  ),
  "wal-segment-missing": code(
    "a file of the log is missing",
    "look for this file, or for another survivor: what comes after it cannot be used",
  ),
  "wal-segment-empty": code(
    "a file of the log is empty",
    "nothing: the other survivors are used, and what this file held is lost here",
  ),
  "wal-segment-unreadable": code("a file of the log cannot be read", "check the disk; the other survivors are used"),
  "entries-missing": code(
    "entries of the log are in no survivor: these writes are lost",
    "look for another survivor or a backup",
  ),
  "entries-unusable": code(
    "entries of the log are there, and entries before them are missing",
    "look for another survivor",
  ),
  "entries-unproved": code(
    "the log is damaged where a new term begins, so that entries may be missing",
    "look for another survivor",
  ),
  "entries-superseded": code(
    "entries are not used, because a later leader wrote others in their place",
    "nothing: they were never known to be committed",
  ),
  "survivors-too-few": code(
    "the survivors are so few that the other members may have committed writes without any of them",
    "look for the data dir of another member, or compare the newest objects with what you know of them",
  ),
  "member-removed": code(
    "a survivor had been removed from the cluster",
    "nothing: it has no writes from after its removal",
  ),
  "member-learner": code("a survivor is a learner", "nothing"),
  "member-unknown": code("a survivor is not a member of the cluster", "check that it belongs to this cluster"),
  "database-unproved": code("nothing says of which cluster a database is", "check that it belongs to this cluster"),
  // of live etcd members
  "endpoint-failed": code("an endpoint did not answer, and the next one was used", "check that member"),
  "member-unreachable": code("a member does not answer", "check that machine and its etcd"),
  "member-never-started": code("a member was added and has never been started", "start it, or remove it"),
  "member-without-leader": code("a member knows no leader while others do", "check its network"),
  "no-leader": code("a member knows no leader", "check the network between members"),
  "leaders-differ": code(
    "members name different leaders",
    "wait a moment and ask again; if it stays, check the network between members",
  ),
  "clusters-differ": code("endpoints belong to different clusters", "name the endpoints of one cluster"),
  "versions-differ": code("members run different versions of etcd", "finish the upgrade"),
  "quorum-lost": code(
    "too few voting members answer for etcd to work",
    "start the members that are only stopped; if they are lost, see kubemend etcd salvage",
  ),
  "no-member-to-spare": code("if one more member fails, etcd stops", "bring the others back, or add members"),
  "member-behind": code("a member has not applied what the others have", "give it time; if it stays, check its disk"),
  "members-disagree": code(
    "members hold different data at the same revision",
    "find out which member differs, remove it, and add it again with an empty data directory",
  ),
  "hashes-not-compared": code(
    "members were compacted at different revisions, so their data could not be compared",
    "ask again later",
  ),
  "database-near-quota": code(
    "a database is nearly as large as it may be",
    "run kubemend etcd compact, then kubemend etcd defrag",
  ),
  "database-fragmented": code("much of a database's space is free inside the file", "run kubemend etcd defrag"),
  "alarm-nospace": code(
    "etcd refuses writes, because its database is full",
    "run kubemend etcd compact, kubemend etcd defrag, then kubemend etcd alarm disarm",
  ),
  "alarm-unknown": code("a member raised an alarm that is not known", "see etcd's documentation of its version"),
  "alarm-corrupt": code(
    "etcd found that its members hold different data",
    "find out which member differs, remove it, and add it again with an empty data directory",
  ),
  "etcd-no-quorum": code(
    "etcd has no quorum, and was read from one member alone",
    "bring the quorum back, and read again: what was read may lack the last writes",
  ),
  // of a recovery
  "etcd-external": code("etcd does not run as a static pod of this cluster", "recover it where it runs"),
  "mixed-flavours": code(
    "the control plane is partly self-hosted and partly static pods",
    "nothing: the static pods are recovered, and the rest comes back with the API server",
  ),
  "node-lacks-component": code("a control-plane node has no pod of a component", "check that node's manifests"),
  "node-unknown": code("a mirror pod names a node that has no object", "check that the node exists"),
  "several-workloads": code(
    "several workloads are labelled as the same component, and each gets a temporary pod",
    "delete or relabel those that are not meant to run",
  ),
  "kubeconfig-names-files": code(
    "the kubeconfig refers to files, which are only on that machine",
    "nothing: they were put into it",
  ),
  "kubeconfig-not-set": code(
    "a shell starts a component, and its kubeconfig could not be set",
    "add the flag to its script",
  ),
  "etcd-servers-not-set": code(
    "a shell starts the API server, and the temporary etcd could not be added to it",
    "add the flag to its script",
  ),
  "etcd-tls-not-set": code(
    "a shell starts the API server, and its certificates for etcd could not be set",
    "add the flags to its script",
  ),
  "environment-binary": code("an environment variable's value is not text, and was left out", "set it by a file"),
  "token-missing": code(
    "the agent cannot get a service account token, and the checkpoint of the pod runs without it",
    "nothing, if the pod works without it",
  ),
  "projection-dropped": code(
    "a projected volume has a source that exists only with an API server, and it was left out",
    "nothing, if the pod starts without it",
  ),
  "pull-secrets-dropped": code(
    "secrets for pulling images were left out, because static pods cannot have them",
    "put the images on the node beforehand",
  ),
  "resource-claims-dropped": code(
    "resource claims were left out, because static pods cannot have them",
    "check that the pod works without them",
  ),
  "runtime-class-dropped": code(
    "the runtime class was left out, because static pods cannot have one",
    "check that the pod works with the default runtime",
  ),
  "users-differ": code("files of one volume belong to different users", "check that the container can read them"),
  "volume-claim": code("a pod mounts a volume claim, which static pods cannot", "keep its data elsewhere"),
  "volume-secret": code(
    "a volume refers to a secret by its driver, which static pods cannot",
    "give the driver its secret in another way",
  ),
  // of the node agent
  "checkpoint-damaged": code(
    "a checkpoint on the disk is damaged",
    "nothing: the generation before it is used, and the next healthy parent replaces it",
  ),
  "checkpoint-incomplete": code("a checkpoint lacks files", "nothing: the generation before it is used"),
  "checkpoint-unreadable": code("a checkpoint cannot be read", "check the disk and the permissions"),
  "checkpoint-impossible": code(
    "a pod cannot be checkpointed, and the text says why",
    "change the pod, or take the annotation off",
  ),
  "checkpoint-outdated": code(
    "a checkpoint is older than its parent",
    "wait for the next pass; if it stays, see the agent's log",
  ),
  "manifest-missing": code(
    "a static pod's manifest is gone",
    "nothing where the agent puts it back; otherwise put it back by hand",
  ),
  "manifests-missing": code(
    "manifests of several static pods are gone from this machine",
    "recover them: kubemend recover",
  ),
  "manifest-damaged": code("a static pod's manifest is damaged, and there is no copy of it", "put it back by hand"),
  "manifest-invalid": code(
    "a static pod's manifest cannot be read, so that the kubelet does not run it",
    "correct the file",
  ),
  "manifest-copy-damaged": code(
    "a protected copy of a manifest is damaged",
    "nothing: the next good manifest replaces it",
  ),
  "manifest-copy-locked": code("a protected copy is encrypted with another key", "give the agent that key"),
  // of a backup repository
  "chain-broken": code(
    "links of the chain do not follow each other",
    "run a full backup: only what lies before the break is covered",
  ),
  "chain-cut": code("the newest links of the chain are gone", "find out who removed them, and run a full backup"),
  "link-missing": code("a link of the chain is missing", "run a full backup"),
  "link-foreign": code("a link is of another chain", "find out who else writes to this repository"),
  "link-misplaced": code("a link lies under another name than its own", "find out who else writes to this repository"),
  "signature-invalid": code(
    "a link's signature does not match",
    "somebody changed it, or signed it with another key: do not restore it blindly",
  ),
  "piece-damaged": code(
    "a piece of a backup is damaged",
    "run a new full backup; kubemend backup verify lists what is damaged",
  ),
  "delta-unusable": code("a change cannot be applied to the moment before it", "run a full backup"),
  "object-damaged": code("a stored object does not match its hash", "run a full backup"),
  "object-unused": code("a stored object belongs to no backup", "nothing: kubemend backup prune removes it"),
  "lease-unknown": code(
    "how long a lease lasts was never recorded",
    "nothing: what is attached to it ends a minute after etcd starts",
  ),
  "time-uncertain": code("when a revision was written is known only roughly", "name the revision instead of a time"),
  // of a diagnosis
  "api-server-unreachable": code("no API server answers", "start it: the evidence says what was tried"),
  "api-server-silent": code("the API server takes connections and does not answer", "look at its log, and at etcd"),
  "api-server-failing": code("the API server answers with errors", "look at its log"),
  "api-server-not-ready": code(
    "the API server is up and not ready",
    "look at the checks that fail: the evidence names them",
  ),
  "api-server-slow": code("the API server takes long to answer", "look at etcd's disk and at the load"),
  "api-server-untrusted": code(
    "the API server's certificate is not of the authority in the kubeconfig",
    "use this cluster's kubeconfig, or renew it",
  ),
  "api-server-denies-us": code(
    "the API server does not know this user, or lets it see nothing",
    "use the administrator's kubeconfig",
  ),
  "apiservice-unavailable": code("an aggregated API does not answer", "start what serves it, or delete its APIService"),
  "certificate-expired": code("a certificate has expired", "run kubemend certificate renew"),
  "certificate-expires": code("a certificate expires soon", "run kubemend certificate renew"),
  "certificate-missing": code(
    "the file of a certificate that a component needs is gone",
    "put it back from a copy, or issue it again",
  ),
  "certificate-not-yet-valid": code("a certificate is not valid yet", "check the machine's clock"),
  "certificate-key-mismatch": code(
    "a certificate does not match its private key",
    `renew it for that key: kubemend certificate renew ${input("key")}`,
  ),
  "clocks-differ": code("clocks of machines differ", "synchronize them with NTP"),
  "crash-loop": code("a container of the control plane ends again and again", "look at its log"),
  "not-running": code("a component's container does not run", "look at the kubelet's log"),
  "kubelet-stopped": code("the kubelet of this machine does not run", "start it: systemctl start kubelet"),
  "port-taken": code("another program listens on a component's port", "end that program"),
  "etcd-unreachable": code("etcd does not answer", "start it: the evidence says what was tried"),
  "scheduler-down": code("no scheduler renews its lease", "run kubemend rescue scheduler"),
  "scheduler-by-rescue-pod": code("the scheduler works by its rescue pod alone", "bring its own pods back"),
  "controller-manager-by-rescue-pod": code(
    "the controller manager works by its rescue pod alone",
    "bring its own pods back",
  ),
  "controller-manager-down": code("no controller manager renews its lease", "run kubemend rescue controller-manager"),
  "lease-stale": code(
    "a dead holder's lease lasts for long, and those who would take it over wait",
    "delete the lease: the command is printed",
  ),
  "deployments-lagging": code("changed Deployments are not acted on", "bring the controller manager back"),
  "replicasets-short": code(
    "ReplicaSets have fewer pods than they want",
    "bring the controller manager back, or see why pods cannot be made",
  ),
  "pods-ignored-by-scheduler": code("pods wait, and no scheduler has looked at them", "bring the scheduler back"),
  "pods-unschedulable": code("no node fits waiting pods", "see the reasons in the evidence"),
  "node-not-ready": code("a node is not ready", "check its kubelet"),
  "node-stale": code(
    "there is a Node object of a machine that is gone, or has another name now",
    "delete the node: its pods are then made elsewhere",
  ),
  "node-cordoned": code("a node takes no new pods", "if this is not intended, run kubemend node uncordon"),
  "namespace-stuck": code(
    "a namespace is being deleted and cannot end",
    "look at what it waits for: the evidence names it",
  ),
  "stored-object-unreadable": code(
    "the API server cannot read an object that etcd holds",
    `give it the key that opens the object, or remove the object: kubemend snapshot restore ${input("remove")}`,
  ),
  "webhook-without-backend": code(
    "a webhook refuses requests because nothing serves it",
    "start what serves it, or change its failure policy",
  ),
  "budget-allows-nothing": code("a disruption budget allows no eviction", "give it more replicas, or change it"),
  "budget-waits": code("a disruption budget allows no eviction right now", "wait until its pods are ready"),
  "quota-blocks": code("a quota stops new pods", "raise it, or delete what is not needed"),
} as const satisfies Readonly<Record<string, CodeText>>;

type BaseCode = keyof typeof FINDING_CODES;
type Component = "etcd" | "kube-apiserver" | "kube-controller-manager" | "kube-scheduler";
/** What is wrong with a component on this machine: its code begins with the component's name. */
export type ComponentFault = "crash-loop" | "not-running" | "port-taken" | "manifest-missing" | "manifest-invalid";

/** `diagnose` names the component in front, and etcd for what etcd's members have. */
export type FindingCode = BaseCode | `${Component}-${ComponentFault}` | `etcd-${BaseCode}`;

/** What a code means, with a component's name in front or not; undefined where it is no code. */
export function findingText(given: string): CodeText | undefined {
  const codes: Readonly<Record<string, CodeText>> = FINDING_CODES;
  const names = [given, given.replace(/^(?:etcd|kube-(?:apiserver|controller-manager|scheduler))-/, "")];
  const known = names.find((name) => Object.hasOwn(codes, name));
  return known === undefined ? undefined : codes[known];
}
