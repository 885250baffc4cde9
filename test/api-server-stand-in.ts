/**
 * Speaks the API server's protocol for versions that cannot be run here: older than 1.20, which the test bed has, and
 * newer. It holds objects, serves them at their own API versions only, page by page and as watches, and takes writes.
 * Who reads its answers is tested, never the server: real ones are in `test/e2e`.
 */
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { matchesLabels, parseLabelSelector } from "../src/kube/label-selector.ts";
import type { JsonObject, KubeObject } from "../src/kube/object.ts";

export interface StandInOptions {
  /** Such as `v1.7.16`. */
  readonly version: string;
  readonly objects: readonly KubeObject[];
  /** Objects that a list answers at once, whatever it is asked for. */
  readonly page?: number;
  /** Asked first; undefined leaves it to the objects. */
  readonly answer?: (request: StandInRequest) => StandInAnswer | undefined;
}

export interface StandInRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Undefined where there was none. */
  readonly body: JsonObject | undefined;
}

export interface StandInAnswer {
  readonly status: number;
  readonly body: JsonObject;
}

const PLURALS: Readonly<Record<string, string>> = {
  ConfigMap: "configmaps",
  DaemonSet: "daemonsets",
  Deployment: "deployments",
  Endpoints: "endpoints",
  Lease: "leases",
  Namespace: "namespaces",
  Node: "nodes",
  PersistentVolume: "persistentvolumes",
  PersistentVolumeClaim: "persistentvolumeclaims",
  Pod: "pods",
  PodDisruptionBudget: "poddisruptionbudgets",
  ReplicaSet: "replicasets",
  ReplicationController: "replicationcontrollers",
  Secret: "secrets",
  ServiceAccount: "serviceaccounts",
};

/** Where a request leads: `/api/v1/namespaces/a/pods/b/eviction`. */
interface Place {
  readonly apiVersion: string;
  readonly namespace: string | undefined;
  readonly collection: string;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

interface Watch {
  readonly place: Place;
  readonly query: URLSearchParams;
  readonly response: ServerResponse;
}

export class ApiServerStandIn {
  readonly kubeconfig: string;
  /** Everything that it was asked, in that order. */
  readonly requests: StandInRequest[] = [];
  readonly #options: StandInOptions;
  readonly #server: Server;
  readonly #objects = new Map<string, KubeObject>();
  readonly #events: { readonly version: number; readonly type: string; readonly object: KubeObject }[] = [];
  readonly #watches = new Set<Watch>();
  #version = 1;

  constructor(server: Server, kubeconfig: string, options: StandInOptions) {
    this.#server = server;
    this.kubeconfig = kubeconfig;
    this.#options = options;
    for (const object of options.objects) this.#objects.set(keyOf(object), withVersion(object, 1));
  }

  /** Writes its kubeconfig into a directory. */
  static async start(directory: string, options: StandInOptions): Promise<ApiServerStandIn> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const kubeconfig = join(directory, "kubeconfig");
    const config = {
      clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}` } }],
      users: [],
      contexts: [{ name: "x", context: { cluster: "c" } }],
    };
    writeFileSync(kubeconfig, JSON.stringify(config));
    const standIn = new ApiServerStandIn(server, kubeconfig, options);
    server.on("request", (request, response) => void standIn.#serve(request, response));
    return standIn;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What it has, such as `get("Pod", "default/web-1")`. */
  get(kind: string, place: string): KubeObject | undefined {
    return [...this.#objects.values()].find((each) => each.kind === kind && placeOf(each) === place);
  }

  /** Adds an object, or replaces the one of its name. */
  put(object: KubeObject): KubeObject {
    const stored = withVersion(object, ++this.#version);
    const type = this.#objects.has(keyOf(object)) ? "MODIFIED" : "ADDED";
    this.#objects.set(keyOf(object), stored);
    this.#report(type, stored);
    return stored;
  }

  remove(object: KubeObject): void {
    this.#objects.delete(keyOf(object));
    this.#report("DELETED", withVersion(object, ++this.#version));
  }

  /** Requests that would change something; questions about permissions do not. */
  get writes(): readonly StandInRequest[] {
    return this.requests.filter(({ method, path }) => method !== "GET" && !path.endsWith("accessreviews"));
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #report(type: string, object: KubeObject): void {
    this.#events.push({ version: this.#version, type, object });
    for (const watch of this.#watches) {
      if (isWanted(object, watch.place, watch.query)) watch.response.write(`${JSON.stringify({ type, object })}\n`);
    }
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url!, "http://x");
    const text = (await incoming.toArray()).join("");
    const body = text === "" ? undefined : (JSON.parse(text) as JsonObject);
    const request = { method: incoming.method!, path: url.pathname, query: url.searchParams, body };
    this.requests.push(request);
    const place = parsePlace(url.pathname);
    if (place !== undefined && url.searchParams.has("watch") && this.#serves(place.apiVersion)) {
      this.#watch({ place, query: url.searchParams, response });
      return;
    }
    const answer = this.#options.answer?.(request) ?? this.#answer(request, place);
    response.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(answer.body));
  }

  #serves(apiVersion: string): boolean {
    return apiVersion === "v1" || this.#options.objects.some((each) => each.apiVersion === apiVersion);
  }

  #watch(watch: Watch): void {
    const { response, place, query } = watch;
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const since = Number(query.get("resourceVersion"));
    for (const { version, type, object } of this.#events) {
      if (version > since && isWanted(object, place, query)) response.write(`${JSON.stringify({ type, object })}\n`);
    }
    this.#watches.add(watch);
    response.on("close", () => this.#watches.delete(watch));
  }

  #answer(request: StandInRequest, place: Place | undefined): StandInAnswer {
    const { method, path, body = {} } = request;
    if (path === "/version") return { status: 200, body: { gitVersion: this.#options.version } };
    if (path.endsWith("accessreviews")) return { status: 201, body: { ...body, status: { allowed: true } } };
    if (place === undefined || !this.#serves(place.apiVersion)) return absent(path);
    if (method === "GET" && place.name === undefined) return this.#list(place, request.query);
    const object = this.#select(place)[0];
    if (object === undefined || place.subresource !== undefined) return absent(path);
    if (method === "DELETE") this.remove(object);
    if (method !== "PATCH") return { status: 200, body: object };
    const { resourceVersion } = (body.metadata ?? {}) as JsonObject;
    if (resourceVersion !== undefined && resourceVersion !== object.metadata.resourceVersion)
      return status(409, "Conflict", `${path} has changed`);
    return { status: 200, body: this.put(merge(object, body) as KubeObject) };
  }

  #list(place: Place, query: URLSearchParams): StandInAnswer {
    const { page = Number.POSITIVE_INFINITY } = this.#options;
    const found = this.#select(place).filter((each) => isWanted(each, place, query));
    const from = Number(query.get("continue") ?? 0);
    const next = found.length > from + page ? { continue: String(from + page) } : {};
    const items = found.slice(from, from + page).map(({ apiVersion: _, kind: __, ...item }) => item as JsonObject);
    const metadata = { resourceVersion: String(this.#version), ...next };
    const kind = Object.keys(PLURALS).find((each) => PLURALS[each] === place.collection) ?? "Any";
    return { status: 200, body: { kind: `${kind}List`, apiVersion: place.apiVersion, metadata, items } };
  }

  #select(place: Place): KubeObject[] {
    return [...this.#objects.values()].filter((each) => isWanted(each, place, new URLSearchParams()));
  }
}

export function status(code: number, reason: string, message: string, details: JsonObject = {}): StandInAnswer {
  return {
    status: code,
    body: { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message, details },
  };
}

function absent(path: string): StandInAnswer {
  return status(404, "NotFound", `the server could not find the requested resource (${path})`);
}

function parsePlace(path: string): Place | undefined {
  const form =
    /^\/(?:api\/(v1)|apis\/([a-z0-9.]+\/v\d[a-z0-9]*))(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([^/]+))?(?:\/([a-z]+))?$/;
  const [, core, group, namespace, collection = "", name, subresource] = form.exec(path) ?? [];
  const apiVersion = core ?? group;
  return apiVersion === undefined ? undefined : { apiVersion, namespace, collection, name, subresource };
}

function isWanted(object: KubeObject, place: Place, query: URLSearchParams): boolean {
  const { metadata } = object;
  const [fields, labels] = [query.get("fieldSelector"), query.get("labelSelector")];
  return (
    object.apiVersion === place.apiVersion &&
    PLURALS[object.kind] === place.collection &&
    (place.namespace === undefined || metadata.namespace === place.namespace) &&
    (place.name === undefined || metadata.name === place.name) &&
    (fields === null || hasField(object, fields)) &&
    (labels === null || matchesLabels(parseLabelSelector(labels), metadata.labels))
  );
}

/** `spec.nodeName=m1` and the like: one of them. */
function hasField(object: KubeObject, selector: string): boolean {
  const [path = "", wanted] = selector.split("=");
  const value = path.split(".").reduce<unknown>((at, field) => (at as JsonObject | undefined)?.[field], object);
  return value === wanted;
}

/** A JSON merge patch: null takes a field away. */
function merge(value: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const merged: Record<string, unknown> = typeof value === "object" && value !== null ? { ...value } : {};
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) delete merged[key];
    else merged[key] = merge(merged[key], change);
  }
  return merged;
}

function withVersion(object: KubeObject, version: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
}

function keyOf(object: KubeObject): string {
  return `${object.apiVersion} ${object.kind} ${placeOf(object)}`;
}

function placeOf({ metadata }: KubeObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}
