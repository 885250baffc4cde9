/** Hollow nodes: kubemark's kubelet, which registers and reports pods as running without a container runtime. Some 40 MB of memory each. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { ControlPlane } from "./control-plane.ts";
import type { Kubernetes } from "./kubernetes.ts";
import { runForResult } from "./processes.ts";

const FIRST_PORT = 20_000;
/**
 * Each takes two, of 128 that many systems allow; one that gets none crashes again and again, which looks like a
 * machine that is too small.
 */
const INOTIFY_LIMIT = "/proc/sys/fs/inotify/max_user_instances";
const INOTIFY_INSTANCES = 8192;
const OTHERS_INSTANCES = 64;

export async function startHollowNode(plane: ControlPlane, name: string, number: number): Promise<void> {
  allowInotify(number);
  const kubeconfig = await plane.issueKubeconfig(name, `system:node:${name}`, ["system:nodes"]);
  const [temporary, programs] = [plane.bed.path("hollow", name), plane.bed.path("hollow-programs")];
  for (const directory of [temporary, programs]) mkdirSync(directory, { recursive: true });
  const command = [
    ...["unshare", "--mount", "--propagation=private", "sh", "-ec", OWN_TEMPORARY, "sh"],
    ...[dirname(plane.kubernetes.program("kubemark")), programs, temporary],
    "--morph=kubelet",
    `--name=${name}`,
    `--kubeconfig=${kubeconfig}`,
    `--kubelet-port=${FIRST_PORT + 2 * number}`,
    `--kubelet-read-only-port=${FIRST_PORT + 2 * number + 1}`,
    ...(await imageFlags(plane.kubernetes)),
  ];
  plane.bed.start(name, command, { restart: true }); // one of hundreds that crashes must not fail a bench
}

/**
 * Each leaves a directory in /tmp, whatever TMPDIR says, and older ones have a socket there whose name is the same for
 * all: each sees one of its own there, which goes with the bed.
 */
const OWN_TEMPORARY =
  'mount --bind "$1" "$2"; mount --bind "$3" /tmp; program="$2/kubemark"; shift 3; exec "$program" "$@"';

const known = new Map<string, Promise<readonly string[]>>();

/** Versions that know it ask a container runtime for images unless they are asked not to. */
function imageFlags(kubernetes: Kubernetes): Promise<readonly string[]> {
  const kubemark = kubernetes.program("kubemark");
  const flags =
    known.get(kubemark) ??
    runForResult([kubemark, "--help"]).then(({ stdout, stderr }) =>
      `${stdout}${stderr}`.includes("--use-host-image-service") ? ["--use-host-image-service=false"] : [],
    );
  known.set(kubemark, flags);
  return flags;
}

/** Raises the limit where so many nodes need it, until the machine starts again. */
function allowInotify(nodes: number): void {
  if (Number(readFileSync(INOTIFY_LIMIT, "utf8")) < OTHERS_INSTANCES + 2 * nodes) {
    writeFileSync(INOTIFY_LIMIT, String(INOTIFY_INSTANCES));
  }
}
