/**
 * Watches: the state, then what was recorded after the revision that the client knows, then bookmarks. Nothing new ever
 * happens in a file, so that the events come to an end; the stream stays open as long as the client wants it. Source:
 * apiserver's storage/cacher and the API concepts of Kubernetes.
 */

import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { encodeMessage } from "../protobuf/message.ts";
import { encodeCbor } from "../storage/cbor.ts";
import { printJson } from "../storage/json-text.ts";
import { type BodyPart, encodeBody, type MessageOf, metadataMessage } from "./body.ts";
import { groupVersion, type ServedResource } from "./catalog.ts";
import { messageOf, parseRevision, readInclude } from "./list.ts";
import type { Negotiated } from "./negotiate.ts";
import { isSet } from "./query-flag.ts";
import { isSelected, placeOf, type Selection, selectObjects } from "./selection.ts";
import { ApiFailure, invalidOption, statusOf } from "./status.ts";
import { partialMetadata, tableForm, tableHead, tableRow } from "./table.ts";
import { placeholder, type Viewed, viewRow } from "./view.ts";
import type { World } from "./world.ts";

export interface WatchAnswer {
  readonly events: Generator<BodyPart>;
  /** Made while the stream is idle, for clients that asked for bookmarks. */
  readonly bookmark: (() => BodyPart) | undefined;
  readonly timeoutSeconds: number | undefined;
}

type EventType = "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";

interface WatchEvent {
  readonly type: EventType;
  readonly viewed: Viewed | JsonObject;
}

/** Ends the initial events of a streaming list. */
const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

export function answerWatch(
  world: World,
  selection: Selection,
  negotiated: Negotiated,
  query: URLSearchParams,
): WatchAnswer {
  const since = parseRevision(query.get("resourceVersion") ?? "");
  const wantsInitial = isSet(query, "sendInitialEvents");
  const bookmarks = isSet(query, "allowWatchBookmarks");
  if (query.has("sendInitialEvents") && query.get("resourceVersionMatch") !== "NotOlderThan")
    throw invalidOption(
      "resourceVersionMatch",
      "Forbidden",
      "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
    );
  const seconds = Number(query.get("timeoutSeconds") ?? 0);
  const write = eventWriter(world, selection, negotiated, query);
  const bookmark = (annotations?: JsonObject): WatchEvent => ({
    type: "BOOKMARK",
    viewed: {
      kind: selection.resource.kind,
      apiVersion: groupVersion(selection.resource),
      metadata: {
        resourceVersion: String(world.revision),
        ...(annotations === undefined ? {} : { annotations }),
      },
    },
  });
  function* events(): Generator<BodyPart> {
    if (since > 0 && !wantsInitial && since < world.history.firstRevision) {
      yield write({
        type: "ERROR",
        viewed: statusOf(
          new ApiFailure("Expired", `too old resource version: ${since} (${world.history.firstRevision})`),
        ),
      });
      return;
    }
    const withState = wantsInitial || (since === 0 && (wantsInitial || !query.has("sendInitialEvents")));
    if (withState) for (const event of stateEvents(world, selection)) yield event === undefined ? "" : write(event);
    if (wantsInitial && bookmarks) yield write(bookmark({ [INITIAL_EVENTS_END]: "true" }));
    if (!withState && since > 0)
      for (const event of recordedEvents(world, selection, since)) yield event === undefined ? "" : write(event);
    if (bookmarks && !wantsInitial) yield write(bookmark());
  }
  return {
    events: events(),
    bookmark: bookmarks ? () => write(bookmark()) : undefined,
    timeoutSeconds: Number.isFinite(seconds) && seconds > 0 ? seconds : undefined,
  };
}

function* stateEvents(world: World, selection: Selection): Generator<WatchEvent | undefined> {
  const { revision } = world;
  const keys = world.liveKeys(placeOf(selection), revision);
  for (const each of selectObjects(world, selection, keys, revision))
    yield each === undefined ? undefined : { type: "ADDED", viewed: each.viewed };
}

/** Recorded changes that are looked at before other requests get their turn. */
const CHANGES_AT_ONCE = 256;

/** What happened after `since`, as a client with this selection would have heard of it. */
function* recordedEvents(world: World, selection: Selection, since: number): Generator<WatchEvent | undefined> {
  const { history, revision, showSecrets } = world;
  const [from, to] = history.range(placeOf(selection));
  const selectsAll = selection.labels.length === 0 && selection.fields.length === 0;
  let looked = 0;
  for (const row of history.rowsAfter(since)) {
    if (++looked % CHANGES_AT_ONCE === 0) yield undefined;
    const at = history.revisionOf(row);
    if (at > revision) return;
    const key = history.keyOfRow(row);
    if (key < from || key >= to) continue;
    const rows = history.rowsOf(key);
    const before = rows[rows.indexOf(row) - 1];
    const view = (of: number) => viewRow(history, of, selection.resource, showSecrets);
    const now = history.isDeletion(row) ? undefined : view(row);
    const isNow = now !== undefined && isSelected(selection, now);
    const wasThere = before !== undefined && !history.isDeletion(before);
    if (isNow && selectsAll) {
      yield { type: wasThere ? "MODIFIED" : "ADDED", viewed: now }; // what it was before need not be read
      continue;
    }
    const old = wasThere ? view(before) : undefined;
    const wasSelected = old !== undefined && isSelected(selection, old);
    if (isNow) yield { type: wasSelected ? "MODIFIED" : "ADDED", viewed: now };
    else if (wasSelected) yield { type: "DELETED", viewed: atRevision(old, at) };
  }
}

/** A deletion shows the last state, at the revision of the deletion. */
function atRevision(viewed: Viewed, revision: number): Viewed {
  if (viewed.state !== "object") return { ...viewed, revision };
  const at = (object: KubeObject): KubeObject => ({
    ...object,
    metadata: { ...object.metadata, resourceVersion: String(revision) },
  });
  return { state: "object", object: at(viewed.object), stored: at(viewed.stored) };
}

function isViewed(viewed: Viewed | JsonObject): viewed is Viewed {
  return "state" in viewed;
}

/** Turns events into frames of the stream. */
function eventWriter(
  world: World,
  { resource }: Selection,
  { encoding, form, formVersion }: Negotiated,
  query: URLSearchParams,
): (event: WatchEvent) => BodyPart {
  const table = form === "table" ? tableForm(resource, formVersion, readInclude(query), world.now) : undefined;
  let hasColumns = false;
  const bodyOf = ({ type, viewed }: WatchEvent): JsonObject => {
    if (type === "ERROR" || (type === "BOOKMARK" && form === "object")) return viewed as JsonObject;
    const object = isViewed(viewed)
      ? viewed.state === "object"
        ? viewed.object
        : placeholder(viewed, resource)
      : (viewed as KubeObject);
    if (form === "metadata") return partialMetadata(object, formVersion, resource);
    if (table === undefined) return object;
    const definitions = hasColumns ? [] : table.definitions;
    hasColumns = true;
    const { resourceVersion = "" } = object.metadata;
    const head = tableHead({ ...table, definitions }, { resourceVersion });
    const row = type === "BOOKMARK" ? bookmarkRow(object, formVersion, resource) : tableRow(table, viewed as Viewed);
    return { ...head, columnDefinitions: definitions.length === 0 ? null : definitions, rows: [row] };
  };
  const message: MessageOf | undefined = form === "metadata" ? metadataMessage : messageOf(resource);
  return (event) => {
    const object = bodyOf(event);
    switch (encoding) {
      case "cbor":
        return encodeCbor({ type: event.type, object });
      case "protobuf":
        return protobufFrame(event.type, encodeBody(object, "protobuf", event.type === "ERROR" ? undefined : message));
      case "yaml":
      case "json":
        return `${printJson({ type: event.type, object })}\n`;
    }
  };
}

function bookmarkRow(object: KubeObject, version: string, resource: ServedResource): JsonValue {
  return { cells: [], object: partialMetadata(object, version, resource) };
}

/** Four bytes of length, then metav1.WatchEvent `type = 1, object = 2 (RawExtension: raw = 1)` without an envelope of its own. */
function protobufFrame(type: EventType, object: BodyPart): Uint8Array {
  const raw = typeof object === "string" ? Buffer.from(object) : object;
  const event = encodeMessage((writer) => {
    writer.string(1, type);
    writer.message(2, (extension) => extension.bytes(1, raw));
  });
  const length = Buffer.alloc(4);
  length.writeUInt32BE(event.length);
  return Buffer.concat([length, event]);
}
