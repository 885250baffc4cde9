/** `objects history`: every revision of an object that a snapshot still holds, and what changed in each. */
import { compareObjects } from "../../compare/compare-objects.ts";
import type { FieldChange } from "../../compare/compare-values.ts";
import { UNKNOWN_CUSTOM } from "../../compare/schema-types.ts";
import { type Writer, writersOf } from "../../compare/writers.ts";
import { type Finding, MendError } from "../../errors/errors.ts";
import type { KubeObject } from "../../kube/object.ts";
import { readKeyHistory } from "../../snapshot/read-keyspace.ts";
import { type ObjectRequest, resolveResources, resourceName } from "../../storage/resource-argument.ts";
import { readMoment } from "./moment.ts";
import { readTypes, typeOf } from "./object-types.ts";
import { openSnapshotSide, type SnapshotSideOptions } from "./snapshot-side.ts";

export interface HistoryOptions extends SnapshotSideOptions {
  /** One type and one name. */
  readonly request: ObjectRequest;
  readonly namespace: string;
  readonly atRevision?: number;
  /** Noise counts, too. */
  readonly all: boolean;
}

export interface HistoryEntry {
  readonly revision: number;
  /** `first`: the oldest that is still there, of an object that is older than it. */
  readonly change: "created" | "first" | "changed" | "deleted" | "unreadable";
  /** Who wrote it: empty where nothing shows it. */
  readonly writers: readonly Writer[];
  /** Against the revision before. */
  readonly fields: readonly FieldChange[];
  /** Why the object cannot be read. */
  readonly text?: string;
  readonly object?: KubeObject;
}

export interface ObjectHistory {
  readonly kind: string;
  readonly namespace: string | null;
  readonly name: string;
  /** Older revisions than this one were compacted away, but for the newest of each object. */
  readonly compactRevision: number;
  /** The oldest first. */
  readonly entries: readonly HistoryEntry[];
  /** Revisions in which only noise changed, such as the status: left out. */
  readonly leftOut: number;
  readonly findings: readonly Finding[];
}

/** Throws `object-not-found` where the snapshot holds no revision of it, and `kind-unknown`. */
export async function readObjectHistory(file: string, options: HistoryOptions): Promise<ObjectHistory> {
  const { request, namespace, all } = options;
  const moment = readMoment(file, options.atRevision);
  using side = await openSnapshotSide(moment, options);
  const [name] = request.names;
  const found = resolveResources(request.resources, side.custom);
  const [resource] = found;
  if (resource === undefined || found.length > 1 || name === undefined || request.names.length > 1) {
    throw new MendError("usage", "the history of one object is shown at a time", { hint: "name it as TYPE/NAME" });
  }
  const isNamespaced = resource.namespaced !== false;
  const key = `${side.prefix}/${resource.path}/${isNamespaced ? `${namespace}/` : ""}${name}`;
  const { revision: newest, compactRevision } = side.keyspace;
  const revisions = await readKeyHistory(side.snapshot, key, options);
  const types = await readTypes([side]);
  const entries: HistoryEntry[] = [];
  let leftOut = 0;
  let before: KubeObject | undefined;
  let isThere = false;
  for (const { revision, keyValue } of revisions) {
    if (revision.main > newest) break;
    if (keyValue === undefined) {
      entries.push({ revision: revision.main, change: "deleted", writers: [], fields: [] });
      before = undefined;
      isThere = false;
      continue;
    }
    const decoded = side.decode(keyValue);
    if (decoded.state !== "object") {
      entries.push({ revision: revision.main, change: "unreadable", writers: [], fields: [], text: decoded.text });
      before = undefined;
      isThere = true;
      continue;
    }
    const { object } = decoded;
    const writers = writersOf(before, object);
    if (before === undefined) {
      const change = isThere ? "changed" : keyValue.version === 1 ? "created" : "first";
      entries.push({ revision: revision.main, change, writers: change === "first" ? [] : writers, fields: [], object });
    } else {
      const type = typeOf(object, types) ?? UNKNOWN_CUSTOM;
      const { fields } = compareObjects(before, object, type, all);
      if (fields.length === 0) leftOut++;
      else entries.push({ revision: revision.main, change: "changed", writers, fields, object });
    }
    before = object;
    isThere = true;
  }
  if (entries.length === 0) {
    throw new MendError("object-not-found", `no revision of ${resourceName(resource)} "${name}" in the snapshot`, {
      where: moment.file,
      hint: isNamespaced ? "check the name and the namespace (-n)" : "check the name",
    });
  }
  return {
    kind: resource.kind || resource.singular,
    namespace: isNamespaced ? namespace : null,
    name,
    compactRevision,
    entries,
    leftOut,
    findings: side.snapshot.findings.list(),
  };
}
