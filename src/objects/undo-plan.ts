/** What takes a restore back, decided for each object from what the undo file says of it and what the cluster has now. */

import { compareObjects } from "../compare/compare-objects.ts";
import type { ValueType } from "../compare/value-type.ts";
import { defined } from "../errors/defined.ts";
import { objectOf } from "../kube/fields.ts";
import type { KubeObject } from "../kube/object.ts";
import { idKey, type ObjectId } from "./object-id.ts";
import { isAsSent, isFromRun } from "./own-writes.ts";
import { withoutControllersWork } from "./rewrite.ts";
import type { UndoEntry, UndoFile } from "./undo-record.ts";

/** All writes of a run to one object. */
export interface UndoSubject {
  readonly id: ObjectId;
  readonly wave: number;
  readonly apiVersion: string;
  /** The first write that was not refused; what was there before it is what comes back. */
  readonly first: UndoEntry;
  readonly last: UndoEntry;
}

/**
 * `delete`: it was made, and goes. `revert`: it becomes what it was. `done`: it is as it was already. `left`: it is not
 * touched, for `reason`.
 */
type UndoAction = "delete" | "revert" | "done" | "left";

export interface UndoItem {
  readonly action: UndoAction;
  readonly subject: UndoSubject;
  readonly live: KubeObject | undefined;
  readonly reason: string;
}

/** The objects that a run wrote, the last wave first. */
export function undoSubjects({ entries }: UndoFile): UndoSubject[] {
  const made = entries.filter(({ outcome }) => outcome?.refused === undefined);
  const groups = Map.groupBy(made, ({ id }) => idKey(id));
  const subjects = [...groups.values()].map((writes): UndoSubject => {
    const [first] = writes as [UndoEntry];
    return { id: first.id, wave: first.wave, apiVersion: first.apiVersion, first, last: defined(writes.at(-1)) };
  });
  return subjects.sort((a, b) => b.wave - a.wave || b.first.write - a.first.write);
}

export interface UndoContext {
  /** What an object of that apiVersion and kind is made of. */
  typeOf(object: KubeObject): ValueType;
  /** RFC 3339, by the API server's clock: before the run's first write. */
  readonly serverTime: string;
  /** Take back also what was changed since. */
  readonly force: boolean;
}

export function planUndo(subject: UndoSubject, live: KubeObject | undefined, context: UndoContext): UndoItem {
  const item = (action: UndoAction, reason = ""): UndoItem => ({ action, subject, live, reason });
  return subject.first.op === "create"
    ? ofCreated(subject, live, context, item)
    : ofUpdated(subject, live, context, item);
}

/** Whether an object is what it was, but for what controllers write about it. */
export function isAsBefore(before: KubeObject, live: KubeObject, type: ValueType | undefined): boolean {
  return compareObjects(withoutControllersWork(before), withoutControllersWork(live), type).fields.length === 0;
}

/** Whether an undo that was killed set the volume to Retain, so that what is on it outlives its claim. */
export function keepsVolume({ path }: ObjectId, written: KubeObject | undefined, live: KubeObject): boolean {
  if (path !== "persistentvolumes" || written === undefined) return false;
  const policy = ({ spec }: KubeObject) => objectOf(spec).persistentVolumeReclaimPolicy;
  return policy(live) === "Retain" && policy(written) === "Delete";
}

/** The volume with what is on it when its claim is gone. */
export function withRetained(volume: KubeObject): KubeObject {
  return { ...volume, spec: { ...objectOf(volume.spec), persistentVolumeReclaimPolicy: "Retain" } };
}

type MakeItem = (action: UndoAction, reason?: string) => UndoItem;

function ofCreated(
  { first }: UndoSubject,
  live: KubeObject | undefined,
  context: UndoContext,
  item: MakeItem,
): UndoItem {
  if (live === undefined) return item("done", "it is not there any more");
  const { uid } = first.outcome ?? {};
  if (uid !== undefined) {
    return live.metadata.uid === uid ? item("delete") : item("left", "another object has taken its name since");
  }
  if (isFromRun(live, first.id, "create", Date.parse(context.serverTime))) return item("delete");
  return item("left", "the run ended while it was made, and nothing shows whether this one is of the run");
}

function ofUpdated(
  { id, first, last }: UndoSubject,
  live: KubeObject | undefined,
  context: UndoContext,
  item: MakeItem,
): UndoItem {
  const before = defined(first.before ?? undefined);
  if (live === undefined) return item("left", "somebody has deleted it since");
  if (live.metadata.uid !== before.metadata.uid) return item("left", "another object has taken its name since");
  const type = context.typeOf(before);
  const written = last.outcome?.after ?? last.sent;
  const isKept = keepsVolume(id, written, live);
  const kept = (object: KubeObject) => (isKept ? withRetained(object) : object);
  if (isAsBefore(kept(before), live, type)) return item("done", "it is as it was");
  const after = written && kept(written);
  const isRecorded = last.outcome === undefined || after === undefined;
  const isAsLeft =
    (after !== undefined && isAsSent(live, after, id, type)) ||
    (isRecorded && isFromRun(live, id, "update", Date.parse(context.serverTime)));
  if (isAsLeft || context.force) return item("revert");
  return item("left", "somebody has changed it since");
}
