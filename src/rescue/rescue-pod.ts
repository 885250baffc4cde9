/**
 * The rescue pod: the component's own template, bound to a node, and made so that no controller takes it for one of its
 * own and that it does not keep the permanent pod away. What differs from the template, and why, is in
 * docs/adr/0071-rescue-pods.md.
 */

import { containerIndexOf } from "../kube/component.ts";
import { flagValue } from "../kube/container-flags.ts";
import { mapObjects, objectOf, objectsOf, textOf, without } from "../kube/fields.ts";
import { withoutPorts } from "../kube/host-ports.ts";
import type { LeaseHolderName } from "../kube/lease.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { RUNTIME_ANNOTATIONS, SCHEDULING_FIELDS } from "../kube/pod-template.ts";
import { RESCUE_LABEL, TEMPLATE_ANNOTATION } from "./rescue-mark.ts";
import type { RescueTarget, RescueTemplate } from "./target.ts";

/** A pod's own sum of resources claims what the permanent pod needs, as those of its containers do. */
const DROPPED = [...SCHEDULING_FIELDS, "resources"];

const MASTER_TAINTS = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/** When it is taken away it makes way at once, for its port. */
const GRACE_SECONDS = 2;

function rescuePodName({ name }: Pick<RescueTarget, "name">): string {
  return `${name}-rescue`;
}

/**
 * @param serviceAccount undefined for one that is reached without: a kubeconfig on the node
 * @param options `withResources` leaves the containers' requests and limits, where a quota asks for them
 */
export function makeRescuePod(
  target: RescueTarget,
  template: RescueTemplate,
  node: KubeObject,
  serviceAccount: string | undefined,
  { withResources = false }: { readonly withResources?: boolean } = {},
): KubeObject {
  const modest = (container: JsonObject) => withoutClaims(container, withResources);
  const { podSpec } = template;
  const kept = Object.entries(template.annotations).filter(([key]) => RUNTIME_ANNOTATIONS.test(key));
  const spec: JsonObject = {
    ...mapObjects(mapObjects(without(podSpec, DROPPED), "containers", modest), "initContainers", modest),
    nodeName: node.metadata.name,
    ...(serviceAccount === undefined
      ? { automountServiceAccountToken: false }
      : { serviceAccountName: serviceAccount }),
    terminationGracePeriodSeconds: GRACE_SECONDS,
    tolerations: [...objectsOf(podSpec.tolerations), ...tolerationsFor(node, objectsOf(podSpec.tolerations))],
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: rescuePodName(target),
      namespace: target.namespace,
      labels: { [RESCUE_LABEL]: target.component },
      annotations: { ...Object.fromEntries(kept), [TEMPLATE_ANNOTATION]: template.title },
    },
    spec,
  };
}

/**
 * On the host network a declared port is the node's: while the rescue pod claims it, the scheduler would not put the
 * permanent one there. The same goes for CPU and memory.
 */
function withoutClaims(container: JsonObject, withResources: boolean): JsonObject {
  // Its last words are then in its status, also when its log is gone with it.
  return {
    ...without(withoutPorts(container), withResources ? [] : ["resources", "resizePolicy"]),
    terminationMessagePolicy: "FallbackToLogsOnError",
  };
}

function tolerationsFor(node: KubeObject, own: readonly JsonObject[]): JsonObject[] {
  const taints = objectsOf(objectOf(node.spec).taints).map(({ key }) => textOf(key));
  const tolerated = new Set(
    own.filter(({ operator, effect }) => operator === "Exists" && !effect).map(({ key }) => textOf(key)),
  );
  if (tolerated.has("")) return []; // everything
  const keys = [...new Set([...MASTER_TAINTS, ...taints])].filter((key) => key !== "" && !tolerated.has(key));
  return keys.map((key) => ({ key, operator: "Exists" }));
}

/**
 * The service account of the template: `default` where it names none, and undefined where the component has a
 * kubeconfig, so that it needs none.
 */
export function templateServiceAccount(component: LeaseHolderName, { podSpec }: RescueTemplate): string | undefined {
  const named = textOf(podSpec.serviceAccountName) || textOf(podSpec.serviceAccount);
  const container = objectsOf(podSpec.containers)[containerIndexOf(component, podSpec)];
  const hasKubeconfig = container !== undefined && flagValue(container, "kubeconfig") !== undefined;
  return named === "" && hasKubeconfig ? undefined : named || "default";
}
