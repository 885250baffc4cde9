/** Why a pod was not removed, in the form of kubectl's messages. */
import { namespacedName } from "../../kube/names.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { RemovalFailure } from "../../nodes/removal-state.ts";

export interface FailureContext {
  readonly isEviction: boolean;
  /** Such as `5m0s`. */
  readonly timeoutText: string;
  /** As far as they are known. */
  readonly budgets: readonly KubeObject[];
}

export function failureText({ metadata }: KubeObject, failure: RemovalFailure, context: FailureContext): string {
  const { name, namespace } = metadata;
  const verb = context.isEviction ? "evicting" : "deleting";
  const whileAsking = `error when ${verb} pods/"${name}" -n "${namespace}"`;
  switch (failure.because) {
    case "answer": {
      const names = context.budgets.map(namespacedName).join(", ");
      return `${whileAsking}: ${failure.message}${context.budgets.length > 1 ? ` (budgets: ${names})` : ""}`;
    }
    case "refused":
      return `error when evicting pods/"${name}" -n "${namespace}": ${failure.message}`;
    case "timeout": {
      const reached = `global timeout reached: ${context.timeoutText}`;
      return failure.wasTerminating
        ? `error when waiting for pod "${name}" in namespace "${namespace}" to terminate: ${reached}`
        : `${whileAsking}: ${reached}`;
    }
    case "still-listed":
      return `pod "${namespace}/${name}" is gone by what the API server's watch says, and is there by what its list says`;
  }
}
