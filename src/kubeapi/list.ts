/** Lists: which objects, of which moment, how many at once. Source: apiserver's registry/generic and storage/etcd3. */
import { MendError } from "../errors/errors.ts";
import { type LabelSelector, matchesLabels, parseLabelSelector } from "../kube/label-selector.ts";
import type { JsonObject } from "../kube/object.ts";
import { type BodyPart, encodeList, type ListBody, type MessageOf, messagesOf, metadataMessage } from "./body.ts";
import { groupVersion, type ServedResource } from "./catalog.ts";
import { type FieldSelector, matchesFields, parseFieldSelector, selectableKind } from "./field-selector.ts";
import type { Negotiated } from "./negotiate.ts";
import { ApiFailure } from "./status.ts";
import { partialMetadata, sortViewed, type TableForm, tableForm, tableHead, tableRow } from "./table.ts";
import { placeholder, type Viewed, viewRow } from "./view.ts";
import type { World } from "./world.ts";

export interface Selection {
  readonly resource: ServedResource;
  readonly namespace: string | undefined;
  readonly labels: LabelSelector;
  readonly fields: FieldSelector;
}

/** Reads the selectors of a query; throws `BadRequest`. */
export function readSelection(
  query: URLSearchParams,
  resource: ServedResource,
  namespace: string | undefined,
): Selection {
  let labels: LabelSelector;
  try {
    labels = parseLabelSelector(query.get("labelSelector") ?? "");
  } catch (error) {
    if (error instanceof MendError) throw new ApiFailure("BadRequest", `unable to parse requirement: ${error.message}`);
    throw error;
  }
  const fields = parseFieldSelector(query.get("fieldSelector") ?? "", selectableKind(resource));
  return { resource, namespace, labels, fields };
}

export function isSelected({ labels, fields }: Selection, viewed: Viewed): boolean {
  if (labels.length === 0 && fields.length === 0) return true;
  // What cannot be read has no labels to look at. It is listed where it could be meant, by its name and namespace.
  if (viewed.state !== "object") {
    const known = fields.filter(({ path }) => path === "metadata.name" || path === "metadata.namespace");
    const { name, namespace } = viewed;
    return known.every(({ path, equal, value }) => ((path === "metadata.name" ? name : namespace) === value) === equal);
  }
  return matchesLabels(labels, viewed.object.metadata.labels) && matchesFields(fields, viewed.object);
}

/** The beginning of the keys that a selection looks at. */
export function placeOf({ resource, namespace }: Pick<Selection, "resource" | "namespace">): string {
  return namespace === undefined ? resource.place : `${resource.place}${namespace}/`;
}

/** The revision that a query asks for. Throws `Expired`, `Timeout` and `BadRequest` as an API server does. */
function readRevision(query: URLSearchParams, world: World, paged: boolean): number {
  const text = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  if (match !== "" && text === "")
    throw new ApiFailure("BadRequest", "resourceVersionMatch is forbidden unless resourceVersion is provided");
  if (match !== "" && match !== "Exact" && match !== "NotOlderThan")
    throw new ApiFailure(
      "BadRequest",
      `resourceVersionMatch: Unsupported value: "${match}": supported values: "Exact", "NotOlderThan"`,
    );
  const asked = parseRevision(text);
  if (match === "Exact" && asked === 0)
    throw new ApiFailure("BadRequest", 'resourceVersionMatch "Exact" is forbidden for resourceVersion "0"');
  const exact = match === "Exact" || (match === "" && paged && asked > 0);
  if (asked > world.revision)
    throw new ApiFailure("Timeout", `Too large resource version: ${asked}, current: ${world.revision}`, {
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    });
  if (!exact) return world.revision;
  if (asked < world.history.firstRevision)
    throw new ApiFailure("Expired", `The resourceVersion for the provided list is too old.`);
  return asked;
}

/** 0 where there is none. Throws `BadRequest`. */
export function parseRevision(text: string): number {
  if (text === "") return 0;
  const revision = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(revision))
    throw new ApiFailure(
      "BadRequest",
      `resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`,
    );
  return revision;
}

interface ContinueToken {
  readonly revision: number;
  /** Below the place of the list: where the next page begins. */
  readonly start: string;
}

/** In the form that API servers use: base64 of JSON. */
function writeToken({ revision, start }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: "meta.k8s.io/v1", rv: revision, start })).toString("base64url");
}

function readToken(text: string): ContinueToken {
  try {
    const { v, rv, start } = JSON.parse(Buffer.from(text, "base64url").toString("utf8")) as Record<string, unknown>;
    if (v === "meta.k8s.io/v1" && typeof rv === "number" && Number.isSafeInteger(rv) && typeof start === "string")
      return { revision: rv, start };
  } catch {
    // said below
  }
  throw new ApiFailure("BadRequest", "continue key is not valid");
}

interface Page {
  readonly revision: number;
  readonly found: () => Iterable<Viewed>;
  readonly next: string | undefined;
  readonly remaining: number | undefined;
}

export interface ListOptions {
  readonly negotiated: Negotiated;
  readonly query: URLSearchParams;
}

export interface ListAnswer {
  readonly body: Generator<BodyPart>;
  readonly warning: string | undefined;
}

export function answerList(world: World, selection: Selection, { negotiated, query }: ListOptions): ListAnswer {
  const page = findPage(world, selection, query);
  const metadata: JsonObject = {
    resourceVersion: String(page.revision),
    ...(page.next === undefined ? {} : { continue: page.next }),
    ...(page.remaining === undefined ? {} : { remainingItemCount: page.remaining }),
  };
  const list = listBody(world, selection.resource, page, metadata, negotiated, query);
  return { body: encodeList(list, negotiated.encoding), warning: unreadableWarning(world, selection, page.revision) };
}

function listBody(
  world: World,
  resource: ServedResource,
  page: Page,
  metadata: JsonObject,
  { form, formVersion }: Negotiated,
  query: URLSearchParams,
): ListBody {
  if (form === "table") {
    const table = tableForm(resource, formVersion, readInclude(query), world.now);
    return {
      head: tableHead(table, metadata),
      itemsField: "rows",
      items: function* () {
        for (const viewed of sortViewed(table.table, page.found())) yield tableRow(table, viewed);
      },
      alphabetical: false,
      messageOf: undefined,
    };
  }
  const object = (viewed: Viewed) => (viewed.state === "object" ? viewed.object : placeholder(viewed, resource));
  if (form === "metadata") {
    return {
      head: { kind: "PartialObjectMetadataList", apiVersion: `meta.k8s.io/${formVersion}`, metadata },
      itemsField: "items",
      items: function* () {
        for (const viewed of page.found()) yield partialMetadata(object(viewed), formVersion);
      },
      alphabetical: false,
      messageOf: metadataMessage,
    };
  }
  const { type } = resource;
  return {
    head: {
      kind: resource.listKind,
      apiVersion: groupVersion(resource),
      metadata: type.custom ? { continue: "", ...metadata } : metadata,
    },
    itemsField: "items",
    items: function* () {
      for (const viewed of page.found()) {
        const item = object(viewed);
        if (type.custom) yield item;
        else {
          const { kind: _kind, apiVersion: _apiVersion, ...rest } = item;
          yield rest;
        }
      }
    },
    alphabetical: type.custom,
    messageOf: messageOf(resource),
  };
}

export function messageOf({ type }: ServedResource): MessageOf | undefined {
  return type.custom ? undefined : messagesOf(type.resource.message);
}

export function readInclude(query: URLSearchParams): TableForm["include"] {
  const include = query.get("includeObject") ?? "Metadata";
  if (include === "" || include === "Metadata") return "Metadata";
  if (include === "None" || include === "Object") return include;
  throw new ApiFailure("BadRequest", `unrecognized includeObject value: "${include}"`);
}

function findPage(world: World, selection: Selection, query: URLSearchParams): Page {
  const limit = readLimit(query);
  const tokenText = query.get("continue") ?? "";
  const token = tokenText === "" ? undefined : readToken(tokenText);
  if (token !== undefined && (query.get("resourceVersion") ?? "") !== "")
    throw new ApiFailure("BadRequest", "specifying resource version is not allowed when using continue");
  const revision = token?.revision ?? readRevision(query, world, limit > 0);
  if (revision < world.history.firstRevision || revision > world.revision)
    throw new ApiFailure("Expired", "The provided continue parameter is too old to display a consistent list result.");
  const place = placeOf(selection);
  const keys = world.liveKeys(place, revision);
  const first = token === undefined ? 0 : positionAfter(world, keys, place + token.start);
  const view = (key: number) =>
    viewRow(world.history, world.history.rowAt(key, revision), selection.resource, world.showSecrets);
  const selects = selection.labels.length > 0 || selection.fields.length > 0;
  if (!selects) {
    const end = limit > 0 ? Math.min(first + limit, keys.length) : keys.length;
    const next = end < keys.length ? nextToken(world, revision, keys[end - 1]!, place) : undefined;
    return {
      revision,
      next,
      remaining: next === undefined ? undefined : keys.length - end,
      *found() {
        for (let i = first; i < end; i++) yield view(keys[i]!);
      },
    };
  }
  const candidates = narrowed(world, keys.subarray(first), selection);
  const mayMatch = byteFilter(world, selection, revision);
  if (limit === 0) {
    return {
      revision,
      next: undefined,
      remaining: undefined,
      *found() {
        for (const key of candidates) {
          if (!mayMatch(key)) continue;
          const viewed = view(key);
          if (isSelected(selection, viewed)) yield viewed;
        }
      },
    };
  }
  const found: Viewed[] = [];
  let next: string | undefined;
  for (const [i, key] of candidates.entries()) {
    if (!mayMatch(key)) continue;
    const viewed = view(key);
    if (!isSelected(selection, viewed)) continue;
    found.push(viewed);
    if (found.length < limit) continue;
    if (i + 1 < candidates.length) next = nextToken(world, revision, key, place);
    break;
  }
  return { revision, next, remaining: undefined, found: () => found };
}

/** A selection by name, which informers and `kubectl get NAME -w` use, looks at keys only. */
function narrowed(world: World, keys: Uint32Array, { fields }: Selection): Uint32Array {
  const name = fields.find(({ path, equal }) => path === "metadata.name" && equal)?.value;
  if (name === undefined) return keys;
  return keys.filter((key) => world.history.key(key).endsWith(`/${name}`));
}

/** Texts that every encoding writes as they are. */
const PLAIN = /^[A-Za-z0-9._-]{2,}$/;
const ENCRYPTED = Buffer.from("k8s:enc:");

/**
 * Looks at the stored bytes first: an object that does not hold a label's value anywhere is not decoded to find that out. Only of a selection of hundreds of thousands of objects it
 * matters. What is encrypted is always decoded.
 */
function byteFilter({ history }: World, { labels, fields, resource }: Selection, revision: number) {
  const equal = labels.flatMap(({ label, operator, values }) =>
    operator === "exists" ? [label] : operator === "in" && values.length === 1 ? [label, values[0]!] : [],
  );
  // Other fields of custom resources may be numbers, which CBOR and protobuf do not write as text.
  const names = fields.flatMap(({ path, equal: isEqual, value }) =>
    isEqual && !resource.type.custom && /(^metadata\.|Name$|\.name$|\.uid$)/.test(path) ? [value] : [],
  );
  const wanted = [...equal.map((text) => text.replace(/^.*\//, "")), ...names]
    .filter((text) => PLAIN.test(text))
    .map((text) => Buffer.from(text));
  return (key: number): boolean => {
    if (wanted.length === 0) return true;
    const bytes = history.raw(history.rowAt(key, revision));
    if (bytes === undefined || bytes.subarray(0, ENCRYPTED.length).equals(ENCRYPTED)) return true;
    return wanted.every((text) => bytes.includes(text));
  };
}

function readLimit(query: URLSearchParams): number {
  const text = query.get("limit") ?? "";
  const limit = text === "" ? 0 : Number(text);
  if (!Number.isSafeInteger(limit) || limit < 0)
    throw new ApiFailure("BadRequest", `limit: Invalid value: "${text}": must be a whole number of 0 or more`);
  return limit;
}

/** API servers put the last key and a zero byte, which sorts right behind it. */
function nextToken(world: World, revision: number, last: number, place: string): string {
  return writeToken({ revision, start: `${world.history.key(last).slice(place.length)}\0` });
}

function positionAfter(world: World, keys: Uint32Array, start: string): number {
  const wanted = Buffer.from(start);
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (Buffer.compare(Buffer.from(world.history.key(keys[middle]!)), wanted) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Objects of a list that are looked at before its head is sent. */
const PROBES = 24;

/** Said where some objects from all over a list cannot be read. */
function unreadableWarning(world: World, selection: Selection, revision: number): string | undefined {
  const { history, showSecrets } = world;
  const keys = world.liveKeys(placeOf(selection), revision);
  const step = Math.max(1, Math.floor(keys.length / PROBES));
  for (let i = 0; i < keys.length; i += step) {
    const key = keys[i]!;
    const viewed = viewRow(history, history.rowAt(key, revision), selection.resource, showSecrets);
    if (viewed.state === "object") continue;
    const { plural } = selection.resource;
    return viewed.state === "encrypted"
      ? `${plural} are ${viewed.text}: start kubemend serve with --encryption-config to read them`
      : `some ${plural} cannot be read: ${viewed.text}`;
  }
  return undefined;
}
