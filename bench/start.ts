/**
 * `kubemend start` beside the same start that looks every 5 s, as bootkube did, in turns: the same assets on one
 * machine of the test bed, whose disk and etcd are new each time. What is measured is seen from outside, the same way
 * for both.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LEASE_HOLDERS } from "../src/kube/lease.ts";
import { KUBEMEND, type RenderedCluster, renderedCluster } from "../test/e2e/rendered-cluster.ts";
import { diskPath, STATIC_PODS_PATH } from "../testbed/node.ts";
import { kubernetesOrWhyNot } from "../testbed/requirements.ts";
import { waitFor } from "../testbed/wait.ts";
import { recordTable } from "./record.ts";

/** In seconds since the start began. */
interface Times {
  readonly answers: number;
  /** The permanent components hold their leases. */
  readonly leases: number;
  /** The start has ended: everything temporary is gone. */
  readonly end: number;
}

const WAYS = {
  "kubemend start": [...KUBEMEND, "start", "--timeout=10m", "--asset-dir"],
  "the same, polling": [process.execPath, join(import.meta.dirname, "start-by-polling.ts")],
};
const LOOK_MS = 100;
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";

/** Prints a table, and records it in a file where one is named. */
export async function benchStart(runs: number, file: string | undefined): Promise<void> {
  const kubernetes = await kubernetesOrWhyNot();
  if (typeof kubernetes === "string") {
    console.error(`start is not measured: ${kubernetes}`);
    return;
  }
  await using cluster = await renderedCluster(kubernetes, { admitted: true });
  const times = new Map<string, Times[]>(Object.keys(WAYS).map((way) => [way, []]));
  for (let run = 0; run < runs; run++) {
    for (const [way, command] of Object.entries(WAYS)) {
      if (run > 0 || way !== Object.keys(WAYS)[0]) await renew(cluster);
      times.get(way)!.push(await measureStart(cluster, [...command, cluster.assetDir]));
    }
  }
  const record = recordTable(["from", "to", "way", "all s", "median s"], { file, texts: 4 });
  const print = (from: string, to: string, value: (each: Times) => number) => {
    for (const [way, each] of times) record.add(from, to, way, ...row(each.map(value)));
  };
  print("API server answers", "permanent control plane holds its leases", ({ answers, leases }) => leases - answers);
  print("start", "everything temporary is torn down", ({ end }) => end);
  record.end(`Starts of Kubernetes ${kubernetes.version}, ${runs} each, in turns`);
}

function row(values: readonly number[]): readonly [all: string, median: string] {
  const sorted = [...values].sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)]!;
  return [values.map((each) => each.toFixed(1)).join(", "), median.toFixed(1)];
}

/** A new disk for the machine, and an etcd that knows nothing. */
async function renew({ node, etcd }: RenderedCluster): Promise<void> {
  await node.kill();
  for (const member of etcd.members) {
    await member.kill();
    member.loseDisk();
    member.start();
  }
  await etcd.ready();
  await node.loseDisk();
}

async function measureStart(cluster: RenderedCluster, command: readonly string[]): Promise<Times> {
  const began = performance.now();
  const since = () => (performance.now() - began) / 1000;
  const start = cluster.node
    .runForResult(command, { timeoutSeconds: 660 })
    .then((result) => ({ ...result, at: since() }));
  const failed = new AbortController();
  const observed = observe(cluster, since, failed.signal);
  try {
    const { code, stderr, at } = await start;
    if (process.env.KUBEMEND_E2E_STORY) console.error(stderr);
    if (code !== 0) throw new Error(`the start ended with ${code}:\n${stderr}`);
    return { ...(await observed), end: at };
  } catch (error) {
    failed.abort();
    await observed.catch(() => {});
    throw error;
  }
}

async function observe({ api, node }: RenderedCluster, since: () => number, failed: AbortSignal) {
  const look = { seconds: 660, everyMilliseconds: LOOK_MS };
  const answers = await waitFor("the API server", () => !failed.aborted && api.get("/readyz").then(since), look);
  const manifest = join(diskPath(node, STATIC_PODS_PATH), "bootstrap-kube-scheduler.yaml");
  let holders = new Map<string, string | undefined>();
  while (existsSync(manifest) && !failed.aborted) {
    await sleep(LOOK_MS);
    holders = await holdersOf(api).catch(() => holders);
  }
  const leases = await waitFor(
    "the leases of the permanent control plane",
    async () => {
      if (failed.aborted) return false;
      const now = await holdersOf(api);
      return LEASE_HOLDERS.every((name) => now.get(name) && now.get(name) !== holders.get(name)) && since();
    },
    look,
  );
  return { answers, leases };
}

async function holdersOf(api: RenderedCluster["api"]): Promise<Map<string, string | undefined>> {
  return new Map((await api.list(LEASES)).map(({ metadata, spec }) => [metadata.name, spec.holderIdentity]));
}
