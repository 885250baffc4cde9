/** Lists: which objects, of which moment, how many at once. Source: apiserver's registry/generic and storage/etcd3. */
import { defined } from "../errors/defined.ts";
import type { JsonObject } from "../kube/object.ts";
import { type BodyPart, encodeList, type ListBody, type MessageOf, messagesOf, metadataMessage } from "./body.ts";
import { groupVersion, type ServedResource } from "./catalog.ts";
import type { Negotiated } from "./negotiate.ts";
import { placeOf, type Selection, selectObjects } from "./selection.ts";
import { ApiFailure, invalidOption, tooLargeRevision } from "./status.ts";
import { partialMetadata, sortViewed, type TableForm, tableForm, tableHead, tableRow } from "./table.ts";
import { placeholder, type Viewed, viewRow } from "./view.ts";
import type { World } from "./world.ts";

/** The revision that a query asks for. Throws `Expired`, `Timeout` and `BadRequest` as an API server does. */
function readRevision(query: URLSearchParams, world: World, paged: boolean): number {
  const text = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  if (match !== "" && text === "")
    throw invalidOption(
      "resourceVersionMatch",
      "Forbidden",
      "resourceVersionMatch is forbidden unless resourceVersion is provided",
    );
  if (match !== "" && match !== "Exact" && match !== "NotOlderThan")
    throw invalidOption(
      "resourceVersionMatch",
      "Unsupported value",
      `${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan", ""`,
    );
  const asked = parseRevision(text);
  if (match === "Exact" && asked === 0)
    throw invalidOption(
      "resourceVersionMatch",
      "Forbidden",
      'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    );
  const exact = match === "Exact" || (match === "" && paged && asked > 0);
  if (asked > world.revision) throw tooLargeRevision(asked, world.revision);
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
      `invalid resource version: resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`,
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
      return { revision: rv, start: start.replace(/^\//, "") };
  } catch {
    // said below
  }
  throw new ApiFailure("BadRequest", "invalid continue token: continue key is not valid");
}

interface Page {
  readonly revision: number;
  /** What the page holds; undefined where other requests get their turn. */
  readonly found: () => Iterable<Viewed | undefined>;
  readonly next: string | undefined;
  readonly remaining: number | undefined;
}

/** A page that is known, or the search that it takes to know where it ends. */
type PageSearch = Page | (() => Generator<undefined, Page>);

export interface ListOptions {
  readonly negotiated: Negotiated;
  readonly query: URLSearchParams;
  /** Spaces by which JSON is indented; 0 for one line. */
  readonly indent: number;
}

export interface ListAnswer {
  readonly body: Generator<BodyPart>;
  readonly warning: string | undefined;
}

/** Throws what is wrong with the request; the search itself is part of the body. */
export function answerList(world: World, selection: Selection, { negotiated, query, indent }: ListOptions): ListAnswer {
  readInclude(query);
  const revision = listRevision(world, query);
  const search = findPage(world, selection, query, revision);
  function* body(): Generator<BodyPart> {
    let page: Page;
    if (typeof search === "function") {
      const searching = search();
      let step = searching.next();
      for (; step.done !== true; step = searching.next()) yield "";
      page = step.value;
    } else page = search;
    const metadata: JsonObject = {
      resourceVersion: String(page.revision),
      ...(page.next === undefined ? {} : { continue: page.next }),
      ...(page.remaining === undefined ? {} : { remainingItemCount: page.remaining }),
    };
    yield* encodeList(
      listBody(world, selection.resource, page, metadata, negotiated, query),
      negotiated.encoding,
      indent,
    );
  }
  return { body: body(), warning: unreadableWarning(world, selection, revision.at) };
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
        for (const viewed of sortViewed(table.table, page.found()))
          yield viewed === undefined ? undefined : tableRow(table, viewed);
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
        for (const viewed of page.found())
          yield viewed === undefined ? undefined : partialMetadata(object(viewed), formVersion, resource);
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
        if (viewed === undefined) {
          yield undefined;
          continue;
        }
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

interface ListRevision {
  readonly at: number;
  /** Where the list continues, of a request for its next page. */
  readonly token: ContinueToken | undefined;
}

function listRevision(world: World, query: URLSearchParams): ListRevision {
  const tokenText = query.get("continue") ?? "";
  const token = tokenText === "" ? undefined : readToken(tokenText);
  if (token !== undefined && (query.get("resourceVersion") ?? "") !== "")
    throw new ApiFailure("BadRequest", "specifying resource version is not allowed when using continue");
  const at = token?.revision ?? readRevision(query, world, readLimit(query) > 0);
  if (at < world.history.firstRevision || at > world.revision)
    throw new ApiFailure("Expired", "The provided continue parameter is too old to display a consistent list result.");
  return { at, token };
}

function findPage(
  world: World,
  selection: Selection,
  query: URLSearchParams,
  { at: revision, token }: ListRevision,
): PageSearch {
  const limit = readLimit(query);
  const place = placeOf(selection);
  const keys = world.liveKeys(place, revision);
  const first = token === undefined ? 0 : positionAfter(world, keys, place + token.start);
  if (selection.labels.length === 0 && selection.fields.length === 0) {
    const end = limit > 0 ? Math.min(first + limit, keys.length) : keys.length;
    const next = end < keys.length ? nextToken(world, revision, defined(keys[end - 1]), place) : undefined;
    return {
      revision,
      next,
      remaining: next === undefined ? undefined : keys.length - end,
      *found() {
        for (let i = first; i < end; i++)
          yield viewRow(
            world.history,
            world.history.rowAt(defined(keys[i]), revision),
            selection.resource,
            world.showSecrets,
          );
      },
    };
  }
  const select = () => selectObjects(world, selection, keys.subarray(first), revision);
  if (limit === 0) {
    return {
      revision,
      next: undefined,
      remaining: undefined,
      *found() {
        for (const each of select()) yield each?.viewed;
      },
    };
  }
  return function* () {
    const found: Viewed[] = [];
    let next: string | undefined;
    for (const each of select()) {
      if (each === undefined) {
        yield undefined;
        continue;
      }
      found.push(each.viewed);
      if (found.length < limit) continue;
      if (each.key !== keys.at(-1)) next = nextToken(world, revision, each.key, place);
      break;
    }
    return { revision, next, remaining: undefined, found: () => found };
  };
}

function readLimit(query: URLSearchParams): number {
  const text = query.get("limit") ?? "";
  const limit = Number(text);
  if (text !== "" && (!/^[-+]?\d+$/.test(text) || !Number.isSafeInteger(limit)))
    throw new ApiFailure("BadRequest", `strconv.ParseInt: parsing "${text}": invalid syntax`);
  return Math.max(0, limit);
}

/** API servers put the last key, with the slash before it, and a zero byte, which sorts right behind it. */
function nextToken(world: World, revision: number, last: number, place: string): string {
  return writeToken({ revision, start: `/${world.history.key(last).slice(place.length)}\0` });
}

function positionAfter(world: World, keys: Uint32Array, start: string): number {
  const wanted = Buffer.from(start);
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (Buffer.compare(Buffer.from(world.history.key(defined(keys[middle]))), wanted) < 0) low = middle + 1;
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
    const key = defined(keys[i]);
    const viewed = viewRow(history, history.rowAt(key, revision), selection.resource, showSecrets);
    if (viewed.state === "object") continue;
    const { plural } = selection.resource;
    return viewed.state === "encrypted"
      ? `${plural} are ${viewed.text}: start kubemend serve with the API server's EncryptionConfiguration to read them`
      : `some ${plural} cannot be read: ${viewed.text}`;
  }
  return undefined;
}
