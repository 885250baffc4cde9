/** `objects changes`: what happened in a cluster before its snapshot was taken, the newest first. */

import { compareObjects } from "../../compare/compare-objects.ts";
import type { FieldChange } from "../../compare/compare-values.ts";
import { isElectionRecord, noisyPath } from "../../compare/noise.ts";
import { createRevisionTimes, type RevisionTimes, type TimeMark } from "../../compare/revision-times.ts";
import { UNKNOWN_CUSTOM } from "../../compare/schema-types.ts";
import { type Writer, writersOf } from "../../compare/writers.ts";
import { defined } from "../../errors/defined.ts";
import { type Finding, MendError } from "../../errors/errors.ts";
import type { KubeObject } from "../../kube/object.ts";
import { type KeyChange, readChanges } from "../../snapshot/read-keyspace.ts";
import { createTurns } from "../../snapshot/turns.ts";
import { readObjectKey, splitRest } from "../../storage/object-key.ts";
import { parseTime } from "../../storage/time.ts";
import { readMoment } from "./moment.ts";
import { createSelection, type SelectionRequest } from "./object-selection.ts";
import { readTypes, typeOf } from "./object-types.ts";
import { openSnapshotSide, type SnapshotSide, type SnapshotSideOptions } from "./snapshot-side.ts";

export interface ChangesOptions extends SnapshotSideOptions {
  /** Milliseconds since the epoch, or a revision. None: everything that the snapshot still holds. */
  readonly since?: { readonly time: number } | { readonly revision: number };
  readonly atRevision?: number;
  readonly selection: SelectionRequest;
  /** Noise counts, too. */
  readonly all: boolean;
}

export interface ObjectChange {
  readonly revision: number;
  /**
   * RFC 3339, to the second: by the object itself, or `about` the time by the leases that were renewed around it; null
   * where nothing shows it.
   */
  readonly time: string | null;
  readonly about: boolean;
  readonly change: "created" | "changed" | "deleted" | "unreadable";
  readonly path: string;
  readonly kind: string;
  readonly apiVersion: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly writers: readonly Writer[];
  readonly fields: readonly FieldChange[];
  readonly text?: string;
  readonly after?: KubeObject;
}

export interface ChangesResult {
  /** Revisions after this one were looked at. */
  readonly afterRevision: number;
  readonly newestRevision: number;
  /** Changes before it were compacted away. */
  readonly compactRevision: number;
  /** Whether changes since the time that was asked for may be missing, because they were compacted away. */
  readonly cut: boolean;
  readonly leftOut: number;
  readonly findings: readonly Finding[];
}

/**
 * Calls `report` for each change, the newest first. Throws `object-not-found` where nothing that the selection could
 * mean is or was there: "no changes" would read as if all were well, where a name is misspelled.
 */
export async function listChanges(
  file: string,
  options: ChangesOptions,
  report: (change: ObjectChange) => Promise<void> | void,
): Promise<ChangesResult> {
  const { since, all, signal } = options;
  const moment = readMoment(file, options.atRevision);
  using side = await openSnapshotSide(moment, options);
  const { revision: newest, compactRevision } = side.keyspace;
  const selection = createSelection(options.selection, side.custom);
  const held = await readChanges(side.snapshot, { compactRevision, upTo: newest }, options);
  const times = createRevisionTimes(await readMarks(side, held, signal));
  const wanted =
    since === undefined ? 0 : "revision" in since ? since.revision : (times.firstSince(since.time) ?? 0) - 1;
  const after = Math.max(compactRevision, wanted);
  const range = held.filter(({ main }) => main > after);
  const takes = (key: string): boolean => {
    const id = readObjectKey(key, side.prefix);
    return id !== undefined && id.rest !== "" && selection.takes(id.path, id.rest);
  };
  if (!held.some(({ key }) => takes(key)) && !liveKeys(side).some(takes)) {
    throw new MendError("object-not-found", "nothing that matches the selection is or was in the snapshot", {
      where: side.label,
      hint: "check the name and the namespace (-n, or -A for all)",
    });
  }
  const types = await readTypes([side]);
  const turn = createTurns(signal);
  let leftOut = 0;
  for (const change of range.toReversed()) {
    await turn();
    const id = readObjectKey(change.key, side.prefix);
    if (id === undefined || id.rest === "" || !selection.takes(id.path, id.rest)) continue;
    if (!all && noisyPath(id.path) !== undefined) {
      leftOut++;
      continue;
    }
    const before = change.readBefore();
    const found = describe(side, change, before && side.decode(before), types, all);
    if (found === undefined) {
      leftOut++;
      continue;
    }
    const { object, old, ...rest } = found;
    if (![object, old].some((each) => each === undefined || selection.takesLabels(each))) continue;
    const shown = object ?? old;
    const time = timeOf(rest.writers, change.main, times);
    if (isBefore(time, since)) continue;
    const { namespace, name } = splitRest(id.path, id.rest);
    await report({
      revision: change.main,
      ...time,
      ...rest,
      path: id.path,
      kind: shown?.kind ?? id.resource,
      apiVersion: shown?.apiVersion ?? "",
      namespace,
      name,
      ...(object && { after: object }),
    });
  }
  return {
    afterRevision: after,
    newestRevision: newest,
    compactRevision,
    cut: compactRevision > 0 && wanted <= compactRevision,
    leftOut,
    findings: side.snapshot.findings.list(),
  };
}

function liveKeys({ keyspace }: SnapshotSide): IteratorObject<string> {
  const decoder = new TextDecoder();
  return Iterator.from(keyspace.keys()).map((key) => decoder.decode(key));
}

interface Described {
  readonly change: ObjectChange["change"];
  readonly writers: readonly Writer[];
  readonly fields: readonly FieldChange[];
  readonly text?: string;
  readonly object?: KubeObject;
  readonly old?: KubeObject;
}

/** Undefined where only noise changed. */
function describe(
  side: SnapshotSide,
  change: KeyChange,
  before: ReturnType<SnapshotSide["decode"]> | undefined,
  types: Awaited<ReturnType<typeof readTypes>>,
  all: boolean,
): Described | undefined {
  const old = before?.state === "object" ? before.object : undefined;
  const isRecord = (object: KubeObject | undefined) => !all && object !== undefined && isElectionRecord(object);
  if (isRecord(old)) return undefined;
  if (change.tombstone) return { change: "deleted", writers: [], fields: [], ...(old && { old }) };
  const keyValue = change.read();
  const decoded = keyValue && side.decode(keyValue);
  if (decoded?.state !== "object") {
    return { change: "unreadable", writers: [], fields: [], text: decoded?.text ?? "the value is damaged" };
  }
  const { object } = decoded;
  if (isRecord(object)) return undefined;
  const writers = writersOf(old, object);
  if (defined(keyValue).version === 1) return { change: "created", writers, fields: [], object };
  if (old === undefined) return { change: "changed", writers: [], fields: [], object };
  const { fields } = compareObjects(old, object, typeOf(object, types) ?? UNKNOWN_CUSTOM, all);
  return fields.length === 0 ? undefined : { change: "changed", writers, fields, object, old };
}

/** The renewals of leases. */
async function readMarks(
  side: SnapshotSide,
  changes: readonly KeyChange[],
  signal: AbortSignal | undefined,
): Promise<TimeMark[]> {
  const start = `${side.prefix}/leases/`;
  const turn = createTurns(signal);
  const marks: TimeMark[] = [];
  for (const change of changes) {
    await turn();
    if (!change.key.startsWith(start)) continue;
    const keyValue = change.read();
    const decoded = keyValue && side.decode(keyValue);
    const spec = decoded?.state === "object" ? (decoded.object.spec as { readonly renewTime?: unknown }) : undefined;
    const time = typeof spec?.renewTime === "string" ? milliseconds(spec.renewTime) : undefined;
    if (time !== undefined) marks.push({ revision: change.main, time });
  }
  return marks;
}

function milliseconds(text: string): number | undefined {
  const time = parseTime(text);
  return time && time.seconds * 1000 + Math.floor(time.nanos / 1e6);
}

/** Whether its own record says that it is older: the revisions around the time are not known exactly. */
function isBefore({ time, about }: Pick<ObjectChange, "time" | "about">, since: ChangesOptions["since"]): boolean {
  if (time === null || about || since === undefined || "revision" in since) return false;
  return Date.parse(time) + 1000 <= since.time; // to the second
}

function timeOf(writers: readonly Writer[], revision: number, times: RevisionTimes) {
  const recorded = writers.find(({ time }) => time !== "")?.time;
  if (recorded !== undefined) return { time: recorded, about: false };
  const about = times.timeOf(revision);
  const text = about === undefined ? null : `${new Date(about).toISOString().slice(0, 19)}Z`;
  return { time: text, about: text !== null };
}
