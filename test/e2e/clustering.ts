/**
 * `kubemend cluster` on clusters that the real kubeadm has made, over the system's own ssh: run as from an
 * administrator's machine, cut off, and what is to be seen afterwards.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { ApiObject } from "../../testbed/api.ts";
import type { KubeadmCluster } from "../../testbed/kubeadm.ts";
import type { Node } from "../../testbed/node.ts";
import { GiveUp, waitFor } from "../../testbed/wait.ts";
import { webDeployment } from "./workloads.ts";

/** On the nodes as well, which see this machine's files. */
export const KUBEMEND = [process.execPath, join(import.meta.dirname, "../../src/cli/main.ts")];
export const ETCD_FLAGS = [
  "--cacert=/etc/kubernetes/pki/etcd/ca.crt",
  "--cert=/etc/kubernetes/pki/etcd/server.crt",
  "--key=/etc/kubernetes/pki/etcd/server.key",
];
const SERVICE = "10.96.0.80";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** An administrator's machine in the bed's network: `kubemend cluster` and the ssh that it uses. */
export interface Administrator {
  readonly bed: KubeadmCluster;
  readonly ssh: readonly string[];
  /** Runs on the administrator's machine. */
  readonly program: readonly string[];
  /** Runs on the nodes; undefined where the executable is carried there. */
  readonly nodeCommand: readonly string[] | undefined;
}

export async function administrator(bed: KubeadmCluster, executable?: string): Promise<Administrator> {
  const ssh = await bed.startSsh();
  if (executable === undefined) return { bed, ssh, program: KUBEMEND, nodeCommand: KUBEMEND };
  return { bed, ssh, program: [executable], nodeCommand: undefined };
}

function commandOf({ ssh, program, nodeCommand }: Administrator, words: readonly string[]): readonly string[] {
  const reach = ["--ssh-command", ssh.join(" ")];
  const onNodes = nodeCommand === undefined ? [] : ["--node-command", nodeCommand.join(" ")];
  return [...program, "cluster", ...words, ...reach, ...onNodes];
}

export async function cluster(by: Administrator, ...words: string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await by.bed.bed.runForResult(commandOf(by, words), { timeoutSeconds: 900 });
  return { code: code ?? -1, stdout, stderr };
}

/** A run of `kubemend cluster` while it goes on. */
export interface ClusterRun {
  readonly pid: number;
  /** Until it has said something that matches. */
  readonly reported: (text: RegExp) => Promise<unknown>;
}

/** Runs it and does something as soon as it says something that matches, such as ending it. */
export async function clusterUntil(
  by: Administrator,
  words: readonly string[],
  text: RegExp,
  act: (run: ClusterRun) => void | Promise<void>,
): Promise<Outcome> {
  const story = by.bed.bed.path("story.log");
  const pidFile = by.bed.bed.path("story.pid");
  for (const path of [story, pidFile]) rmSync(path, { force: true });
  const script = 'log="$1"; pid="$2"; shift 2; echo $$ >"$pid"; exec "$@" 2>"$log"';
  const command = ["sh", "-c", script, "sh", story, pidFile, ...commandOf(by, words)];
  const read = () => (existsSync(story) ? readFileSync(story, "utf8") : "");
  let isOver = false;
  const running = by.bed.bed.runForResult(command, { timeoutSeconds: 900 }).finally(() => {
    isOver = true;
  });
  const reported = (wanted: RegExp) =>
    waitFor(
      `it to say ${wanted}`,
      () => {
        if (wanted.test(read())) return true;
        if (isOver) throw new GiveUp(`it ended before it said ${wanted}:\n${read()}`);
        return false;
      },
      { seconds: 600, everyMilliseconds: 30, explain: read },
    );
  await reported(text);
  await act({ pid: Number(readFileSync(pidFile, "utf8")), reported });
  const { code, stdout } = await running;
  return { code: code ?? -1, stdout, stderr: read() };
}

/** Waits until ssh gets in, such as after a boot. */
export async function reachable({ bed, ssh }: Administrator, node: Node): Promise<void> {
  const command = [...ssh, "-o", "ConnectTimeout=5", node.address, "true"];
  await waitFor(`ssh to ${node.name}`, () => bed.bed.run(command, { timeoutSeconds: 10 }).then(() => true), {
    seconds: 120,
  });
}

export function nodeFlags(nodes: readonly Node[]): string[] {
  return nodes.map((node) => `--node=${node.name}=${node.address}`);
}

/** Fails with what it said. */
export function expectDone(outcome: Outcome): void {
  expect(outcome.code, outcome.stderr).toBe(0);
}

/** Saves a snapshot on a node and brings it to the administrator's machine. Returns its path there. */
export async function backUp(bed: KubeadmCluster, node: Node): Promise<string> {
  const path = "/root/backup.db";
  const endpoint = `https://${node.address}:2379`;
  await node.run([...KUBEMEND, "snapshot", "save", path, "--endpoints", endpoint, ...ETCD_FLAGS]);
  const outside = bed.bed.path("backup.db");
  await bed.bed.run(["sh", "-ec", `cat '${node.outsidePath(path)}' >'${outside}'`]);
  return outside;
}

/** Writes an object, through whichever API server answers first. */
export async function create(bed: KubeadmCluster, name: string, node?: Node): Promise<void> {
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" }, data: { name } };
  if (node === undefined) return bed.api.applyObject(object);
  const api = await bed.apiOf(node);
  try {
    await api.applyObject(object);
  } finally {
    api.close();
  }
}

/** Those of {@link create}, as one node's API server lists them. */
export async function created(bed: KubeadmCluster, node: Node): Promise<string[]> {
  const api = await bed.apiOf(node);
  try {
    const list = () => api.list("/api/v1/namespaces/default/configmaps");
    const items = await waitFor(`${node.name}'s API server to list`, list, { seconds: 120 });
    return items
      .map(({ metadata }) => metadata.name)
      .filter((name: string) => /^(before|after)-/.test(name))
      .sort();
  } finally {
    api.close();
  }
}

/** etcd's members as one of them lists them: names, sorted. */
export async function etcdMembers(node: Node): Promise<string[]> {
  const endpoint = `https://${node.address}:2379`;
  const list = await node.run([...KUBEMEND, "etcd", "members", "--endpoints", endpoint, ...ETCD_FLAGS, "-o", "json"]);
  const { members } = JSON.parse(list) as { members: { name: string; isLearner?: boolean }[] };
  return members.map(({ name, isLearner }) => (isLearner === true ? `${name} (learner)` : name)).sort();
}

/** Where it is, how it is, and why. */
function podText({ metadata, spec, status }: ApiObject): string {
  const waiting = (status.containerStatuses ?? []).map((each: ApiObject) => JSON.stringify(each.state));
  const conditions = (status.conditions ?? []).filter((each: ApiObject) => each.status !== "True");
  const why = conditions.map((each: ApiObject) => `${each.type}: ${each.message ?? each.reason ?? ""}`);
  return [metadata.name, spec.nodeName, status.phase, status.reason, ...waiting, ...why].filter(Boolean).join(" ");
}

/** Workers that serve, and one of them that asks all the time. */
export interface AskedService {
  /** How often it was answered, and when it was not. */
  end(): Promise<{ readonly answers: number; readonly failures: readonly string[] }>;
}

/** Starts a Deployment on the workers and asks its service five times a second from the first of them. */
export async function askService(bed: KubeadmCluster): Promise<AskedService> {
  const [worker] = bed.workers as [Node];
  const names = bed.workers.map(({ name }) => name);
  const affinity = `nodeSelector: {role: worker}`;
  for (const name of names) await bed.api.patch(`/api/v1/nodes/${name}`, { metadata: { labels: { role: "worker" } } });
  const deployment = webDeployment(2).replace("tolerations: [", `${affinity}\n      tolerations: [`);
  // On a busy machine a new API server answers its first requests late.
  await waitFor("the Deployment", () => bed.api.apply(deployment).then(() => true), { seconds: 180 });
  const ask = `timeout 3 busybox wget -qO- http://${SERVICE}`;
  const answers = () => worker.run(["sh", "-c", ask], { timeoutSeconds: 10 });
  const pods = async () => (await bed.api.list("/api/v1/pods")).map(podText).join("\n");
  const answering = (seconds: number) => waitFor("the service to answer", answers, { seconds, explain: pods });
  // While kubeadm's second member joined, etcd had no leader: a controller manager that watched then may never see the
  // service, and makes no endpoints for it.
  await answering(90).catch(async () => {
    for (const node of bed.controlPlanes) await node.killContainers("kube-controller-manager");
    await answering(300);
  });
  // Once more where it fails: a machine that is too busy for one request has not interrupted the service.
  const script =
    `while :; do if ${ask} >/dev/null || ${ask} >/dev/null; then echo answered; else echo "failed ` +
    `at $(date +%T)"; fi; sleep 0.2; done`;
  worker.startService("asker", ["sh", "-c", script]);
  const log = bed.bed.path("logs", `${worker.name}-asker.log`);
  return {
    async end() {
      await worker.stopService("asker");
      const lines = readFileSync(log, "utf8").split("\n");
      return {
        answers: lines.filter((line) => line === "answered").length,
        failures: lines.filter((line) => line.startsWith("failed")),
      };
    },
  };
}
