/** How a workload or a pod is recognised as a component of the control plane: by label, by name, by what it runs. */

import { defined } from "../errors/defined.ts";
import { commandLine } from "./container-flags.ts";
import { objectsOf, textOf } from "./fields.ts";
import type { JsonObject } from "./object.ts";

/** The programs that make a control plane, by the names that Kubernetes gives them. */
export type ComponentName = "etcd" | "kube-apiserver" | "kube-controller-manager" | "kube-scheduler";

/** What a self-hosted control plane runs as a DaemonSet or a Deployment. etcd is apart: it may be outside, or an EtcdCluster. */
export const WORKLOAD_COMPONENTS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] as const;

/** From the surest to the weakest. */
export const RECOGNISED_BY = ["label", "name", "command", "container"] as const;

export interface Recognition {
  readonly component: ComponentName;
  readonly by: (typeof RECOGNISED_BY)[number];
}

/** What `hyperkube` calls the programs, besides their own names. */
const HYPERKUBE_NAMES: Readonly<Record<string, ComponentName>> = {
  apiserver: "kube-apiserver",
  "controller-manager": "kube-controller-manager",
  scheduler: "kube-scheduler",
};
const COMPONENTS: ReadonlySet<string> = new Set<ComponentName>([
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
]);

/**
 * `k8s-app` counts before `component`, as in bootkube, which used `component` up to 0.4.2; kubeadm labels its static pods with `component`.
 * kubeadm's self-hosting (1.5 to 1.17) put `self-hosted-` before the names.
 */
export function recogniseComponent(
  labels: { readonly [name: string]: unknown },
  name: string,
  podSpec: JsonObject,
): Recognition | undefined {
  const byLabel = asComponent(labels["k8s-app"] || labels.component);
  if (byLabel !== undefined) return { component: byLabel, by: "label" };
  const byName = asComponent(name) ?? asComponent(withoutNode(name, textOf(podSpec.nodeName)));
  if (byName !== undefined) return { component: byName, by: "name" };
  for (const container of objectsOf(podSpec.containers)) {
    const component = programOf(container);
    if (component !== undefined) return { component, by: "command" };
  }
  for (const { name: container } of objectsOf(podSpec.containers)) {
    const component = asComponent(container);
    if (component !== undefined) return { component, by: "container" };
  }
  return undefined;
}

/** A mirror pod is named after its manifest and its node. */
function withoutNode(name: string, node: string): string {
  const suffix = `-${node.toLowerCase()}`;
  return node !== "" && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
}

/** The container that runs a component: the one of its name, else the one that starts its program, else the only one. */
export function containerIndexOf(component: ComponentName, podSpec: JsonObject): number {
  const containers = objectsOf(podSpec.containers);
  const named = containers.findIndex((container) => asComponent(container.name) === component);
  if (named >= 0) return named;
  const running = containers.findIndex((container) => programOf(container) === component);
  return running >= 0 || containers.length !== 1 ? running : 0;
}

/** The component that a container's command line starts, if any: its program may stand behind `flock`, `nice`, `hyperkube`, a shell. */
export function programOf(container: JsonObject): ComponentName | undefined {
  for (const argument of commandLine(container)) {
    for (const command of argument.split(/[;&|\n]+/)) {
      const program = programIn(command.trim().split(/\s+/));
      if (program !== undefined) return program;
    }
  }
  return undefined;
}

/** Programs that start another one, which stands behind their own flags. */
const LAUNCHERS: ReadonlySet<string> = new Set([
  ...[
    "ash",
    "bash",
    "busybox",
    "catatonit",
    "catchsegv",
    "chroot",
    "chrt",
    "command",
    "dumb-init",
    "env",
    "exec",
    "flock",
  ],
  ...[
    "go-runner",
    "gosu",
    "ionice",
    "nice",
    "nohup",
    "nsenter",
    "numactl",
    "prlimit",
    "setpriv",
    "setsid",
    "sh",
    "stdbuf",
  ],
  ...["su-exec", "sudo", "systemd-run", "taskset", "time", "timeout", "tini", "unshare", "watch-termination"],
]);
const ASSIGNMENT = /^[A-Za-z_]\w*=/;

/**
 * The program among the words before the first flag; behind a launcher, and before a `--`, flags are those of the
 * launcher. hyperkube's short names count alone, or right behind it.
 */
function programIn(all: readonly string[]): ComponentName | undefined {
  const words = all.filter((word, i) => !ASSIGNMENT.test(word) || i > all.findIndex((each) => !ASSIGNMENT.test(each)));
  let isLaunched = false;
  for (const [i, word] of words.entries()) {
    if (word.startsWith("-")) {
      if (!isLaunched && !words.includes("--", i)) return undefined;
      continue;
    }
    const program = baseName(word);
    if (COMPONENTS.has(program)) return program as ComponentName;
    if (words.length === 1 || (i > 0 && baseName(defined(words[i - 1])) === "hyperkube")) {
      const known = HYPERKUBE_NAMES[program];
      if (known !== undefined) return known;
    }
    isLaunched ||= LAUNCHERS.has(program);
  }
  return undefined;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function asComponent(name: unknown): ComponentName | undefined {
  const plain = typeof name === "string" ? name.replace(/^self-hosted-/, "") : "";
  return COMPONENTS.has(plain) ? (plain as ComponentName) : undefined;
}

/** The version in an image's tag, such as `v1.20.2` of `k8s.gcr.io/hyperkube:v1.20.2`; undefined for `latest`, a digest, no tag. */
export function imageVersion(image: string): string | undefined {
  const tag = /:([^/:@]+)(?:@|$)/.exec(image)?.[1];
  const version = tag === undefined ? null : /^v?(\d+\.\d+\.\d+\S*)/.exec(tag);
  return version === null ? undefined : `v${version[1]}`;
}

/** The image of the container that runs the component. */
export function componentImage(component: ComponentName, podSpec: JsonObject): string {
  return textOf(objectsOf(podSpec.containers)[containerIndexOf(component, podSpec)]?.image);
}
