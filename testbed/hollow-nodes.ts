/** Hollow nodes: kubemark's kubelet, which registers and reports pods as running without a container runtime. Some 40 MB of memory each. */
import { readFileSync, writeFileSync } from "node:fs";
import type { ControlPlane } from "./control-plane.ts";

const FIRST_PORT = 20_000;
/** Each takes two, of 128 that many systems allow; one that gets none crashes again and again, which looks like a machine that is too small. */
const INOTIFY_LIMIT = "/proc/sys/fs/inotify/max_user_instances";
const INOTIFY_INSTANCES = 8192;
const OTHERS_INSTANCES = 64;

export async function startHollowNode(plane: ControlPlane, name: string, number: number): Promise<void> {
  allowInotify(number);
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

/** Raises the limit where so many nodes need it, until the machine starts again. */
function allowInotify(nodes: number): void {
  if (Number(readFileSync(INOTIFY_LIMIT, "utf8")) < OTHERS_INSTANCES + 2 * nodes) {
    writeFileSync(INOTIFY_LIMIT, String(INOTIFY_INSTANCES));
  }
}
