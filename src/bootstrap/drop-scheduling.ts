/**
 * Nobody schedules a static pod, and the kubelet would turn it away over a node label that it cannot ask for (it checks
 * node selectors and affinity at admission). A service account has no token without an API server, and newer kubelets
 * refuse static pods that name API objects.
 */
import { mapObjects, objectOf, objectsOf, textOf, without } from "../kube/fields.ts";
import type { JsonObject } from "../kube/object.ts";
import { SCHEDULING_FIELDS } from "../kube/pod-template.ts";
import type { FixUpContext } from "./fix-up.ts";

export function dropScheduling(podSpec: JsonObject, context: Pick<FixUpContext, "note">): JsonObject {
  const pullSecrets = objectsOf(podSpec.imagePullSecrets).map((each) => `"${textOf(each.name)}"`);
  if (pullSecrets.length > 0) {
    context.note(
      "pull-secrets-dropped",
      `its image is pulled with the secret ${pullSecrets.join(", ")}, which a static pod cannot use: have ` +
        "the image on the node, or the credentials in the container runtime",
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
  for (const volume of objectsOf(podSpec.volumes)) noteReferences(volume, context);
  const claims = [...claimsOf(podSpec.containers), ...claimsOf(podSpec.initContainers)];
  if (claims.length > 0) {
    context.note(
      "resource-claims-dropped",
      `its containers use the resource claims ${[...new Set(claims)].map((name) => `"${name}"`).join(", ")}, ` +
        "which a static pod may not have: they are dropped, and it runs without those devices",
    );
  }
  const spec = without(podSpec, [
    ...SCHEDULING_FIELDS,
    "automountServiceAccountToken",
    "imagePullSecrets",
    "runtimeClassName",
  ]);
  return mapObjects(mapObjects(spec, "containers", withoutResourceClaims), "initContainers", withoutResourceClaims);
}

/**
 * Where a volume of each kind names a secret (k8s.io/kubernetes/pkg/api/v1/pod, `VisitPodSecretNames`); those of
 * secrets themselves become files.
 */
const SECRET_FIELDS: readonly (readonly [volume: string, field: string])[] = [
  ["azureFile", "secretName"],
  ["cephfs", "secretRef"],
  ["cinder", "secretRef"],
  ["csi", "nodePublishSecretRef"],
  ["flexVolume", "secretRef"],
  ["iscsi", "secretRef"],
  ["rbd", "secretRef"],
  ["scaleIO", "secretRef"],
  ["storageos", "secretRef"],
];

/** The API server refuses the mirror pod of a static pod that refers to an object, and newer kubelets do not start it. */
function noteReferences(volume: JsonObject, context: Pick<FixUpContext, "note">): void {
  const title = `its volume "${textOf(volume.name)}"`;
  for (const [kind, field] of SECRET_FIELDS) {
    const reference = objectOf(volume[kind])[field];
    const secret = textOf(reference) || textOf(objectOf(reference).name);
    if (secret === "") continue;
    context.note(
      "volume-secret",
      `${title} (${kind}) needs the secret "${secret}" by ${field}, which a static pod may not refer to: its ` +
        "mirror pod is refused, and the volume cannot be mounted without an API server",
    );
  }
  if (Object.keys(objectOf(volume.ephemeral)).length > 0) {
    context.note("volume-claim", `${title} is a claim that is made for the pod, which a static pod cannot mount`);
  }
}

function claimsOf(containers: JsonObject[string]): string[] {
  return objectsOf(containers).flatMap(({ resources }) =>
    objectsOf(objectOf(resources).claims).map(({ name }) => textOf(name)),
  );
}

function withoutResourceClaims(container: JsonObject): JsonObject {
  const resources = objectOf(container.resources);
  return resources.claims === undefined ? container : { ...container, resources: without(resources, ["claims"]) };
}
