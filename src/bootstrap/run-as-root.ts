/**
 * The secrets that become files belong to root and are for root only, so the pod runs as root, whatever user its template or its image asks
 * for. bootkube cleared the user; that leaves the image's own.
 */
import { mapObjects, objectOf, without } from "../kube/fields.ts";
import type { JsonObject } from "../kube/object.ts";

const USER_FIELDS = ["runAsUser", "runAsGroup", "runAsNonRoot"];
const POD_USER_FIELDS = [
  ...USER_FIELDS,
  "fsGroup",
  "fsGroupChangePolicy",
  "supplementalGroups",
  "supplementalGroupsPolicy",
];

export function runAsRoot(podSpec: JsonObject): JsonObject {
  const securityContext = { ...without(objectOf(podSpec.securityContext), POD_USER_FIELDS), runAsUser: 0 };
  const fixed = mapObjects(mapObjects(podSpec, "initContainers", clearUser), "containers", clearUser);
  return { ...without(fixed, ["hostUsers"]), securityContext };
}

function clearUser(container: JsonObject): JsonObject {
  if (container.securityContext === undefined) return container;
  const rest = without(objectOf(container.securityContext), USER_FIELDS);
  const { securityContext: _, ...others } = container;
  return Object.keys(rest).length === 0 ? others : { ...others, securityContext: rest };
}
