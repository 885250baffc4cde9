/** Rules -> manifests of rbac.authorization.k8s.io/v1: a ClusterRole, a Role for each single namespace, and bindings. */
import type { JsonObject } from "../../kube/object.ts";
import type { Rule } from "./api-rules.ts";

export interface Subject {
  readonly kind: "User" | "Group" | "ServiceAccount";
  readonly name: string;
  /** Of a ServiceAccount. */
  readonly namespace?: string;
}

export interface RoleManifest {
  readonly manifest: JsonObject;
  /** One for each rule of a role, in its order; empty for bindings. */
  readonly reasons: readonly string[];
}

const API_VERSION = "rbac.authorization.k8s.io/v1";
const GROUP = "rbac.authorization.k8s.io";

/** The roles, and the bindings of `subjects` where there are any. `name`: of all of them. */
export function roleManifests(name: string, rules: readonly Rule[], subjects: readonly Subject[]): RoleManifest[] {
  const roles = [...Map.groupBy(rules, ({ namespace }) => namespace)].map(([namespace, own]): RoleManifest => {
    const kind = namespace === undefined ? "ClusterRole" : "Role";
    const metadata = { name, ...(namespace !== undefined && { namespace }) };
    return {
      manifest: { apiVersion: API_VERSION, kind, metadata, rules: own.flatMap(policyRules) },
      reasons: own.flatMap((rule) => policyRules(rule).map(() => rule.reason)),
    };
  });
  if (subjects.length === 0) return roles;
  const bound = subjects.map(({ kind, name: who, namespace }) =>
    kind === "ServiceAccount" ? { kind, name: who, namespace: namespace ?? "" } : { apiGroup: GROUP, kind, name: who },
  );
  const bindings = roles.map(({ manifest }): RoleManifest => {
    const { kind, metadata } = manifest as { kind: string; metadata: JsonObject };
    const roleRef = { apiGroup: GROUP, kind, name };
    return {
      manifest: { apiVersion: API_VERSION, kind: `${kind}Binding`, metadata, roleRef, subjects: bound },
      reasons: [],
    };
  });
  return [...roles, ...bindings];
}

/** A rule of RBAC allows every one of its resources in every one of its groups: one for each group. */
function policyRules({ resources, verbs }: Rule): JsonObject[] {
  const named = resources.map((each) => {
    const dot = each.indexOf(".");
    return dot < 0 ? { group: "", resource: each } : { group: each.slice(dot + 1), resource: each.slice(0, dot) };
  });
  return [...Map.groupBy(named, ({ group }) => group)].map(([group, own]) => ({
    apiGroups: [group],
    resources: own.map(({ resource }) => resource),
    verbs: [...verbs],
  }));
}
