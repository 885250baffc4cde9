/** Hollow nodes: kubemark's kubelet, which registers and reports pods as running without a container runtime. Some 40 MB of memory each. */
import type { ControlPlane } from "./control-plane.ts";

const FIRST_PORT = 20_000;

export async function startHollowNode(plane: ControlPlane, name: string, number: number): Promise<void> {
  const kubeconfig = await plane.issueKubeconfig(name, `system:node:${name}`, ["system:nodes"]);
  const command = [
    plane.kubernetes.program("kubemark"),
    "--morph=kubelet",
    `--name=${name}`,
    `--kubeconfig=${kubeconfig}`,
    `--kubelet-port=${FIRST_PORT + 2 * number}`,
    `--kubelet-read-only-port=${FIRST_PORT + 2 * number + 1}`,
  ];
  plane.bed.start(name, command, { restart: true }); // one of hundreds that crashes must not fail a bench
}
