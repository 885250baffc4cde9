/** What the tests of draining run on their clusters of hollow nodes, and how kubemend and kubectl are run beside each other. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type ControlPlane, conditionOf } from "../../testbed/control-plane.ts";
import type { Kubernetes } from "../../testbed/kubernetes.ts";
import { type RunResult, runForResult } from "../../testbed/processes.ts";
import { waitFor } from "../../testbed/wait.ts";

const KUBEMEND = join(import.meta.dirname, "../../src/cli/main.ts");

/** The command line in a process of its own, as the administrator unless told. */
export function kubemendNode(
  plane: ControlPlane,
  args: readonly string[],
  kubeconfig = plane.kubeconfig,
): Promise<RunResult> {
  return runForResult([process.execPath, KUBEMEND, "node", ...args, "--kubeconfig", kubeconfig], {
    timeoutSeconds: 300,
  });
}

export function kubectlResult(plane: ControlPlane, args: readonly string[], program?: string): Promise<RunResult> {
  const kubectl = program ?? plane.kubernetes.program("kubectl");
  return runForResult([kubectl, `--kubeconfig=${plane.kubeconfig}`, ...args], { timeoutSeconds: 300 });
}

export interface WorkloadOptions {
  readonly replicas: number;
  /** Where its pods may run; anywhere unless given. */
  readonly nodes?: readonly string[];
  readonly kind?: "Deployment" | "StatefulSet" | "DaemonSet";
  readonly namespace?: string;
  /** More of the pod's spec, in YAML's flow style: `volumes: [...]`. */
  readonly spec?: string;
}

/** Pods that end within a second. */
export function workload(name: string, options: WorkloadOptions): string {
  const { replicas, nodes, kind = "Deployment", namespace = "default", spec = "" } = options;
  const affinity =
    nodes &&
    "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: " +
      `[{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [${nodes.join(", ")}]}]}]}}}`;
  return `
apiVersion: apps/v1
kind: ${kind}
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  ${kind === "DaemonSet" ? "" : `replicas: ${replicas}`}
  ${kind === "StatefulSet" ? `serviceName: ${name}\n  podManagementPolicy: Parallel` : ""}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      terminationGracePeriodSeconds: 1
      ${affinity ?? ""}
      ${spec}
      containers: [{name: web, image: "kubemend.test/web:1", imagePullPolicy: IfNotPresent}]
`;
}

export function barePod(name: string, node: string, metadata = ""): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: default, labels: {app: ${name}}${metadata}}
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 1
  containers: [{name: web, image: "kubemend.test/web:1", imagePullPolicy: IfNotPresent}]
`;
}

/** The group of budgets: `v1` came with 1.21, and `v1beta1` went with 1.25. */
export function policyOf({ minor }: Kubernetes): string {
  return minor >= 21 ? "policy/v1" : "policy/v1beta1";
}

export function budget(kubernetes: Kubernetes, name: string, rule: string): string {
  return `
apiVersion: ${policyOf(kubernetes)}
kind: PodDisruptionBudget
metadata: {name: ${name}, namespace: default}
spec: {${rule}, selector: {matchLabels: {app: ${name}}}}
`;
}

/** Names of the pods on a node that are not on their way out, sorted. */
export async function podsOn(plane: ControlPlane, node: string): Promise<string[]> {
  const pods = await plane.api.list(`/api/v1/pods?fieldSelector=spec.nodeName%3D${node}`);
  return pods
    .filter(({ metadata }) => !metadata.deletionTimestamp)
    .map(({ metadata }) => String(metadata.name))
    .sort();
}

/** Pods told of by lines such as `evicting pod default/web-1`, without the parts that are made up. */
export function evictedPods(stdout: string): string[] {
  return [...stdout.matchAll(/^evicting pod (\S+)/gm)]
    .map(([, key]) => key!.replace(/-[a-z0-9]+-[a-z0-9]{5}$/, ""))
    .sort();
}

/** Takes away what runs in `default`, other than DaemonSets. */
export async function removeWorkloads(plane: ControlPlane): Promise<void> {
  await plane.kubectl(
    "delete",
    "deployments,statefulsets,poddisruptionbudgets,horizontalpodautoscalers",
    "--all",
    "--wait=false",
  );
  const path = "/api/v1/namespaces/default/pods";
  await waitFor(
    "the pods to go",
    async () => {
      const pods = (await plane.api.list(path)).filter(
        ({ metadata }) => metadata.ownerReferences?.[0]?.kind !== "DaemonSet",
      );
      for (const { metadata } of pods) {
        if (metadata.finalizers) await plane.api.patch(`${path}/${metadata.name}`, { metadata: { finalizers: null } });
        if (!metadata.ownerReferences) await plane.api.delete(`${path}/${metadata.name}`, { gracePeriodSeconds: 0 });
      }
      return pods.length === 0;
    },
    { seconds: 90, everyMilliseconds: 250 },
  );
}

/** Waits until a namespace's deployments and the like have what they want, and nothing is ending. */
export function settled(plane: ControlPlane, namespace = "default"): Promise<unknown> {
  return waitFor(
    `everything in "${namespace}" to settle`,
    async () => {
      const pods = await plane.api.list(`/api/v1/namespaces/${namespace}/pods`);
      const isQuiet = pods.every((pod) => !pod.metadata.deletionTimestamp && conditionOf(pod, "Ready") === "True");
      const owners = (
        await Promise.all(
          ["deployments", "statefulsets", "daemonsets"].map((kind) =>
            plane.api.list(`/apis/apps/v1/namespaces/${namespace}/${kind}`),
          ),
        )
      ).flat();
      return (
        isQuiet &&
        owners.every(({ status, spec, metadata }) => {
          const isSeen = (status.observedGeneration ?? 0) >= metadata.generation;
          const wanted = spec.replicas ?? status.desiredNumberScheduled;
          return isSeen && wanted === (status.readyReplicas ?? status.numberReady ?? 0);
        })
      );
    },
    { seconds: 90, everyMilliseconds: 250 },
  );
}

/** A command that is watched while it runs. */
export function startNode(plane: ControlPlane, args: readonly string[]) {
  const child = spawn(process.execPath, [KUBEMEND, "node", ...args, "--kubeconfig", plane.kubeconfig]);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number, stdout, stderr }));
  return {
    ended,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    reported: (text: RegExp) =>
      waitFor(`"node ${args[0]}" to say ${text}`, () => text.test(stdout + stderr), {
        seconds: 90,
        explain: () => stdout + stderr,
      }),
  };
}
