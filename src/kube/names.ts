/** Names of objects as keys and in messages. */
import type { KubeObject } from "./object.ts";

/** `NAMESPACE/NAME`; an object of the whole cluster has an empty namespace: `/NAME`. */
export function namespacedName({ metadata }: Pick<KubeObject, "metadata">): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
