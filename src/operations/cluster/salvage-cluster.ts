/**
 * `cluster salvage`: etcd's quorum is lost. What the survivors have is gathered here and joined to the newest state
 * that any of them holds; one node begins with it, and the others join it as learners, until all survivors vote. No
 * write that a survivor holds is lost without being reported.
 */
import { createHash, randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeJournal } from "../../cluster/node-facts.ts";
import { planSalvageOfNodes, type SalvageOfNodes } from "../../cluster/salvage-plan.ts";
import { MendError } from "../../errors/errors.ts";
import { freeBytes } from "../../io/files/durable/disk-space.ts";
import { makeTemporaryDirectory } from "../../io/files/durable/temporary-directory.ts";
import type { SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import type { SalvageResult } from "../etcd/salvage.ts";
import { gatherData, joinData, packData, type SurvivorData } from "./gather-survivors.ts";
import type { DescribedMember } from "./node/describe-member.ts";
import type { ControlPlaneProof } from "./node/prove.ts";
import type { StepRequest } from "./node/run-step.ts";
import { callNode, type NodeTarget, onEach, type Reach } from "./nodes.ts";
import type { ClusterEvent } from "./restore-cluster.ts";

export interface ClusterSalvageOptions extends SnapshotOptions {
  readonly targets: readonly NodeTarget[];
  readonly reach: (target: NodeTarget) => Promise<Reach>;
  /** Nodes whose data counts for nothing, such as that of an etcd that started over on an empty disk: they join the others without it. */
  readonly withoutData: readonly string[];
  /** Where the survivors' data is gathered: it needs space for all of it twice. */
  readonly workDirectory?: string;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly on: (event: ClusterEvent) => void;
  readonly agree: (plan: SalvageOfNodes) => Promise<boolean>;
  /** What was made of the survivors' data, before any node gets it. */
  readonly accept: (result: SalvageResult) => Promise<boolean>;
}

export interface ClusterSalvaged {
  readonly id: string;
  readonly salvage: SalvageResult;
  readonly etcd: { readonly members: readonly string[]; readonly revision: number };
  readonly controlPlane: ControlPlaneProof;
  readonly seconds: number;
}

interface Survivor {
  readonly target: NodeTarget;
  readonly reach: Reach;
  readonly member: DescribedMember;
  state: NodeJournal["state"];
  /** Whether a run before this one has begun with it. */
  leads: boolean;
}

type StepName = (ClusterEvent & { readonly kind: "step" })["step"];
type Ask = (
  to: Survivor,
  request: StepRequest,
  shown?: StepName,
  payload?: AsyncIterable<Uint8Array>,
) => Promise<unknown>;

/** Undefined where it was not agreed to. What was stopped by then starts again with `cluster undo`. */
export async function salvageCluster(options: ClusterSalvageOptions): Promise<ClusterSalvaged | undefined> {
  const { now, on } = options;
  const began = now();
  const unknown = options.withoutData.filter((name) => !options.targets.some((target) => target.name === name));
  if (unknown.length > 0) {
    throw new MendError(
      "usage",
      `the data of "${unknown.join('", "')}" cannot be left out: it is no node of the salvage`,
      {
        hint: `the nodes are ${options.targets.map(({ name }) => name).join(", ")}`,
      },
    );
  }
  const ask = asker(options);
  on({ kind: "surveying", nodes: options.targets.map(({ name }) => name) });
  const survivors = await onEach(options.targets, (target) => describe(target, options));
  const described = survivors.map(({ target, member }) => ({ ...target, ...member }));
  const gatheredIn = options.workDirectory ?? tmpdir();
  const plan = planSalvageOfNodes(described, digestOf(described), now(), randomBytes(3).toString("hex"), {
    gathering: { path: gatheredIn, freeBytes: freeBytes(gatheredIn) },
    withoutData: options.withoutData,
  });
  if (!(await options.agree(plan))) return undefined;
  if (plan.problems.length > 0) {
    throw new MendError("plan-refused", `the cluster cannot be salvaged like this:\n  ${plan.problems.join("\n  ")}`, {
      hint: "mend these, or leave a node out",
    });
  }
  const { id, digest } = plan;
  await onEach(survivors, (survivor) => stop(survivor, id, digest, ask));

  using temporary = makeTemporaryDirectory("kubemend-salvage-", gatheredIn);
  const work = temporary.path;
  const data = await gather(survivors, id, work, options, ask);
  const begun = survivors.find(({ leads }) => leads)?.target.name;
  const head = await joinData(data, join(work, "salvaged"), begun, options);
  if (!(await options.accept(head.result))) return undefined;
  const first = survivors.find(({ target }) => target === head.head.target);
  if (first === undefined) throw new MendError("plan-refused", "the newest data belongs to no survivor");
  await begin(first, id, head.result.dataDir, ask);
  for (const survivor of survivors) if (survivor !== first) await joinTo(first, survivor, id, ask);

  const names = survivors.map(({ member }) => member.name);
  const { clusterId, lastIndex } = head.result;
  const salvaged = { clusterId, lastIndex, isAlone: survivors.every(({ state }) => state === "etcd-started") };
  const all = { id, clientUrls: [first.member.clientUrl], peerUrls: [], names, salvaged };
  const etcd = (await ask(first, { step: "prove-members", ...all }, "prove-etcd")) as ClusterSalvaged["etcd"];
  await onEach(survivors, (survivor) => ask(survivor, { step: "start", id }, "start"));
  const nodes = survivors.map(({ target }) => target.name);
  const about = { nodes, id, elapsed: now() - began };
  const controlPlane = (await ask(first, { step: "prove", ...about }, "prove")) as ControlPlaneProof;
  await onEach(survivors, (survivor) => ask(survivor, { step: "finish", id }, "finish"));
  return { id, salvage: head.result, etcd, controlPlane, seconds: Math.round((now() - began) / 1000) };
}

function asker({ signal, on }: ClusterSalvageOptions): Ask {
  return async ({ target, reach }, request, shown, payload) => {
    if (shown !== undefined) on({ kind: "step", step: shown, node: target.name, state: "begun" });
    const report = (text: string): void => on({ kind: "progress", node: target.name, text });
    const answer = await callNode(target, request, reach, {
      signal,
      report,
      ...(payload === undefined ? {} : { payload }),
    });
    if (shown !== undefined) on({ kind: "step", step: shown, node: target.name, state: "done" });
    return answer;
  };
}

async function describe(target: NodeTarget, options: ClusterSalvageOptions): Promise<Survivor> {
  const reach = await options.reach(target);
  const answer = await callNode(target, { step: "describe-member" }, reach, { signal: options.signal });
  return { target, reach, member: answer as DescribedMember, state: "new", leads: false };
}

async function stop(survivor: Survivor, id: string, digest: string, ask: Ask): Promise<void> {
  const journal = (await ask(survivor, { step: "begin", id, digest })) as NodeJournal;
  survivor.state = journal.state;
  survivor.leads = journal.leads;
  if (survivor.state !== "received") return;
  const { staticPods } = survivor.member;
  survivor.state = stateOf(await ask(survivor, { step: "stop", id, staticPods, spare: {} }, "stop"));
}

/** The data of before the operation, wherever it is by now. */
async function gather(
  survivors: readonly Survivor[],
  id: string,
  work: string,
  { signal, on, withoutData }: ClusterSalvageOptions,
  ask: Ask,
): Promise<readonly SurvivorData[]> {
  const data: SurvivorData[] = [];
  for (const survivor of survivors) {
    const { target, reach, member } = survivor;
    if (withoutData.includes(target.name)) {
      on({ kind: "progress", node: target.name, text: "its data is left out: it joins the others" });
      continue;
    }
    const path = (await ask(survivor, { step: "find-data", id })) as string | null;
    if (path === null) {
      on({ kind: "progress", node: target.name, text: "has no data of etcd: it joins the others" });
      continue;
    }
    on({ kind: "step", step: "gather", node: target.name, state: "begun" });
    const directory = await gatherData(target, path, reach, work, signal);
    on({ kind: "step", step: "gather", node: target.name, state: "done" });
    data.push({ target, name: member.name, peerUrl: member.peerUrl, directory });
  }
  return data;
}

async function begin(first: Survivor, id: string, dataDir: string, ask: Ask): Promise<void> {
  if (first.state === "stopped") {
    const place = { step: "place", id, dataDir: first.member.dataDir } as const;
    first.state = stateOf(await ask(first, place, "restore", packData(dataDir)));
  }
  if (first.state === "restored") first.state = stateOf(await ask(first, { step: "start-etcd", id }, "start-etcd"));
}

async function joinTo(first: Survivor, survivor: Survivor, id: string, ask: Ask): Promise<void> {
  const { name, peerUrl, dataDir } = survivor.member;
  const about = { id, clientUrls: [first.member.clientUrl], names: [name], peerUrls: peerUrl.split(",") };
  if (survivor.state === "stopped") {
    const { initialCluster } = (await ask(first, { step: "add-learner", ...about })) as { initialCluster: string };
    survivor.state = stateOf(await ask(survivor, { step: "join", id, dataDir, initialCluster }, "join"));
  }
  await ask(first, { step: "promote", ...about }, "promote");
}

function stateOf(answer: unknown): NodeJournal["state"] {
  return (answer as NodeJournal).state;
}

function digestOf(members: readonly { readonly name: string; readonly peerUrl: string }[]): string {
  const what = members.map(({ name, peerUrl }) => [name, peerUrl]).sort();
  return createHash("sha256")
    .update(JSON.stringify(["salvage", ...what]))
    .digest("hex");
}
