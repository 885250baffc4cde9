/** `npm run testbed -- up|down|status|shell`: a real cluster on this machine, for developers who want one to break. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BEDS_DIRECTORY, listBeds, removeBed, removeLeftovers } from "./bed.ts";
import { startControlPlane } from "./control-plane.ts";
import { findKubernetes } from "./kubernetes.ts";
import { childrenOf, isSameProcess, markedProcesses } from "./processes.ts";
import { whyNoBed } from "./requirements.ts";

const USAGE = `usage: npm run testbed -- COMMAND

  up [--members N] [--nodes N] [--hollow N]   start a cluster and leave it running
  status                                      the clusters on this machine
  shell [ID] [NODE]                           a shell with kubectl set up, or on a node
  down [ID...]                                remove these clusters, or all

KUBEMEND_KUBERNETES names a directory of Kubernetes binaries or a multi-call binary; without it the official
release KUBEMEND_KUBERNETES_VERSION is downloaded once.
`;

/** What later commands need to know of a running cluster. */
interface ClusterRecord {
  readonly version: string;
  readonly kubeconfig: string;
  readonly kubectl: string;
  readonly nodes: readonly string[];
}

async function up(options: { members: number; nodes: number; hollow: number }): Promise<number> {
  const kubernetes = await findKubernetes();
  console.error(`starting Kubernetes ${kubernetes.version} with ${options.members} etcd member(s)`);
  const plane = await startControlPlane({ kubernetes, members: options.members, keep: true });
  const { bed } = plane;
  try {
    const nodes = Array.from({ length: options.nodes }, (_, i) => `node${i + 1}`);
    for (const name of nodes) {
      console.error(`starting ${name}`);
      await plane.addNode(name);
    }
    if (options.hollow > 0) {
      console.error(`starting ${options.hollow} hollow node(s)`);
      await plane.addHollowNodes(options.hollow);
    }
    const kubectl = kubernetes.program("kubectl");
    const record: ClusterRecord = { version: kubernetes.version, kubeconfig: plane.kubeconfig, kubectl, nodes };
    writeFileSync(bed.path("cluster.json"), JSON.stringify(record));
    bed.forwarder.release();
    plane.api.close();
    console.error(`${bed.id} is up. Its kubeconfig:`);
    console.log(plane.kubeconfig);
    return 0;
  } catch (error) {
    bed.remove();
    throw error;
  }
}

function status(): number {
  const beds = listBeds();
  if (beds.length === 0) console.error("no cluster is up");
  for (const { id, owner } of beds) {
    const cluster = recordOf(id);
    const owned =
      owner === null ? "stays until down" : `of process ${owner.pid}${isSameProcess(owner) ? "" : ", which is gone"}`;
    console.log(`${id}  ${cluster?.version ?? "incomplete"}  ${owned}`);
    const names = new Set(markedProcesses(id).map(({ name }) => name));
    console.log(`  running: ${[...names].sort().join(", ") || "nothing"}`);
    if (cluster) console.log(`  kubeconfig: ${cluster.kubeconfig}`);
    console.log(`  logs: ${join(BEDS_DIRECTORY, id, "logs")}`);
  }
  return 0;
}

function shell(words: readonly string[]): number {
  const beds = listBeds();
  const id = words.find((word) => beds.some((bed) => bed.id === word)) ?? beds[0]?.id;
  const node = words.find((word) => word !== id);
  const cluster = id === undefined ? undefined : recordOf(id);
  if (id === undefined || cluster === undefined) throw new Error("no cluster is up: run `npm run testbed -- up`");
  const inside = node === undefined ? [] : [...enterNode(id, node), "--"];
  const env = {
    ...process.env,
    KUBECONFIG: node === undefined ? cluster.kubeconfig : join(cluster.kubeconfig, "../admin-inside.kubeconfig"),
    PATH: `${join(cluster.kubectl, "..")}:${process.env.PATH ?? ""}`,
    PS1: `${node ?? id} # `,
  };
  const [file, ...args] = [...inside, "sh"];
  return spawnSync(file!, args, { stdio: "inherit", env }).status ?? 1;
}

/** The way into a node that another process has started. */
function enterNode(id: string, node: string): string[] {
  const machine = markedProcesses(id).find(
    ({ name, pid }) => name === `${node}-machine` && readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "unshare",
  );
  const init = machine && childrenOf(machine.pid)[0];
  if (init === undefined) throw new Error(`cluster "${id}" has no running node "${node}"`);
  return ["nsenter", `--target=${init}`, "--mount", "--net", "--pid", "--ipc", "--uts"];
}

function down(ids: readonly string[]): number {
  const kept = listBeds().filter(({ owner }) => owner === null);
  for (const id of ids.length > 0 ? ids : kept.map((bed) => bed.id)) {
    removeBed(id);
    console.error(`${id} is down`);
  }
  for (const id of removeLeftovers()) console.error(`${id}, a leftover, is removed`);
  return 0;
}

function recordOf(id: string): ClusterRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(BEDS_DIRECTORY, id, "cluster.json"), "utf8")) as ClusterRecord;
  } catch {
    return undefined;
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      members: { type: "string", default: "1" },
      nodes: { type: "string", default: "1" },
      hollow: { type: "string", default: "0" },
      help: { type: "boolean", short: "h" },
    },
  });
  const [command, ...words] = positionals;
  const why = whyNoBed();
  if (command !== undefined && why !== undefined) throw new Error(why);
  switch (values.help ? undefined : command) {
    case "up":
      return up({ members: Number(values.members), nodes: Number(values.nodes), hollow: Number(values.hollow) });
    case "status":
      return status();
    case "shell":
      return shell(words);
    case "down":
      return down(words);
    default:
      console.error(USAGE);
      return values.help ? 0 : 2;
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
