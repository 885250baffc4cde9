/**
 * A cluster's API server, found as kubectl finds it, and with failures that say what is wrong: certificates on both
 * sides, credentials, the way there.
 */

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { explainApiFailure } from "../../io/api-server/api-failure.ts";
import { unlessAbsent } from "../../io/api-server/api-lists.ts";
import type { ApiManners } from "../../io/api-server/api-manners.ts";
import { ClusterApi } from "../../io/api-server/cluster-api.ts";
import { type Impersonation, isHeaderText } from "../../io/api-server/impersonation.ts";
import { inClusterAccess } from "../../io/api-server/in-cluster.ts";
import { type ClusterAccess, readClusterAccess, withProxy } from "../../io/api-server/kubeconfig.ts";

/** What the command line and the environment say of the cluster that is meant. Paths are absolute. */
export interface ClusterFlags {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  /** The environment: `KUBECONFIG`, one path or several; `HOME`; proxies; what a pod has for its service account. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly manners?: ApiManners;
  /** As whom the API server is asked, instead of whom the kubeconfig names. */
  readonly impersonate?: Impersonation;
}

export type { ApiManners } from "../../io/api-server/api-manners.ts";

export interface OpenCluster {
  readonly api: ClusterApi;
  readonly access: ClusterAccess;
  /** Such as `v1.20.2`. */
  readonly version: string;
  /** 20 for 1.20. */
  readonly minor: number;
}

interface Asking {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds since the epoch, for the validity of certificates. */
  readonly now?: (() => number) | undefined;
}

/** Where kubeadm puts the administrator's kubeconfig: what there is on a master when nothing was said. */
const ADMIN_KUBECONFIG = "/etc/kubernetes/admin.conf";

/** The kubeconfigs that count: `--kubeconfig`, those of `$KUBECONFIG` that are there, the user's own. Undefined where there is none. */
export function chooseKubeconfigs({ kubeconfig, variables }: ClusterFlags): readonly string[] | undefined {
  if (kubeconfig !== undefined) return [kubeconfig];
  const named = (variables.KUBECONFIG ?? "").split(delimiter).filter((path) => path !== "");
  if (named.length > 0) {
    const there = named.filter((path) => existsSync(path));
    return there.length > 0 ? there : [defined(named[0])]; // opening it says what is wrong
  }
  const own = variables.HOME ? join(variables.HOME, ".kube/config") : undefined;
  return own !== undefined && existsSync(own) ? [own] : undefined;
}

/**
 * As whom the cluster is asked: by a kubeconfig, by the service account of the pod that this runs in, or by the
 * machine's own administrator. Throws `usage` where there is none of them, `config-invalid` and the like; asks no
 * server.
 */
export async function findClusterAccess(flags: ClusterFlags, asking: Asking = {}): Promise<ClusterAccess> {
  const access = await ownAccess(flags, asking);
  const { impersonate } = flags;
  if (impersonate === undefined) return access;
  if (![impersonate.user, ...impersonate.groups].every((text) => text !== "" && isHeaderText(text)))
    throw new MendError("usage", "the user or a group to ask as is empty, or has characters that cannot be sent");
  return { ...access, impersonate };
}

async function ownAccess(flags: ClusterFlags, asking: Asking): Promise<ClusterAccess> {
  const { variables } = flags;
  const options = { contextName: flags.context, signal: asking.signal, variables };
  const chosen = chooseKubeconfigs(flags);
  if (chosen !== undefined) return readClusterAccess(chosen, options);
  const pod = inClusterAccess(variables);
  if (pod !== undefined) return withProxy(pod, variables);
  if (existsSync(ADMIN_KUBECONFIG)) return readClusterAccess([ADMIN_KUBECONFIG], options);
  const usual = [...(variables.HOME ? [join(variables.HOME, ".kube/config")] : []), ADMIN_KUBECONFIG].join(" or ");
  throw new MendError("usage", `there is no kubeconfig: none was given, and there is none at ${usual}`, {
    hint: `pass ${input("kubeconfig")}, or set KUBECONFIG`,
  });
}

/** Opens the cluster, does something with it, and closes it. What fails on the way to the API server is thrown with its reason. */
export async function withCluster<T>(
  flags: ClusterFlags,
  asking: Asking,
  use: (cluster: OpenCluster) => Promise<T>,
): Promise<T> {
  const access = await findClusterAccess(flags, asking);
  const api = new ClusterApi(access, flags.manners);
  try {
    return await use({ api, access, ...(await readServerVersion(api, asking.signal)) });
  } catch (error) {
    asking.signal?.throwIfAborted();
    throw await explainApiFailure(error, access, asking.now?.());
  } finally {
    api.close();
  }
}

/** Throws `api-refused` where what answers is no Kubernetes API server. */
async function readServerVersion(
  api: ClusterApi,
  signal?: AbortSignal,
): Promise<{ readonly version: string; readonly minor: number }> {
  const answer = await unlessAbsent(api.request("GET", "/version", undefined, { signal }));
  const version = answer?.gitVersion;
  if (typeof version !== "string") {
    throw new MendError(
      "api-refused",
      `what answers at "${api.access.server.href.replace(/\/$/, "")}" is no Kubernetes API server`,
      {
        where: api.access.source,
        hint: "check the server in the kubeconfig",
      },
    );
  }
  return { version, minor: Number(/^v?1\.(\d+)/.exec(version)?.[1] ?? 0) };
}
