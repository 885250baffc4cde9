/** A cluster's API server, found as kubectl finds it, and with failures that say what is wrong: certificates on both sides, credentials, the way there. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { explainApiFailure } from "../../io/api-server/api-failure.ts";
import { unlessAbsent } from "../../io/api-server/api-lists.ts";
import { ClusterApi } from "../../io/api-server/cluster-api.ts";
import { type ClusterAccess, readClusterAccess } from "../../io/api-server/kubeconfig.ts";

/** What the command line and the environment say of the cluster that is meant. Paths are absolute. */
export interface ClusterFlags {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  /** `$KUBECONFIG`: one path, or several. */
  readonly environment: string | undefined;
  /** `$HOME`. */
  readonly home: string | undefined;
}

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

/** The kubeconfig that counts: `--kubeconfig`, the first there is of `$KUBECONFIG`, the user's own, the machine's. Throws `usage` where there is none. */
export function chooseKubeconfig({ kubeconfig, environment, home }: ClusterFlags): string {
  if (kubeconfig !== undefined) return kubeconfig;
  const named = (environment ?? "").split(delimiter).filter((path) => path !== "");
  if (named.length > 0) return named.find((path) => existsSync(path)) ?? named[0]!; // opening it says what is wrong
  const usual = [...(home ? [join(home, ".kube/config")] : []), ADMIN_KUBECONFIG];
  const found = usual.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new MendError("usage", `there is no kubeconfig: none was given, and there is none at ${usual.join(" or ")}`, {
    hint: "pass --kubeconfig, or set KUBECONFIG",
  });
}

/** As whom the cluster is asked. Throws `config-invalid` and the like; asks no server. */
export function findClusterAccess(flags: ClusterFlags, asking: Asking = {}): Promise<ClusterAccess> {
  return readClusterAccess(chooseKubeconfig(flags), flags.context, asking.signal);
}

/** Opens the cluster, does something with it, and closes it. What fails on the way to the API server is thrown with its reason. */
export async function withCluster<T>(
  flags: ClusterFlags,
  asking: Asking,
  use: (cluster: OpenCluster) => Promise<T>,
): Promise<T> {
  const access = await findClusterAccess(flags, asking);
  const api = new ClusterApi(access);
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
export async function readServerVersion(
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
