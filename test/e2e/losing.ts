/** How the components of a self-hosted control plane are lost, and `kubemend rescue` is run against it as a user does, from outside. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { ControlPlane } from "../../testbed/control-plane.ts";
import { waitFor } from "../../testbed/wait.ts";
import { KUBEMEND } from "./rendered-cluster.ts";

export type Component = "kube-scheduler" | "kube-controller-manager";

const NAMESPACE = "/apis/apps/v1/namespaces/kube-system";
const PODS = "/api/v1/namespaces/kube-system/pods";

export const deploymentPath = (component: Component) => `${NAMESPACE}/deployments/${component}`;

/** Pods of the component's Deployment; its rescue pod is none of them. */
export function podsOf({ api }: ControlPlane, component: Component) {
  return api.list(`${PODS}?labelSelector=${encodeURIComponent(`k8s-app=${component}`)}`);
}

/**
 * Takes the pods of components away in a way that none comes back by itself: each is scaled to 0 while a controller
 * manager is there to see it, the controller manager last, and back to 1 when nobody is. `change` is a patch of the pod
 * templates meanwhile.
 */
export async function lose(plane: ControlPlane, components: readonly Component[], change: object = {}): Promise<void> {
  const ordered = (["kube-scheduler", "kube-controller-manager"] as const).filter((name) => components.includes(name));
  for (const component of ordered) {
    await plane.api.patch(deploymentPath(component), { spec: { replicas: 0 } });
    await waitFor(`the pods of ${component} to be gone`, async () => (await podsOf(plane, component)).length === 0, {
      seconds: 120,
    });
  }
  for (const component of ordered) {
    await plane.api.patch(deploymentPath(component), { spec: { replicas: 1, ...change } });
  }
}

export interface Rescued {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A signal that it gets as soon as it has told something that matches, after `first` was done. */
export interface Interruption {
  readonly reported: RegExp;
  readonly signal: NodeJS.Signals;
  readonly first?: () => void;
}

/** Runs `kubemend rescue`, by the administrator's kubeconfig unless another is given. */
export async function rescue(
  plane: Pick<ControlPlane, "kubeconfig">,
  args: readonly string[],
  at?: Interruption,
): Promise<Rescued> {
  const [program, ...rest] = [...KUBEMEND, "rescue", ...args, `--kubeconfig=${plane.kubeconfig}`];
  const child = spawn(program!, rest, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  let sent = false;
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
    if (sent || at === undefined || !at.reported.test(stderr)) return;
    sent = true;
    at.first?.();
    child.kill(at.signal);
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (process.env.KUBEMEND_E2E_STORY) process.stderr.write(`$ kubemend rescue ${args.join(" ")}\n${stderr}${stdout}\n`);
  return { code, stdout, stderr };
}

/** The rescue pods that are there. */
export async function rescuePods({ api }: ControlPlane): Promise<string[]> {
  const pods = await api.list(`${PODS}?labelSelector=${encodeURIComponent("kubemend/rescue-of")}`);
  return pods.filter(({ metadata }) => !metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
}
