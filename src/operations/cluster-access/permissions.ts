/** Asks beforehand whether the user may do what a command is about to do, so that nothing ends half done for that. */

import { MendError } from "../../errors/errors.ts";
import { ApiError, type ClusterApi } from "../../io/api-server/cluster-api.ts";
import { objectOf, textOf } from "../../kube/fields.ts";

export interface Permission {
  readonly verb: string;
  readonly group?: string;
  readonly resource: string;
  readonly subresource?: string;
  /** Undefined: in all of them, or for what is in none. */
  readonly namespace?: string;
}

/** Undefined where it is allowed, and where the server cannot say: then trying tells. Else the reason, maybe empty. */
export async function whyNotAllowed(
  api: ClusterApi,
  permission: Permission,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const review = {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview",
    spec: { resourceAttributes: { ...permission } },
  };
  try {
    const answer = await api.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review, signal);
    const { allowed, reason } = objectOf(answer.status);
    return allowed === true ? undefined : textOf(reason);
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 403)) return undefined;
    throw error;
  }
}

/** Throws `api-denied` with what is missing. */
export async function demandPermission(api: ClusterApi, permission: Permission, signal?: AbortSignal): Promise<void> {
  const why = await whyNotAllowed(api, permission, signal);
  if (why !== undefined) throw denied(permission, why);
}

export function denied({ verb, resource, subresource, namespace }: Permission, why = ""): MendError {
  const what = subresource === undefined ? resource : `${resource}/${subresource}`;
  const where = namespace === undefined ? "" : ` in namespace "${namespace}"`;
  return new MendError(
    "api-denied",
    `you may not ${verb} ${what}${where}${why === "" ? "" : `: ${why}`}; nothing was changed`,
    { hint: "pass the kubeconfig of somebody who may, or have the permission granted" },
  );
}
