/** What takes a restore back, decided for each object from what the undo file says of it and what the cluster has now. */

import { compareObjects } from "../compare/compare-objects.ts";
import type { ValueType } from "../compare/value-type.ts";
import { defined } from "../errors/defined.ts";
import type { KubeObject } from "../kube/object.ts";
import { idKey, type ObjectId } from "./object-id.ts";
import { isFromRun } from "./own-writes.ts";
import { IN_PLACE, rewriteObject, withoutControllersWork } from "./rewrite.ts";
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
  const own = withoutControllersWork;
  if (compareObjects(own(before), own(live), type).fields.length === 0) return item("done", "it is as it was");
  const after = last.outcome?.after;
  // What controllers write into what they are given, such as a claim's UID into its volume, is nobody's change.
  const plain = (object: KubeObject) =>
    rewriteObject(object, id, { placement: IN_PLACE, isGiven: () => false, keepsStatus: false });
  const isAsLeft =
    after === undefined
      ? isFromRun(live, id, "update", Date.parse(context.serverTime))
      : compareObjects(plain(after), plain(live), type).fields.length === 0;
  if (isAsLeft || context.force) return item("revert");
  return item("left", "somebody has changed it since");
}
