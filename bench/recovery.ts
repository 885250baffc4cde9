/**
 * `kubemend cluster restore` beside the same done by hand (recovery-by-hand.ts), in turns, on one cluster of three
 * control-plane nodes and a worker that the real kubeadm has made. Before each, etcd's data is deleted on all nodes.
 * Seconds from the first command until etcd has a quorum, an API server has the backup's objects, and all pods run:
 * leases of nodes and controllers renewed since, every pod Ready; and when kubemend began each of its steps.
 *
 * usage: sudo npm run bench:recovery -- [--runs 2] [--json FILE]   (needs what the end-to-end tests need, docs/testbed.md)
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Api, ApiObject } from "../testbed/api.ts";
import { startKubeadm } from "../testbed/kubeadm.ts";
import type { Node } from "../testbed/node.ts";
import { waitFor } from "../testbed/wait.ts";
import { recordTable } from "./record.ts";

const { values } = parseArgs({ options: { runs: { type: "string", default: "2" }, json: { type: "string" } } });
const KUBEMEND = [process.execPath, join(import.meta.dirname, "../src/cli/main.ts")];
const BY_HAND = [process.execPath, join(import.meta.dirname, "recovery-by-hand.ts")];
const PKI = "/etc/kubernetes/pki/etcd";
const MARK = "/api/v1/namespaces/default/configmaps/before-1";
const LOOK_MS = 250;
/** Scheduler and controller manager hold leases. */
const COMPONENTS = 2;
const MILESTONES = [
  "etcd has a quorum",
  "the API server has the backup's objects",
  "all pods run",
  "the command has ended",
] as const;

interface Run {
  /** Seconds from the first command, as {@link MILESTONES}. */
  readonly reached: readonly number[];
  /** When each step began, in whole seconds, as kubemend reports it. */
  readonly steps: ReadonlyMap<string, number>;
}

const table = recordTable(["seconds from the first command", "kubemend", "by hand", "kubemend / it"], {
  file: values.json,
});
await using bed = await startKubeadm({ controlPlanes: 3, workers: 1 });
const [first] = bed.controlPlanes as [Node];
const ssh = (await bed.startSsh()).join(" ");
await bed.api.apply(deployment());
await waitFor("the pods to run", () => allRun(bed.api, 0), { seconds: 180 });
await bed.api.applyObject({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "before-1", namespace: "default" },
});
const backup = await backUp();

const ways: readonly (readonly string[])[] = [
  [
    ...KUBEMEND,
    ...["cluster", "restore", backup, "--yes"],
    ...["--ssh-command", ssh, "--node-command", KUBEMEND.join(" ")],
  ],
  [
    ...BY_HAND,
    ...[bed.kubernetes.program("kubectl"), backup, ssh],
    ...bed.controlPlanes.map(({ name, address }) => `${name}=${address}`),
  ],
];
const runs: Run[][] = ways.map(() => []);
for (let i = 0; i < Number(values.runs); i++) {
  for (const [way, command] of ways.entries()) {
    await loseEverything();
    const run = await timed(command);
    console.error(JSON.stringify(run.reached));
    runs[way]!.push(run);
    await waitFor("the cluster to be calm", () => allRun(bed.api, Date.now() - 20_000), { seconds: 180 });
    await sleep(20_000);
  }
}
const [own, other] = runs as [Run[], Run[]];
MILESTONES.forEach((text, i) => {
  const [mine, theirs] = [own, other].map((each) => each.map(({ reached }) => reached[i]!)) as [number[], number[]];
  table.add(text, texts(mine), texts(theirs), (median(mine) / median(theirs)).toFixed(2));
});
for (const step of own[0]?.steps.keys() ?? [])
  table.add(`kubemend: ${step}`, own.map(({ steps }) => steps.get(step) ?? "").join(", "), "", "");
table.end(
  `Kubernetes ${bed.kubernetes.version}, a snapshot of an empty cluster, runs of each, in turns: ${values.runs}`,
);

async function timed(command: readonly string[]): Promise<Run> {
  const began = Date.now();
  const seconds = () => Math.round((Date.now() - began) / 100) / 10;
  const running = bed.bed.runForResult(command, { timeoutSeconds: 900 }).then(({ code, stdout, stderr }) => {
    if (code !== 0) throw new Error(`it ends with ${code}: ${stderr}${stdout}`);
    return { ended: seconds(), steps: stepsIn(stderr) };
  });
  const over = running.then(() => {});
  const { api } = bed;
  const looks = [hasQuorum, () => api.get(MARK), () => allRun(api, began)].map((look) =>
    until(look, over).then(seconds),
  );
  const reached = await Promise.all(looks);
  const { ended, steps } = await running;
  return { reached: [...reached, ended], steps };
}

/** Looks until it is so, or what is measured has failed. What cannot be asked yet is not so. */
async function until(look: () => Promise<unknown>, over: Promise<void>): Promise<void> {
  let failure: unknown;
  over.catch((error: unknown) => {
    failure = error;
  });
  for (;;) {
    if (failure !== undefined) throw failure;
    if ((await look().catch(() => false)) !== false) return;
    await sleep(LOOK_MS);
  }
}

/** When the first node began each step, of lines such as `   4 s  m1: proving etcd`. */
function stepsIn(report: string): Map<string, number> {
  const steps = new Map<string, number>();
  for (const [, second, step] of report.matchAll(
    /^ *(\d+) s {2}m\d: ((?:carrying|stopping|putting|starting|proving) .*)$/gm,
  ))
    if (!steps.has(step!)) steps.set(step!, Number(second));
  return steps;
}

/** Two members at least that answer a read of the quorum: one alone is an etcd that began anew on an empty disk. */
async function hasQuorum(): Promise<boolean> {
  const endpoints = bed.controlPlanes.map(({ address }) => `https://${address}:2379`).join(",");
  const tls = [`--cacert=${PKI}/ca.crt`, `--cert=${PKI}/server.crt`, `--key=${PKI}/server.key`];
  const words = ["etcdctl", `--endpoints=${endpoints}`, ...tls, "--command-timeout=2s", "endpoint", "health"];
  const { stdout, stderr } = await first.runForResult(words, { env: { ETCDCTL_API: "3" }, timeoutSeconds: 10 });
  return (`${stdout}${stderr}`.match(/is healthy/g) ?? []).length >= 2;
}

/** The nodes are there, their leases and both components' were renewed since then, and every pod is Ready. */
async function allRun(api: Api, since: number): Promise<boolean> {
  const leases = await api.list("/apis/coordination.k8s.io/v1/leases");
  const of = (namespace: string) => leases.filter(({ metadata }) => metadata.namespace === namespace);
  const [components, nodes] = [of("kube-system"), of("kube-node-lease")];
  // An etcd that began anew on an empty disk has none of them.
  if (components.length < COMPONENTS || nodes.length < bed.nodes.length) return false;
  if (![...components, ...nodes].every(({ spec }) => Date.parse(spec.renewTime) > since)) return false;
  const pods = await api.list("/api/v1/pods");
  return (
    pods.length > 0 &&
    pods.every(({ status }) =>
      status.conditions?.some((each: ApiObject) => each.type === "Ready" && each.status === "True"),
    )
  );
}

/** The disks of all three members are empty, and nothing answers any more. */
async function loseEverything(): Promise<void> {
  for (const node of bed.controlPlanes) {
    await node.run(["sh", "-ec", "rm -rf /var/lib/etcd/member /root/old /root/kept; pkill -KILL -x etcd || true"]);
  }
  const isLost = () =>
    bed.api.get(MARK).then(
      () => false,
      () => true,
    );
  await waitFor("the cluster to be lost", isLost, { seconds: 60 });
}

async function backUp(): Promise<string> {
  const flags = [`--cacert=${PKI}/ca.crt`, `--cert=${PKI}/server.crt`, `--key=${PKI}/server.key`];
  const endpoint = `--endpoints=https://${first.address}:2379`;
  await first.run([...KUBEMEND, "snapshot", "save", "/root/saved.db", endpoint, ...flags]);
  const outside = bed.bed.path("backup.db");
  await bed.bed.run(["sh", "-ec", `cat '${first.outsidePath("/root/saved.db")}' >'${outside}'`]);
  return outside;
}

function deployment(): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      tolerations: [{operator: Exists}]
      containers: [{name: web, image: "kubemend.test/web:1", imagePullPolicy: IfNotPresent}]
`;
}

function texts(values: readonly number[]): string {
  return values.map((each) => each.toFixed(1)).join(", ");
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}
