/**
 * The far end of an operation on several nodes: kubemend on one of them takes a request on stdin, does one step, and
 * answers in lines of JSON on stdout. Each step can be asked for again: what it has done before it finds done.
 */
import { createHash } from "node:crypto";
import { join as joinPath } from "node:path";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import type { RestorePlan } from "../../../cluster/restore-plan.ts";
import { onRequest, STATE_AFTER } from "../../../cluster/restore-state.ts";
import { MendError } from "../../../errors/errors.ts";
import { recordEvidence } from "../../../io/audit/audit-trail.ts";
import { checkDiskSpace } from "../../../io/files/durable/disk-space.ts";
import { realFileSystem } from "../../../io/files/durable/file-system.ts";
import { describeMember } from "./describe-member.ts";
import { type EtcdStep, etcdStep, proveMembers } from "./etcd-step.ts";
import { describeMachine, join, makeJoin } from "./join-node.ts";
import { OPERATIONS, operationDirectory, readJournal, readJournals, removeUnbegun, writeJournal } from "./journal.ts";
import { leftOutManifests } from "./left-out.ts";
import { localEtcd, removeLost, seeCluster } from "./living-cluster.ts";
import { joinMember, placeData } from "./place-data.ts";
import { type PrepareRequest, prepareNode, readShared } from "./prepare-node.ts";
import { proveControlPlane, proveEtcd } from "./prove.ts";
import { findData, restoreMember } from "./restore-member.ts";
import { passRestore, stopService } from "./service-member.ts";
import { startEtcd } from "./start-etcd.ts";
import { withStepLock } from "./step-lock.ts";
import { startComponents, stopComponents } from "./stop-components.ts";
import { type SurveyRequest, surveyNode } from "./survey.ts";
import { finishUndo, undoData } from "./undo-restore.ts";

export type StepRequest =
  | ({ readonly step: "survey" } & SurveyRequest)
  /** Files that are the same on all control-plane nodes; of others nothing is read. */
  | { readonly step: "read-files"; readonly paths: readonly string[] }
  | ({ readonly step: "prepare" } & PrepareRequest)
  | { readonly step: "describe-member" | "describe-machine" | "make-join" }
  | { readonly step: "see-cluster"; readonly name: string }
  | { readonly step: "remove-lost"; readonly memberIds: readonly string[]; readonly node: string | null }
  | {
      readonly step: "join-node";
      readonly words: readonly string[];
      readonly name: string;
      readonly address: string;
      readonly extra: readonly string[];
    }
  | { readonly step: "prove-living"; readonly names: readonly string[] }
  | { readonly step: "receive"; readonly plan: RestorePlan; readonly size: number; readonly sha256: string }
  /** Begins an operation that carries no snapshot. */
  | { readonly step: "begin"; readonly id: string; readonly digest: string }
  | {
      readonly step: "stop";
      readonly id: string;
      readonly staticPods: string;
      /** Manifests from the backup by file name, for those that are missing. */
      readonly spare: Readonly<Record<string, string>>;
    }
  /** Stops the etcd that is a unit here. */
  | { readonly step: "stop-service"; readonly id: string }
  | { readonly step: "restore"; readonly plan: RestorePlan; readonly node: string }
  | { readonly step: "prove-etcd"; readonly plan: RestorePlan }
  | { readonly step: "start-etcd" | "start" | "finish" | "find-data"; readonly id: string }
  /** What follows on stdin is a tar archive of a data directory. */
  | { readonly step: "place"; readonly id: string; readonly dataDir: string }
  | { readonly step: "join"; readonly id: string; readonly dataDir: string; readonly initialCluster: string }
  | ({ readonly step: "add-learner" | "promote" | "prove-members" } & EtcdStep)
  /** `elapsed`: milliseconds since the operation began; the clocks of both ends may differ. */
  | {
      readonly step: "prove";
      readonly nodes: readonly string[];
      readonly elapsed: number | null;
      /** The operation; where it has a journal, that says what was there before the API servers ran again. */
      readonly id: string;
      /** Whether etcd is none of these nodes' static pods. */
      readonly hasExternalEtcd?: boolean;
    }
  | { readonly step: "undo-data" | "undo-finish"; readonly id: string };

export interface StepEdges {
  /** What follows the request on stdin. */
  readonly input: AsyncIterable<Uint8Array>;
  readonly report: (text: string) => void;
  readonly signal: AbortSignal;
}

const SNAPSHOT = "snapshot.db";

/** Steps that change something on this node. */
const EXCLUSIVE: ReadonlySet<StepRequest["step"]> = new Set([
  ...(Object.keys(STATE_AFTER) as (keyof typeof STATE_AFTER)[]),
  "join-node",
  "undo-data",
  "undo-finish",
] as const);

/** Does one step and returns what it found, as JSON. One that another run has done meanwhile is not done again. */
export function runStep(request: StepRequest, edges: StepEdges): Promise<unknown> {
  if (!EXCLUSIVE.has(request.step)) return doStep(request, edges);
  return withStepLock(OPERATIONS, edges, async () => doneBefore(request) ?? doStep(request, edges));
}

/**
 * The journal, where this operation has gone beyond the step that is asked for. Throws `plan-refused` where it was
 * taken back.
 */
function doneBefore(request: StepRequest): NodeJournal | undefined {
  if (!(request.step in STATE_AFTER)) return undefined;
  const { step, ...about } = request as StepRequest & { readonly step: keyof typeof STATE_AFTER };
  const id = "plan" in about ? about.plan.id : about.id;
  const journal = find(id);
  const verdict = onRequest(journal?.state ?? "new", step);
  if (verdict === "refuse") throw takenBack(id);
  return verdict === "done" ? journal : undefined;
}

function takenBack(id: string): MendError {
  return new MendError("plan-refused", `operation ${id} was taken back here`, {
    where: id,
    hint: `finish that on every node: kubemend cluster undo ${id}`,
  });
}

async function doStep(request: StepRequest, edges: StepEdges): Promise<unknown> {
  recordEvidence({ step: request.step, ...("id" in request && request.id !== undefined && { operation: request.id }) });
  const { signal, report } = edges;
  switch (request.step) {
    case "survey":
      return surveyNode(request, signal);
    case "read-files":
      return readShared(request.paths);
    case "receive":
      removeUnbegun();
      return receive(request, edges);
    case "stop": {
      const spare = { ...leftOutManifests(readJournals(), request.staticPods), ...request.spare };
      return stopComponents(readJournal(request.id), { ...request, spare, signal, report });
    }
    case "stop-service":
      return stopService(readJournal(request.id), { signal, report });
    case "begin":
      removeUnbegun();
      return begin(request.id, request.digest);
    case "describe-member":
      return describeMember();
    case "describe-machine":
      return describeMachine();
    case "see-cluster":
      return seeCluster(request.name, signal);
    case "remove-lost":
      return removeLost(request, signal);
    case "make-join":
      return makeJoin();
    case "join-node":
      await join(request.words, request, request.extra);
      return null;
    case "prove-living":
      return proveMembers(await localEtcd(), request.names, { signal, report });
    case "find-data":
      return oldData(readJournal(request.id));
    case "place":
      return placeData(readJournal(request.id), request.dataDir, edges.input);
    case "join":
      return joinMember(readJournal(request.id), request);
    case "add-learner":
    case "promote":
    case "prove-members":
      return etcdStep(readJournal(request.id), request.step, request, { signal, report });
    case "restore": {
      const { plan } = request;
      const member = plan.members.find(({ node }) => node === request.node);
      if (member === undefined && plan.external?.controlPlane.some(({ node }) => node === request.node) === true)
        return passRestore(readJournal(plan.id), plan);
      if (member === undefined) throw new MendError("usage", `the plan has no member for node "${request.node}"`);
      return restoreMember(readJournal(request.plan.id), request.plan, member, signal);
    }
    case "prepare":
      if (readJournal(request.id).service !== null)
        return writeJournal({ ...readJournal(request.id), state: "prepared" });
      return prepareNode(readJournal(request.id), request, { signal, report, now: Date.now() });
    case "start-etcd":
      return startEtcd(readJournal(request.id), { signal, report });
    case "prove-etcd":
      return proveEtcd(readJournal(request.plan.id), request.plan, { signal, report });
    case "start": {
      const journal = readJournal(request.id);
      await startComponents(journal, (component) => component !== "etcd");
      return writeJournal({ ...journal, state: "started" });
    }
    case "prove":
      return prove(request, edges);
    case "finish": {
      const journal = readJournal(request.id);
      if (journal.snapshot !== null) realFileSystem.remove(journal.snapshot);
      return writeJournal({ ...journal, snapshot: null, state: "done" });
    }
    case "undo-data": {
      const journal = find(request.id);
      if (journal !== undefined) await undoData(journal, { signal, report });
      return journal ?? null;
    }
    case "undo-finish": {
      removeUnbegun();
      const journal = find(request.id);
      return journal === undefined ? null : finishUndo(journal, { report, signal });
    }
  }
}

function prove(
  { nodes, elapsed, id, hasExternalEtcd = false }: StepRequest & { readonly step: "prove" },
  { signal, report }: StepEdges,
): Promise<unknown> {
  const revision = find(id)?.revision ?? 0;
  const began = elapsed === null ? 0 : Date.now() - elapsed;
  return proveControlPlane({ names: nodes, began, revision, id, hasExternalEtcd }, { signal, report });
}

/** Where the data of before the operation is; null where there was none. */
async function oldData(journal: NodeJournal): Promise<string | null> {
  if (journal.dataDir !== null) return findData(journal);
  const { dataDir, hasData } = await describeMember();
  return hasData ? dataDir : null;
}

function begin(id: string, digest: string): Promise<NodeJournal> {
  return writeJournal({ ...EMPTY, id, digest, state: "received" });
}

/** A journal of which nothing was done yet. */
const EMPTY = {
  manifests: null,
  dataDir: null,
  made: [],
  revision: null,
  snapshot: null,
  bump: null,
  leads: false,
  service: null,
};

function find(id: string): NodeJournal | undefined {
  return readJournals().find((journal) => journal.id === id);
}

/** Takes the snapshot from stdin into this operation's directory, and believes it only with its SHA-256. */
async function receive(
  { plan, size, sha256 }: StepRequest & { readonly step: "receive" },
  { input }: StepEdges,
): Promise<NodeJournal> {
  const directory = operationDirectory(plan.id);
  realFileSystem.makeDirectory(directory, 0o700);
  const path = joinPath(directory, SNAPSHOT);
  const draft = `${path}.part`;
  realFileSystem.remove(draft);
  checkDiskSpace(draft, size);
  const hash = createHash("sha256");
  let received = 0;
  const out = realFileSystem.create(draft, 0o600);
  try {
    for await (const chunk of input) {
      out.write(chunk, received);
      hash.update(chunk);
      received += chunk.length;
    }
    await out.sync();
  } catch (error) {
    realFileSystem.remove(draft);
    throw error;
  } finally {
    out.close();
  }
  if (received !== size || hash.digest("hex") !== sha256) {
    realFileSystem.remove(draft);
    throw new MendError(
      "snapshot-truncated",
      `the snapshot arrived with ${received} of ${size} bytes, or with other content`,
      {
        where: path,
        hint: "run the same command again",
      },
    );
  }
  realFileSystem.rename(draft, path);
  realFileSystem.syncDirectory(directory);
  const { id, digest } = plan;
  return writeJournal({ ...EMPTY, id, digest, state: "received", snapshot: path });
}
