/**
 * The access that a pod has by its service account
 * (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/), for where there is no kubeconfig.
 */

import { existsSync } from "node:fs";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { Secret } from "../../errors/secret.ts";
import { readTextFile } from "../files/read-file.ts";
import { faultOfAuthority } from "./client-material.ts";
import type { ClusterAccess } from "./kubeconfig-access.ts";
import { invalidKubeconfig } from "./kubeconfig-file.ts";

const DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Undefined outside of a pod, and in one without a token. */
export function inClusterAccess(
  variables: Readonly<Record<string, string | undefined>>,
  directory = DIRECTORY,
): ClusterAccess | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = variables;
  const token = join(directory, "token");
  if (!host || !port || !existsSync(token)) return undefined;
  const server = URL.parse(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`);
  if (server === null) return undefined;
  const authority = join(directory, "ca.crt");
  const ca = existsSync(authority) ? readTextFile(authority) : undefined;
  const fault = faultOfAuthority(ca);
  if (fault !== undefined) throw invalidKubeconfig(directory, fault);
  return {
    source: directory,
    server,
    ca,
    serverName: undefined,
    insecure: false,
    certificate: undefined,
    key: undefined,
    token: new Secret(readTextFile(token).trim()),
    proxy: undefined,
  };
}
