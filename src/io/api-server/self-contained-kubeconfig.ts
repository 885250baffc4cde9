/**
 * A kubeconfig that needs nothing beside it, for programs in containers: they have neither the files that a kubeconfig
 * may name nor the program that may give its credentials.
 */
import { stringify } from "yaml";
import { readYaml } from "../../kube/read-yaml.ts";
import type { ClusterAccess } from "./kubeconfig.ts";

/** Fields that name a file where the same field with `-data` does not come before them. */
const FILES = ["certificate-authority", "client-certificate", "client-key"];

/** Whether a kubeconfig is one as it is. False for what is no kubeconfig. */
export function isSelfContained(content: string): boolean {
  let config: unknown;
  try {
    config = readYaml(content);
  } catch {
    return false;
  }
  const parts = [...entries(config, "clusters", "cluster"), ...entries(config, "users", "user")];
  return (
    parts.length > 0 &&
    parts.every(
      (part) =>
        part.exec === undefined &&
        (part.tokenFile === undefined || part.token !== undefined) &&
        FILES.every((field) => part[field] === undefined || part[`${field}-data`] !== undefined),
    )
  );
}

/** The same access in one file, as long as its credentials last. It is a secret. */
export function selfContainedKubeconfig(access: ClusterAccess): string {
  const { server, serverName, ca, insecure, proxy, certificate, key, token, basic, impersonate } = access;
  const base64 = (text: string | undefined) => text && Buffer.from(text).toString("base64");
  const name = "cluster";
  const cluster = {
    server: server.href.replace(/\/$/, ""),
    "certificate-authority-data": base64(ca),
    "tls-server-name": serverName,
    "insecure-skip-tls-verify": insecure || undefined,
    "proxy-url": proxy?.href,
  };
  const user = {
    "client-certificate-data": base64(certificate),
    "client-key-data": base64(key),
    token: token?.expose(),
    username: basic?.username,
    password: basic?.password.expose(),
    as: impersonate?.user,
    "as-uid": impersonate?.uid,
    "as-groups": impersonate?.groups,
    "as-user-extra": impersonate?.extra,
  };
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}

function entries(config: unknown, list: string, field: string): Record<string, unknown>[] {
  const all = record(config)[list];
  return Array.isArray(all) ? all.map((each) => record(record(each)[field])) : [];
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
