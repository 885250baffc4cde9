/**
 * Every error code with what it means and what to do: what `kubemend explain` and docs/codes.md print. The list of
 * codes is in errors.ts; the compiler refuses a code that is not explained here.
 */

import type { CodeText } from "./code-text.ts";
import type { ErrorCode } from "./errors.ts";
import { input } from "./input.ts";

export const ERROR_CODES: Readonly<Record<ErrorCode, CodeText>> = {
  usage: {
    means: "the command line cannot be carried out as it stands",
    todo: "follow the hint, or run the command with --help",
  },
  interrupted: {
    means: "SIGINT or SIGTERM ended the command",
    todo: "run it again: nothing is left half done, or the message says what remains",
  },
  internal: {
    means: "kubemend made a mistake",
    todo: "report it with the command you ran and the lines that were printed",
  },
  "not-found": { means: "a file, directory or host that was named does not exist", todo: "check the path or the name" },
  "not-a-file": { means: "a path leads to something other than a regular file", todo: "name the file itself" },
  "permission-denied": {
    means: "the system does not let this user do that",
    todo: "run it with sudo, or as the owner of the file",
  },
  "no-space": {
    means: "there is not enough free space on the disk, or not enough memory",
    todo: "free some space, or name a directory on another disk",
  },
  io: {
    means: "reading or writing failed, and the system's reason is in the message",
    todo: "check the disk, the mount and the system's log",
  },
  "already-exists": {
    means: "something exists already where output would go",
    todo: "choose another place, or pass the flag that replaces it",
  },
  "not-empty": {
    means: "a directory that output would go to holds other files",
    todo: "choose an empty directory, or pass the flag that replaces earlier output",
  },
  "archive-invalid": {
    means: "an archive is damaged, cut off, or does not hold one snapshot",
    todo: "copy it again, or unpack it yourself and pass the file in it",
  },
  "not-a-snapshot": {
    means: "the file is no etcd database",
    todo: "pass the file that etcdctl snapshot save wrote, or a copy of member/snap/db",
  },
  "snapshot-truncated": { means: "the end of a snapshot is missing", todo: "copy it again, or use another backup" },
  "snapshot-damaged": {
    means: "a snapshot has damage that makes it unusable for this",
    todo: "list the damage with kubemend snapshot verify, and use another backup if there is one",
  },
  "snapshot-hash-mismatch": {
    means: "a snapshot does not match the SHA-256 that was saved with it",
    todo: "copy it again or use another backup; the content may be changed anywhere",
  },
  "snapshot-refused": {
    means: "a snapshot lacks what is needed to trust it, such as its SHA-256",
    todo: "if you know where it comes from, pass the flag that the hint names",
  },
  "wal-damaged": {
    means: "etcd's write-ahead log cannot be read",
    todo: "use the log of another member, or restore a backup",
  },
  "data-dir-in-use": { means: "an etcd has the data directory open", todo: "stop that etcd first" },
  "target-locked": { means: "another kubemend writes to the same place", todo: "wait until it has ended" },
  "directory-untrusted": {
    means: "others may write to a directory that kubemend would write to",
    todo: "give it to root and take the others' write permission away, or choose another directory",
  },
  "wrong-cluster": {
    means: "a snapshot or a member is of another cluster than the one it is meant for",
    todo: "use the backup of this cluster",
  },
  "etcd-unreachable": {
    means: "no etcd answers at the endpoints",
    todo: "check the endpoints, whether etcd runs, and the network between",
  },
  "etcd-refused": { means: "etcd answered, and refused the request", todo: "read its reason in the message" },
  "etcd-unauthenticated": {
    means: "etcd has authentication enabled, and did not accept the user",
    todo: `pass ${input("user")} and ${input("password")} of a user with the needed role`,
  },
  "tls-failed": {
    means: "a TLS connection could not be made",
    todo: "check the CA and the client certificate: the message says which side refused",
  },
  timeout: {
    means: "something took longer than its limit",
    todo: "check what is slow, or raise the limit with the flag that the hint names",
  },
  "not-kubernetes": {
    means: "the etcd or the snapshot holds no Kubernetes cluster",
    todo: `check that it is the right etcd, or name its prefix with ${input("etcdPrefix")}`,
  },
  "revision-compacted": {
    means: "the revision is older than what etcd still keeps",
    todo: "ask for a newer one, or use an older backup",
  },
  "revision-in-future": { means: "the revision is newer than the newest one", todo: "ask for an older one" },
  "object-not-found": {
    means: "an object that was named is not there",
    todo: "check its name and namespace, or look at an older backup",
  },
  "kind-unknown": {
    means: "no built-in and no custom resource has this name",
    todo: `check the name; if the definitions of custom resources are encrypted, pass ${input("encryptionConfig")}`,
  },
  "object-unreadable": {
    means: "an object's value cannot be decoded",
    todo: "find out why with kubemend snapshot verify, and take the object from an older backup",
  },
  "object-invalid": {
    means: "an object or a manifest is not what Kubernetes takes",
    todo: "correct the field that the message names",
  },
  "encryption-config-invalid": {
    means: "the API server would not take this encryption config either",
    todo: "pass the file that kube-apiserver has as --encryption-provider-config",
  },
  "encryption-key-missing": {
    means: "objects are encrypted with a key that was not given",
    todo: "pass the encryption config that holds the key which the message names",
  },
  "control-plane-not-found": {
    means: "no control plane was found in what was read",
    todo: "check that it is the right cluster, or try an older backup",
  },
  "control-plane-incomplete": {
    means: "the control plane refers to objects that are not there",
    todo: `try an older backup, or pass ${input("allowMissing")} to recover the rest`,
  },
  "config-invalid": {
    means: "a kubeconfig or another configuration file cannot be used",
    todo: "correct what the message names",
  },
  "certificate-invalid": {
    means: "a certificate or a key cannot be used",
    todo: "pass the PEM file that belongs there: the message says what is wrong with this one",
  },
  "api-unreachable": { means: "no API server answers", todo: "run kubemend diagnose on a control-plane node" },
  "api-untrusted": {
    means: "the API server's certificate is not of the authority in the kubeconfig",
    todo: "use this cluster's kubeconfig, or renew the certificate",
  },
  "api-denied": {
    means: "the API server does not let this user do that",
    todo: "use another user, or grant the right that the message names",
  },
  "api-refused": {
    means: "the API server answered with an error, or with something that is no answer",
    todo: "read its reason in the message; kubemend diagnose says what is wrong with it",
  },
  "kubelet-not-found": {
    means: "no kubelet runs on this machine, or none is installed",
    todo: "run this on a node, and start its kubelet",
  },
  "kubelet-restarted": {
    means: "the kubelet was started while it had to stay stopped",
    todo: "stop whatever starts it, and run the command again",
  },
  "service-failed": {
    means: "systemd did not stop or start a unit",
    todo: "look at the log of the unit that the message names: journalctl -u UNIT",
  },
  "kubelet-failed": {
    means: "the kubelet could not be started or stopped",
    todo: "look at its log: journalctl -u kubelet",
  },
  "mount-busy": {
    means: "a volume cannot be unmounted because a program uses it",
    todo: "end that program, and run the command again",
  },
  "runtime-unreachable": {
    means: "the container runtime does not answer",
    todo: `start it, or name its socket with ${input("containerRuntimeEndpoint")}`,
  },
  "runtime-refused": {
    means: "the container runtime answered with an error",
    todo: "read its reason in the message, and look at its log",
  },
  "kubelet-unreachable": {
    means: "the kubelet of a node does not answer",
    todo: "check the node, and that the API server reaches it",
  },
  "port-taken": {
    means: "another program listens on a port that is needed",
    todo: "end that program: the message says which one where it is known",
  },
  "control-plane-at-risk": {
    means: "what was asked for would leave no healthy control-plane node, or etcd without quorum",
    todo: "bring another one up first",
  },
  "node-answers": {
    means: "a node that was to be treated as dead still answers",
    todo: "drain it instead, or stop the machine first",
  },
  "node-silent": { means: "a node that has to answer does not", todo: "wait until its kubelet answers" },
  "agent-silent": { means: "no agent of kubemend answers on this node", todo: "look at its container and its log" },
  "drain-incomplete": {
    means: "pods are left on a node that was to be emptied",
    todo: "read the reason for each of them, and run the same command again",
  },
  "member-change-refused": {
    means: "changing etcd's members now could cost its quorum",
    todo: "mend what the message names first",
  },
  "repository-not-found": {
    means: "there is no backup repository at this place",
    todo: "check the address, or create one with kubemend backup init",
  },
  "repository-damaged": {
    means: "a backup repository is too damaged to be used for this",
    todo: "list the damage with kubemend backup verify",
  },
  "moment-not-covered": {
    means: "the backup repository does not hold this moment",
    todo: "list what it holds with kubemend backup list",
  },
  "store-unreachable": {
    means: "the object store of a backup repository does not answer",
    todo: "check the address and the network",
  },
  "store-refused": {
    means: "the object store refused the request",
    todo: "check the credentials and what they may do",
  },
  "identity-missing": {
    means: "a backup repository is encrypted, and the identity that opens it was not given",
    todo: `pass it with ${input("identity")}`,
  },
  "backup-unproved": {
    means: "a backup was written, and could not be proved to be good",
    todo: "run kubemend backup verify, and look at its findings",
  },
  "ssh-failed": {
    means: "a node could not be reached by ssh, or a command failed there",
    todo: "try the ssh command that the message shows by hand",
  },
  "plan-refused": {
    means: "a plan for several nodes is not safe to carry out",
    todo: "read the reasons, and make the plan again",
  },
  unsupported: {
    means: "the input is sound, and of a kind that kubemend cannot work with",
    todo: "read the message: it says what can be done instead",
  },
};
