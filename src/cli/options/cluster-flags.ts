/** Which cluster, by its API server. */
import { resolve } from "node:path";
import type { ClusterFlags } from "../../operations/cluster-access/open-cluster.ts";
import type { Host } from "../host.ts";
import { type ValuesOf, words } from "./flag.ts";
import { apiManners, REQUEST_TIMEOUT_FLAG } from "./request-timeout.ts";

export const CLUSTER_FLAGS = {
  kubeconfig: words(
    "--kubeconfig <file>",
    "how to reach the cluster (default: $KUBECONFIG, else ~/.kube/config, else /etc/kubernetes/admin.conf)",
  ),
  context: words("--context <name>", "of the kubeconfig (default: its current one)"),
  requestTimeout: REQUEST_TIMEOUT_FLAG,
};

export function clusterFlags(
  host: Host,
  { kubeconfig, context, requestTimeout }: ValuesOf<typeof CLUSTER_FLAGS>,
): ClusterFlags {
  return {
    kubeconfig: kubeconfig === undefined ? undefined : resolve(host.cwd, kubeconfig),
    context,
    variables: host.env,
    manners: apiManners(host, requestTimeout),
  };
}

export const NODE_SELECTOR_FLAG = words("-l, --selector <selector>", "nodes by their labels, instead of by name");
