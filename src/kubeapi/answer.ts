/** The front door: a request in, the answer of an API server out. Never throws for anything that a request says. */
import { defined } from "../errors/defined.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { type BodyPart, encodeBody, metadataMessage } from "./body.ts";
import type { ServedResource } from "./catalog.ts";
import { aggregated, coreVersions, groupList, isReviewed, isServedGroup, oneGroup, resourceList } from "./discovery.ts";
import { answerList, messageOf, parseRevision, readInclude } from "./list.ts";
import { aggregatedVersion, type Encoding, MEDIA_TYPES, type Negotiated, negotiate, parseAccept } from "./negotiate.ts";
import { openApiV2, openApiV3, openApiV3Index } from "./openapi.ts";
import { encodeOpenApiV2 } from "./openapi-protobuf.ts";
import { isSet } from "./query-flag.ts";
import { answerReview } from "./review.ts";
import { scaleOf } from "./scale.ts";
import { readSelection } from "./selection.ts";
import { ApiFailure, noSuchPath, notFound, statusOf, tooLargeRevision } from "./status.ts";
import { partialMetadata, tableForm, tableHead, tableRow } from "./table.ts";
import { viewRow } from "./view.ts";
import { answerWatch, type WatchAnswer } from "./watch.ts";
import type { World } from "./world.ts";

export interface ApiRequest {
  readonly method: string;
  /** Such as `/api/v1/pods`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly accept: string | undefined;
  /** `HOST:PORT`, as the client calls this server. */
  readonly host: string;
  /** What was posted, if it was JSON. */
  readonly body: JsonValue | undefined;
}

export interface ApiAnswer {
  readonly status: number;
  readonly contentType: string;
  /** Shown to the user by kubectl. */
  readonly warning?: string;
  readonly body: Iterable<BodyPart>;
  /** The body stays open. */
  readonly watch?: WatchAnswer;
}

export function answerRequest(request: ApiRequest, world: World): ApiAnswer {
  try {
    return route(request, world);
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    return failureAnswer(error, request.accept);
  }
}

/** A failure in the encoding that the client asked for, or in JSON. */
export function failureAnswer(failure: ApiFailure, accept: string | undefined): ApiAnswer {
  let encoding: Encoding = "json";
  try {
    encoding = negotiate(accept, true).encoding;
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
  }
  return objectAnswer(statusOf(failure), encoding, failure.code);
}

function objectAnswer(object: JsonObject, encoding: Encoding = "json", status = 200, indent = 0): ApiAnswer {
  return { status, contentType: MEDIA_TYPES[encoding], body: [encodeBody(object, encoding, undefined, indent)] };
}

function textAnswer(text: string, status = 200): ApiAnswer {
  return { status, contentType: "text/plain; charset=utf-8", body: [text] };
}

const HEALTH = new Set(["/healthz", "/livez", "/readyz"]);
const READ_METHODS = new Set(["GET", "HEAD"]);

function route(request: ApiRequest, world: World): ApiAnswer {
  const { method, path } = request;
  const parts = path.split("/").filter((part) => part !== "");
  if (method === "POST") {
    const review = answerReview(parts.at(-1) ?? "", request.body, world.description);
    if (review !== undefined) return objectAnswer(review, "json", 201);
  }
  if (!READ_METHODS.has(method)) throw notWritable(world, path);
  const [first, ...rest] = parts;
  if (first === undefined) return objectAnswer({ paths: topPaths(world) });
  if (HEALTH.has(`/${first}`)) return textAnswer("ok");
  switch (first) {
    case "version":
      return objectAnswer(versionInfo(world), "json", 200, 2);
    case "openapi":
      return answerOpenApi(rest, request, world);
    case "api":
      return answerApi(["", ...rest], request, world);
    case "apis":
      return answerApi(rest, request, world);
    default:
      return NO_PAGE();
  }
}

/** What an API server answers to a path that is of no API. */
const NO_PAGE = () => textAnswer("404 page not found\n", 404);

function notWritable({ description }: World, path: string): ApiFailure {
  const what = /\/(exec|attach|portforward|proxy|log|eviction|binding|token)$/.exec(path)?.[1];
  const why = what === undefined ? "nothing can be written" : `there is nothing running behind it for "${what}"`;
  return new ApiFailure("MethodNotAllowed", `this is ${description}, served by kubemend: ${why}`);
}

function topPaths({ catalog }: World): string[] {
  const groups = catalog.groups.flatMap(({ name, versions }) =>
    name === "" ? ["/api", "/api/v1"] : [`/apis/${name}`, ...versions.map((version) => `/apis/${name}/${version}`)],
  );
  return [...groups, "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].sort();
}

function versionInfo({ version }: World): JsonObject {
  const [, major = "", minor = ""] = /^v(\d+)\.(\d+)/.exec(version ?? "") ?? [];
  return {
    major,
    minor,
    gitVersion: version ?? "v0.0.0-unknown",
    gitCommit: "",
    gitTreeState: "",
    buildDate: "1970-01-01T00:00:00Z",
    goVersion: "",
    compiler: "kubemend",
    platform: "",
  };
}

const PROTOBUF_OPENAPI = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const PROTOBUF_OPENAPI_TOO = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

function answerOpenApi(parts: readonly string[], { accept }: ApiRequest, { catalog }: World): ApiAnswer {
  const [version, ...place] = parts;
  if (version === "v2" && place.length === 0) {
    const wanted = parseAccept(accept).find(({ type }) => type.includes("proto-openapi") || !type.includes("protobuf"));
    const document = openApiV2(catalog);
    if (wanted?.type !== PROTOBUF_OPENAPI && wanted?.type !== PROTOBUF_OPENAPI_TOO) return objectAnswer(document);
    return { status: 200, contentType: PROTOBUF_OPENAPI_TOO, body: [encodeOpenApiV2(document)] };
  }
  if (version !== "v3") throw noSuchPath();
  if (place.length === 0) return objectAnswer(openApiV3Index(catalog));
  const [root, group, name] = place;
  if (root === "api" && place.length === 2) return objectAnswer(openApiV3(catalog, "", defined(group)));
  if (root === "apis" && place.length === 3) return objectAnswer(openApiV3(catalog, defined(group), defined(name)));
  throw noSuchPath();
}

/** `parts`: group, version, and what follows them. The core group has no name. */
function answerApi(parts: readonly string[], request: ApiRequest, world: World): ApiAnswer {
  const { accept, host } = request;
  const { catalog } = world;
  const [group, version, ...rest] = parts;
  if (group === undefined || (group === "" && version === undefined)) {
    const core = group === "";
    const wanted = aggregatedVersion(accept);
    if (wanted !== undefined) {
      const contentType = `application/json;g=apidiscovery.k8s.io;v=${wanted};as=APIGroupDiscoveryList`;
      return { ...objectAnswer(aggregated(catalog, core, wanted)), contentType };
    }
    return objectAnswer(core ? coreVersions(host) : groupList(catalog));
  }
  if (!isServedGroup(catalog, group)) return NO_PAGE();
  if (version === undefined) return objectAnswer(oneGroup(catalog, group));
  if (rest.length === 0) return objectAnswer(resourceList(catalog, group, version));
  if (rest.length === 1 && isReviewed(group, version, defined(rest[0])))
    throw new ApiFailure("MethodNotAllowed", "the server does not allow this method on the requested resource", {});
  return answerResource(group, version, rest, request, world);
}

interface Target {
  readonly resource: ServedResource;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

function answerResource(
  group: string,
  version: string,
  parts: readonly string[],
  request: ApiRequest,
  world: World,
): ApiAnswer {
  const watches = parts[0] === "watch";
  const target = findTarget(group, version, watches ? parts.slice(1) : parts, world);
  const { resource, namespace, name, subresource } = target;
  const negotiated = negotiate(request.accept, !resource.type.custom);
  const wantsWatch = watches || isSet(request.query, "watch");
  if (name !== undefined && !wantsWatch) return answerGet(target, negotiated, request, world);
  if (subresource !== undefined) throw noSuchPath();
  const query = new URLSearchParams(request.query);
  if (name !== undefined) query.set("fieldSelector", `metadata.name=${name}`);
  const selection = readSelection(query, resource, namespace);
  if (wantsWatch) {
    const watch = answerWatch(world, selection, negotiated, query);
    return { status: 200, contentType: watchType(negotiated), body: watch.events, watch };
  }
  const { body, warning } = answerList(world, selection, { negotiated, query, indent: isSet(query, "pretty") ? 2 : 0 });
  const contentType = MEDIA_TYPES[negotiated.encoding];
  return { status: 200, contentType, body, ...(warning === undefined ? {} : { warning }) };
}

function watchType({ encoding }: Negotiated): string {
  if (encoding === "protobuf") return `${MEDIA_TYPES.protobuf};stream=watch`;
  return encoding === "cbor" ? "application/cbor-seq" : MEDIA_TYPES.json;
}

/** `namespaces/NS/PLURAL[/NAME[/SUBRESOURCE]]` or `PLURAL[/NAME[/SUBRESOURCE]]`; a namespace itself is of the second form. */
function findTarget(group: string, version: string, parts: readonly string[], { catalog }: World): Target {
  const decoded = parts.map(decodePart);
  const [first, second, third] = decoded;
  if (first === "namespaces" && second !== undefined && third !== undefined) {
    const resource = catalog.find(group, version, third);
    if (resource?.namespaced === true) return target(resource, second, decoded.slice(3));
  }
  const resource = catalog.find(group, version, first ?? "");
  if (resource === undefined) throw noSuchPath();
  if (resource.namespaced && second !== undefined) throw noSuchPath();
  return target(resource, undefined, decoded.slice(1));
}

function target(resource: ServedResource, namespace: string | undefined, rest: readonly string[]): Target {
  if (rest.length > 2) throw noSuchPath();
  const [name, subresource] = rest;
  return { resource, namespace, name, subresource };
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw noSuchPath();
  }
}

function answerGet(target: Target, negotiated: Negotiated, request: ApiRequest, world: World): ApiAnswer {
  const { resource, namespace, name, subresource } = target;
  const { query } = request;
  const { history, revision } = world;
  if (subresource !== undefined && !isReadable(target)) throw notServed(target, world);
  const asked = parseRevision(query.get("resourceVersion") ?? "");
  if (asked > revision) throw tooLargeRevision(asked, revision);
  const key = history.find(`${resource.place}${namespace === undefined ? "" : `${namespace}/`}${name}`);
  const row = key < 0 ? -1 : history.rowAt(key, revision);
  if (row < 0) throw notFound(resource, defined(name));
  const viewed = viewRow(history, row, resource, world.showSecrets);
  if (viewed.state !== "object" && negotiated.form !== "table") {
    const hint =
      viewed.state === "encrypted"
        ? ": start kubemend serve with the API server's EncryptionConfiguration to read it"
        : "";
    throw new ApiFailure("InternalError", `${resource.plural} "${name}" cannot be read: ${viewed.text}${hint}`);
  }
  const { encoding, form, formVersion } = negotiated;
  const contentType = MEDIA_TYPES[encoding];
  const indent = isSet(query, "pretty") ? 2 : 0;
  const answer = (object: JsonObject, message = messageOf(resource)): ApiAnswer => ({
    status: 200,
    contentType,
    body: [encodeBody(object, encoding, message, indent)],
  });
  if (form === "table") {
    const table = tableForm(resource, formVersion, readInclude(query), world.now);
    const head = tableHead(table, { resourceVersion: String(history.revisionOf(row)) });
    return answer({ ...head, rows: [tableRow(table, viewed)] });
  }
  if (viewed.state !== "object") throw notFound(resource, defined(name));
  if (form === "metadata") return answer(partialMetadata(viewed.object, formVersion, resource), metadataMessage);
  if (subresource === "scale")
    return objectAnswer(scaleOf(viewed.object, resource), encoding === "yaml" ? "yaml" : "json");
  return answer(viewed.object);
}

function isReadable({ resource, subresource }: Target): boolean {
  return (subresource === "status" && resource.hasStatus) || (subresource === "scale" && resource.hasScale);
}

function notServed({ resource, name, subresource }: Target, world: World): ApiFailure {
  const what = subresource === "log" ? "it holds no logs" : `there is nothing behind "${subresource}"`;
  return new ApiFailure(
    "MethodNotAllowed",
    `${resource.plural} "${name}" is an object in ${world.description}, served by kubemend: ${what}`,
  );
}
