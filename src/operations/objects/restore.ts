/** `objects restore`: chosen objects of a backup go back into a live cluster. */

import { join } from "node:path";
import { UNKNOWN_CUSTOM } from "../../compare/schema-types.ts";
import type { ValueType } from "../../compare/value-type.ts";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { textOf } from "../../kube/fields.ts";
import { parseLabelSelector } from "../../kube/label-selector.ts";
import type { KubeObject } from "../../kube/object.ts";
import { idKey } from "../../objects/object-id.ts";
import { isAsSent, isFromRun } from "../../objects/own-writes.ts";
import { isWrite, type PlanItem, type RestorePlan } from "../../objects/restore-plan.ts";
import { placeOf } from "../../objects/rewrite.ts";
import { isAsBefore } from "../../objects/undo-plan.ts";
import type { RestoreRequest, UndoEntry, UndoFile } from "../../objects/undo-record.ts";
import { splitMoment } from "../../repository/moment.ts";
import type { MomentAccess, OpenedMoment } from "../../snapshot/moment-access.ts";
import type { SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { readObjectRequests } from "../../storage/resource-argument.ts";
import { type ClusterFlags, type OpenCluster, withCluster } from "../cluster-access/open-cluster.ts";
import { BackupObjects, type Candidate, refuseUnreadable } from "./backup-objects.ts";
import { LiveCluster, whyTerminating } from "./live-cluster.ts";
import { createSelection, refuseMissing } from "./object-selection.ts";
import { addTypes, readTypes, typeOf } from "./object-types.ts";
import { planRestore } from "./plan-restore.ts";
import { type ItemResult, runRestore } from "./run-restore.ts";
import { selectCandidates } from "./select-candidates.ts";
import { openSnapshotSide } from "./snapshot-side.ts";
import { checkCluster, continueUndoLog, createUndoLog, readUndoFile, type UndoLog } from "./undo-log.ts";
import { type Verified, verifyRestore } from "./verify-restore.ts";

export interface RestoreOptions extends SnapshotOptions {
  readonly request: RestoreRequest;
  readonly cluster: ClusterFlags;
  /** `client`: the plan alone. `server`: the API server checks each write, and makes none. */
  readonly dryRun: "none" | "client" | "server";
  /** Where the undo file goes; beside {@link directory} under a name with the time in it, unless given. */
  readonly undoFile?: string;
  readonly directory: string;
  /** The undo file of a run that was interrupted: it continues in it. */
  readonly resume?: string;
  /** How long what is being deleted is waited for. */
  readonly waitMs: number;
  readonly confirm: (plan: RestorePlan, leftOut: Readonly<Record<string, number>>) => Promise<boolean>;
  readonly note: (text: string) => void;
  readonly now: () => number;
  /** Before the first write: where what it takes to continue and to undo it is recorded from now on. */
  readonly onUndoFile?: (path: string) => void;
}

export interface RestoreOutcome {
  readonly plan: RestorePlan;
  readonly leftOut: Readonly<Record<string, number>>;
  /** Undefined where nothing was to be written, or nobody confirmed. */
  readonly results: readonly ItemResult[] | undefined;
  readonly verified: readonly Verified[];
  readonly undoFile: string | undefined;
}

/** The request of the run that an undo file is of. */
export function requestOf(undoFile: string): RestoreRequest {
  return readUndoFile(undoFile).header.request;
}

/**
 * Throws `object-not-found` for a name that is not in the backup, `wrong-cluster` where `resume` is another cluster's
 * file, and what opening throws.
 */
export async function restoreObjects(options: RestoreOptions): Promise<RestoreOutcome> {
  const { request, signal, now, progress } = options;
  let opened: OpenedMoment | undefined;
  const moments = options.moments && momentsOf(options.moments, request, (moment) => (opened = moment));
  const reading = { ...(signal && { signal }), ...(progress && { progress }), ...(moments && { moments }) };
  using side = await openSnapshotSide(
    { file: request.file, atRevision: request.atRevision ?? undefined },
    {
      ...reading,
      ...(request.encryptionConfig !== null && { encryptionConfig: request.encryptionConfig }),
      ...(request.etcdPrefix !== null && { etcdPrefix: request.etcdPrefix }),
    },
  );
  const backup = new BackupObjects(side);
  const selection = createSelection(
    {
      requests: request.selection.length === 0 ? [] : readObjectRequests(request.selection),
      namespace: request.namespace ?? undefined,
      selector: parseLabelSelector(request.selector),
    },
    side.custom,
  );
  const { candidates, leftOut } = await selectCandidates(backup, selection, request.withDependents);
  refuseMissing(selection, side.label);
  if (candidates.size === 0) {
    throw new MendError("object-not-found", "nothing in the backup matches the selection", {
      where: side.label,
      hint: "see what it holds with: kubemend snapshot get FILE TYPE -A",
    });
  }
  checkRenames(request, candidates);
  const types = await readTypes([side]);
  // Awaited here, because the backup is closed when this function is left.
  return await withCluster(options.cluster, { signal, now }, async (open) => {
    const cluster = await LiveCluster.open(open.api, { signal, now });
    for (const warning of cluster.resources.warnings) options.note(warning);
    const pinned = { ...options, request: pinRequest(request, opened) };
    return new Restore(pinned, open, cluster, backup, candidates, leftOut, types).run();
  });
}

function momentsOf(
  given: MomentAccess,
  { history, identity }: RestoreRequest,
  onOpened: (moment: OpenedMoment) => void,
): MomentAccess {
  return {
    ...given,
    ...(history !== null && { history }),
    ...(given.identityFile === undefined && identity !== null && { identityFile: identity }),
    onOpened(moment) {
      onOpened(moment);
      given.onOpened?.(moment);
    },
  };
}

/** `latest` and `90m ago` mean another moment when an interrupted run continues: the undo file has the revision that they meant. */
function pinRequest(request: RestoreRequest, opened: OpenedMoment | undefined): RestoreRequest {
  if (opened === undefined) return request;
  const { place } = splitMoment(request.file, 0);
  return { ...request, file: `${place}@${opened.revision}`, history: opened.pieces.history };
}

/** Throws `usage` where two objects would get one name, and for a name that nothing has. */
function checkRenames({ renamed, intoNamespace }: RestoreRequest, candidates: ReadonlyMap<string, Candidate>): void {
  const placement = { intoNamespace: intoNamespace ?? undefined, renamed: new Map(Object.entries(renamed)) };
  for (const name of placement.renamed.keys()) {
    const called = [...candidates.values()].filter(({ id }) => id.name === name);
    if (called.some(({ id }) => id.path !== "namespaces")) continue;
    if (called.length > 0) {
      const hint = "have its objects given to another namespace instead";
      throw new MendError("usage", `namespace "${name}" cannot be renamed`, { hint });
    }
    throw new MendError("usage", `there is nothing called "${name}" to rename`, { hint: "write it as OLD=NEW" });
  }
  const targets = new Map<string, string>();
  for (const { id } of candidates.values()) {
    if (intoNamespace !== null && id.namespace === undefined) continue;
    const target = idKey(placeOf(id, placement));
    const other = targets.get(target);
    if (other !== undefined) {
      throw new MendError("usage", `"${other}" and "${idKey(id)}" would both become "${target}"`, {
        hint: "choose the objects of one namespace (-n), or rename one of them",
      });
    }
    targets.set(target, idKey(id));
  }
}

/** Names of undo files of one second. */
const MOST_NAMES = 100;

class Restore {
  readonly #options: RestoreOptions;
  readonly #open: OpenCluster;
  readonly #cluster: LiveCluster;
  readonly #backup: BackupObjects;
  readonly #candidates: Map<string, Candidate>;
  readonly #leftOut: Readonly<Record<string, number>>;
  readonly #types: Map<string, ValueType>;

  constructor(
    options: RestoreOptions,
    open: OpenCluster,
    cluster: LiveCluster,
    backup: BackupObjects,
    candidates: Map<string, Candidate>,
    leftOut: Readonly<Record<string, number>>,
    types: Map<string, ValueType>,
  ) {
    this.#options = options;
    this.#open = open;
    this.#cluster = cluster;
    this.#backup = backup;
    this.#candidates = candidates;
    this.#leftOut = leftOut;
    this.#types = types;
  }

  async run(): Promise<RestoreOutcome> {
    const { request, now, dryRun, resume, confirm } = this.#options;
    const identity = await this.#cluster.identity();
    const earlier = resume === undefined ? undefined : readUndoFile(resume);
    if (earlier !== undefined) checkCluster(earlier, identity, defined(resume));
    const stuck = await this.#awaitNamespaces();
    const made = await planRestore(this.#backup, this.#candidates, this.#cluster, {
      placement: {
        intoNamespace: request.intoNamespace ?? undefined,
        renamed: new Map(Object.entries(request.renamed)),
      },
      changed: request.changed,
      now: now(),
      types: this.#types,
    });
    for (const { object } of this.#candidates.values()) {
      if (object.kind === "CustomResourceDefinition") addTypes(object, this.#types);
    }
    refuseUnreadable(this.#backup);
    const plan = block(made, stuck);
    const common = { plan, leftOut: this.#leftOut };
    const nothing = { ...common, results: undefined, verified: [], undoFile: resume };
    const isConfirmed = await confirm(plan, this.#leftOut);
    if (dryRun === "client" || !isConfirmed) return nothing;
    if (!plan.items.some(isWrite)) {
      if (earlier !== undefined) await this.#adopt(earlier, defined(resume));
      return nothing;
    }
    if (dryRun === "server")
      return { ...common, results: await this.#write(plan, undefined), verified: [], undoFile: undefined };
    const undo = await this.#openUndo(identity, earlier);
    this.#options.onUndoFile?.(undo.path);
    try {
      const results = await this.#write(plan, undo);
      const verified = await verifyRestore(results, this.#cluster, this.#types);
      return { ...common, results, verified, undoFile: undo.path };
    } finally {
      await undo.close();
    }
  }

  /** Waits for namespaces that are being deleted. Returns those that do not go away, with the reason. */
  async #awaitNamespaces(): Promise<ReadonlyMap<string, string>> {
    const { request, waitMs, dryRun, note } = this.#options;
    const names = new Set<string>();
    for (const { id } of this.#candidates.values()) {
      const name = id.path === "namespaces" ? id.name : id.namespace;
      if (name !== undefined) names.add(request.intoNamespace ?? name);
    }
    const stuck = new Map<string, string>();
    for (const name of names) {
      const id = { path: "namespaces", namespace: undefined, name };
      const found = await this.#cluster.get(id);
      if (found?.metadata.deletionTimestamp === undefined) continue;
      if (dryRun === "none") note(`namespace "${name}" is being deleted: waiting for that`);
      const still = dryRun === "none" ? await this.#cluster.gone(id, found.metadata.uid, waitMs) : found;
      if (still !== undefined) stuck.set(name, `namespace "${name}" is being deleted: ${whyTerminating(still)}`);
    }
    return stuck;
  }

  async #openUndo(identity: string, earlier: UndoFile | undefined): Promise<UndoLog> {
    const { request, now, resume, undoFile, directory } = this.#options;
    if (earlier !== undefined) {
      await this.#adopt(earlier, defined(resume));
      return continueUndoLog(defined(resume), readUndoFile(defined(resume)));
    }
    const started = new Date(now()).toISOString();
    const stamp = started.slice(0, 19).replaceAll(/[-:]/g, "");
    const probe = await this.#open.api.probe("/version", this.#options.signal);
    const header = {
      cluster: identity,
      server: this.#open.access.server.href,
      started,
      serverTime: new Date(Number.isNaN(probe.date) ? now() : probe.date).toISOString(),
      request,
    };
    if (undoFile !== undefined) return createUndoLog(undoFile, header);
    // Another run may have begun in the same second.
    for (let count = 1; ; count++) {
      const name = `kubemend-undo-${stamp}Z${count === 1 ? "" : `_${count}`}.jsonl`;
      try {
        return await createUndoLog(join(directory, name), header);
      } catch (error) {
        if (!(error instanceof MendError) || error.code !== "already-exists" || count === MOST_NAMES) throw error;
      }
    }
  }

  /** Concludes the writes that a killed run began: what is there and was written by us is ours to undo. */
  async #adopt(earlier: UndoFile, path: string): Promise<void> {
    const open = earlier.entries.filter(({ outcome }) => outcome === undefined);
    if (open.length === 0) return;
    const log = continueUndoLog(path, earlier);
    try {
      for (const entry of open) {
        const { id, write, op } = entry;
        const found = await this.#cluster.get(id, entry.apiVersion);
        const outcome = this.#outcomeOf(entry, found, log.since);
        if (outcome === "made") {
          await log.end({ write, uid: textOf(found?.metadata.uid), ...(op === "update" && { after: found }) });
        } else if (outcome !== "unknown") await log.end({ write, refused: outcome });
      }
    } finally {
      await log.close();
    }
  }

  /** `made`: the write was carried out. `unknown`: nothing shows by whom it was. A reason: there is nothing of it. */
  #outcomeOf({ id, op, before, sent }: UndoEntry, found: KubeObject | undefined, since: number): string {
    const isUnwritten = found?.metadata.resourceVersion === before?.metadata.resourceVersion;
    if (found === undefined || isUnwritten) return "the run ended before it";
    if (op === "create") {
      if (isFromRun(found, id, op, since)) return "made";
      return found.metadata.managedFields === undefined
        ? "unknown"
        : "the run ended before it, and somebody else wrote it";
    }
    if (before === null || before.metadata.uid !== found.metadata.uid) return "unknown";
    const type = typeOf(found, this.#types) ?? UNKNOWN_CUSTOM;
    if (isAsBefore(before, found, type)) return "it is as it was before";
    const isOurs = isFromRun(found, id, op, since) || (sent !== undefined && isAsSent(found, sent, id, type));
    return isOurs ? "made" : "unknown";
  }

  #write(plan: RestorePlan, undo: UndoLog | undefined): Promise<ItemResult[]> {
    const { request, waitMs, signal, progress, note, dryRun } = this.#options;
    return runRestore(plan, {
      cluster: this.#cluster,
      undo,
      isDryRun: dryRun === "server",
      changed: request.changed,
      types: this.#types,
      waitMs,
      signal,
      progress,
      note,
    });
  }
}

function block(plan: RestorePlan, stuck: ReadonlyMap<string, string>): RestorePlan {
  if (stuck.size === 0) return plan;
  const items = plan.items.map((item): PlanItem => {
    const reason = stuck.get((item.id.path === "namespaces" ? item.id.name : item.id.namespace) ?? "");
    return reason === undefined || item.action === "skip" ? item : { ...item, action: "blocked", reason };
  });
  return { items };
}

/** Whether all that was asked for is in the cluster now. */
export function isComplete({ plan, results = [], verified }: RestoreOutcome): boolean {
  return (
    plan.items.every(({ action }) => action !== "blocked") &&
    results.every(({ state }) => state !== "refused" && state !== "left") &&
    verified.every(({ state }) => state !== "gone")
  );
}
