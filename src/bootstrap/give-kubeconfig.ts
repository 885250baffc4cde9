/**
 * Self-hosted, the controller manager and the scheduler find the API server by their service account. A static pod has none, so they get
 * the kubeconfig that recovery was given; `start` puts it on the node.
 */
import { containerIndexOf } from "../kube/component.ts";
import { addFlag, changeFlag, containerFlags, runsThroughShell } from "../kube/container-flags.ts";
import { objectsOf, textOf } from "../kube/fields.ts";
import type { JsonObject } from "../kube/object.ts";
import { BOOTSTRAP_SECRETS_DIR, type FixUpContext } from "./fix-up.ts";

/** Flags that name a kubeconfig: all of them stop the program when the file's token is not there. */
const KUBECONFIG_FLAGS = ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"];

export function giveKubeconfig(podSpec: JsonObject, context: FixUpContext): JsonObject {
  if (context.component !== "kube-controller-manager" && context.component !== "kube-scheduler") return podSpec;
  const index = containerIndexOf(context.component, podSpec);
  const containers = objectsOf(podSpec.containers);
  const container = containers[index];
  if (container === undefined) {
    context.note(
      "kubeconfig-not-set",
      "none of its containers is known to run the component: add --kubeconfig to the right one",
    );
    return podSpec;
  }
  const volume = freeName(
    "kubeconfig",
    objectsOf(podSpec.volumes).map((each) => textOf(each.name)),
  );
  const mounts = objectsOf(container.volumeMounts);
  const directory = freeName(
    "/kubeconfig",
    mounts.map((each) => textOf(each.mountPath)),
  );
  const path = `${directory}/kubeconfig`;
  const changed: JsonObject = {
    ...withFlags(container, path, context),
    volumeMounts: [...mounts, { mountPath: path, name: volume, readOnly: true }],
  };
  return {
    ...podSpec,
    containers: containers.map((each, i) => (i === index ? changed : each)),
    volumes: [
      ...objectsOf(podSpec.volumes),
      { name: volume, hostPath: { path: `${BOOTSTRAP_SECRETS_DIR}/kubeconfig`, type: "File" } },
    ],
  };
}

function withFlags(container: JsonObject, path: string, context: FixUpContext): JsonObject {
  let changed = container;
  for (const flag of KUBECONFIG_FLAGS) changed = changeFlag(changed, flag, () => path);
  if (containerFlags(changed).some((flag) => flag.name === "kubeconfig" && flag.value === path)) return changed;
  if (!runsThroughShell(changed)) return addFlag(changed, "kubeconfig", path);
  context.note("kubeconfig-not-set", `a shell starts it: add --kubeconfig=${path} to its script`);
  return changed;
}

function freeName(wanted: string, taken: readonly string[]): string {
  const used = new Set(taken);
  if (!used.has(wanted)) return wanted;
  for (let i = 2; ; i++) if (!used.has(`${wanted}-${i}`)) return `${wanted}-${i}`;
}
