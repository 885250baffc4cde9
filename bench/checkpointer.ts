/**
 * `node bench/checkpointer.ts [PROGRAM] [--parents 10] [--seconds 120] [--json FILE]`: what the node agent costs at rest, on a node
 * of the test bed with that many checkpoints: its memory and its share of a core, and how long an activation takes from
 * knowing. PROGRAM is the single executable (`npm run build:exe`), or `dist/kubemend.js` (`npm run build`), which Node
 * runs. Needs root, as the end-to-end tests do.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { AGENT_NODE_OPTIONS } from "../src/bootstrap/cluster/checkpointer-manifests.ts";
import { AGENT_KUBECONFIG, parentWeb, prepareCheckpointer } from "../test/e2e/checkpointing.ts";
import { startControlPlane } from "../testbed/control-plane.ts";
import type { Node } from "../testbed/node.ts";
import { childrenOf } from "../testbed/processes.ts";
import { waitFor } from "../testbed/wait.ts";
import { cpuSeconds, memoryOf } from "./at-rest.ts";
import { recordTable } from "./record.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    parents: { type: "string", default: "10" },
    seconds: { type: "string", default: "120" },
    json: { type: "string" },
  },
});
const program = resolve(positionals[0] ?? "build/kubemend");
const command = program.endsWith(".js") ? [process.execPath, program] : [program];
const parents = Number(values.parents);
const seconds = Number(values.seconds);

await using plane = await startControlPlane();
const node = await plane.addNode("node1");
await prepareCheckpointer(plane, node);
for (let i = 0; i < parents; i++) await plane.api.apply(parentWeb(`web-${i}`, 8200 + i));
node.startService("checkpointer", [
  "env",
  "NODE_NAME=node1",
  `NODE_OPTIONS=${AGENT_NODE_OPTIONS}`,
  ...command,
  ...["checkpoint", "run", `--kubeconfig=${AGENT_KUBECONFIG}`, "--healthy-after=5s", "--checkpoint-grace-period=5m"],
]);
await waitFor(`${parents} good copies`, async () => (await status(node)).filter(isGood).length === parents, {
  seconds: 180,
});
const pid = agentPid();
await sleep(10_000);
const before = cpuSeconds(pid);
await sleep(seconds * 1000);
const share = (cpuSeconds(pid) - before) / seconds;
const record = recordTable(["what", "", "unit"], { file: values.json });
record.add("CPU time at rest", (share * 100).toFixed(2), "% of a core");
for (const [name, kilobytes] of memoryOf(pid)) record.add(name, (kilobytes / 1024).toFixed(1), "MiB");

await plane.bed.processes.get("kube-apiserver")!.kill();
await node.stopKubelet();
await node.killContainers();
await waitFor("all to be active", async () => (await status(node)).every(({ state }) => state === "active"));
const log = readFileSync(node.service("checkpointer")!.log, "utf8");
const times = [...log.matchAll(/"runs from now on".*"afterMs":([\d.]+)/g)].map((match) => Number(match[1]));
record.add("an activation, from knowing: the fastest", Math.min(...times).toFixed(1), "ms");
record.add("the slowest", Math.max(...times).toFixed(1), "ms");
const way = positionals[0] === undefined || !program.endsWith(".js") ? "the executable" : "the bundle on Node";
record.end(`${parents} checkpoints at rest for ${seconds} s, by ${way}; ${times.length} activations`);
process.exit(0);

interface Checkpoint {
  readonly state: string;
  readonly generations: readonly { readonly proven: boolean }[];
}

async function status(on: Node): Promise<readonly Checkpoint[]> {
  const { stdout } = await on.runForResult([...command, "checkpoint", "status", "-o", "json"]);
  return JSON.parse(stdout).checkpoints;
}

function isGood({ state, generations }: Checkpoint): boolean {
  return state === "inactive" && generations[0]?.proven === true;
}

/** The agent among what the service started. */
function agentPid(): number {
  for (const candidates = [node.service("checkpointer")!.pid]; candidates.length > 0; ) {
    const candidate = candidates.shift()!;
    const words = readFileSync(`/proc/${candidate}/cmdline`, "utf8").split("\0");
    if (words[0] === command[0] && words.includes("run")) return candidate;
    candidates.push(...childrenOf(candidate));
  }
  throw new Error("the agent does not run");
}
