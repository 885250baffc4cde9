/**
 * Nobody schedules a static pod, and the kubelet would turn it away over a node label that it cannot ask for (it checks node selectors and
 * affinity at admission). A service account has no token without an API server, and newer kubelets refuse static pods that name API objects.
 */
import { objectOf, objectsOf, textOf, without } from "../kube/fields.ts";
import type { JsonObject } from "../kube/object.ts";
import { SCHEDULING_FIELDS } from "../kube/pod-template.ts";
import type { FixUpContext } from "./fix-up.ts";

export function dropScheduling(podSpec: JsonObject, context: Pick<FixUpContext, "note">): JsonObject {
  const pullSecrets = objectsOf(podSpec.imagePullSecrets).map((each) => `"${textOf(each.name)}"`);
  if (pullSecrets.length > 0) {
    context.note(
      "pull-secrets-dropped",
      `its image is pulled with the secret ${pullSecrets.join(", ")}, which a static pod cannot use: have the image on the node, or the credentials in the container runtime`,
    );
  }
  if (podSpec.runtimeClassName !== undefined && podSpec.runtimeClassName !== null) {
    context.note(
      "runtime-class-dropped",
      `its runtime class "${textOf(podSpec.runtimeClassName)}" is dropped: it runs with the default one`,
    );
  }
  for (const volume of objectsOf(podSpec.volumes)) {
    if (volume.persistentVolumeClaim !== undefined && volume.persistentVolumeClaim !== null) {
      const claim = textOf(objectOf(volume.persistentVolumeClaim).claimName);
      context.note(
        "volume-claim",
        `its volume "${textOf(volume.name)}" is the claim "${claim}", which a static pod cannot mount`,
      );
    }
  }
  return without(podSpec, [
    ...SCHEDULING_FIELDS,
    "automountServiceAccountToken",
    "imagePullSecrets",
    "runtimeClassName",
  ]);
}
