/** Which cluster, by its API server. */
import { resolve } from "node:path";
import { MendError } from "../../errors/errors.ts";
import type { ClusterFlags } from "../../operations/cluster-access/open-cluster.ts";
import type { Host } from "../host.ts";
import { repeated, type ValuesOf, words } from "./flag.ts";
import { apiManners, REQUEST_TIMEOUT_FLAG } from "./request-timeout.ts";

export const CLUSTER_FLAGS = {
  kubeconfig: words(
    "--kubeconfig <file>",
    "how to reach the cluster (default: $KUBECONFIG, else ~/.kube/config, else /etc/kubernetes/admin.conf)",
  ),
  context: words("--context <name>", "of the kubeconfig (default: its current one)"),
  as: words("--as <user>", "ask as this user, who you may impersonate"),
  asGroup: repeated("--as-group <group>", "and as a member of this group"),
  requestTimeout: REQUEST_TIMEOUT_FLAG,
};

interface ClusterValues extends Omit<ValuesOf<typeof CLUSTER_FLAGS>, "as" | "asGroup"> {
  readonly as?: string | undefined;
  readonly asGroup?: readonly string[];
}

export function clusterFlags(
  host: Host,
  { kubeconfig, context, requestTimeout, as, asGroup = [] }: ClusterValues,
): ClusterFlags {
  if (as === undefined && asGroup.length > 0)
    throw new MendError("usage", "a group to ask as was given, and no user", { hint: "pass --as USER too" });
  return {
    ...(as !== undefined && { impersonate: { user: as, uid: undefined, groups: asGroup, extra: {} } }),
    kubeconfig: kubeconfig === undefined ? undefined : resolve(host.cwd, kubeconfig),
    context,
    variables: host.env,
    manners: apiManners(host, requestTimeout),
  };
}

export const NODE_SELECTOR_FLAG = words("-l, --selector <selector>", "nodes by their labels, instead of by name");
