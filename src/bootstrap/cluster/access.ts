/** Service accounts and what they may do. */
import type { JsonObject } from "../../kube/object.ts";

const GROUP = "rbac.authorization.k8s.io";

export function serviceAccount(name: string): JsonObject {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace: "kube-system" } };
}

/** Binds a service account of kube-system to a ClusterRole, everywhere. */
export function clusterRoleBinding(account: string, role: string, suffix = ""): JsonObject {
  const name = `self-hosted-${account}${suffix === "" ? "" : `-${suffix}`}`;
  return binding("ClusterRoleBinding", { name }, { kind: "ClusterRole", name: role }, [account]);
}

export function binding(
  kind: "ClusterRoleBinding" | "RoleBinding",
  metadata: JsonObject,
  role: { readonly kind: "ClusterRole" | "Role"; readonly name: string },
  accounts: readonly string[],
): JsonObject {
  return {
    apiVersion: `${GROUP}/v1`,
    kind,
    metadata,
    roleRef: { apiGroup: GROUP, ...role },
    subjects: accounts.map((name) => ({ kind: "ServiceAccount", name, namespace: "kube-system" })),
  };
}

/** Binds groups of users to a ClusterRole, everywhere. */
export function groupBinding(name: string, role: string, groups: readonly string[]): JsonObject {
  return {
    apiVersion: `${GROUP}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name },
    roleRef: { apiGroup: GROUP, kind: "ClusterRole", name: role },
    subjects: groups.map((group) => ({ apiGroup: GROUP, kind: "Group", name: group })),
  };
}

export function role(kind: "ClusterRole" | "Role", metadata: JsonObject, rules: readonly JsonObject[]): JsonObject {
  return { apiVersion: `${GROUP}/v1`, kind, metadata, rules };
}
