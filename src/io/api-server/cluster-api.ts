/** The API server, spoken to in JSON: requests, lists, and watches that resume by themselves. Its errors become {@link MendError}s by code. */
import type { IncomingMessage } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { type ErrorCode, MendError } from "../../errors/errors.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { plainHttp } from "../network/plain-http.ts";
import { ProxyAgent } from "../network/proxy-agent.ts";
import type { ClusterAccess } from "./kubeconfig-access.ts";

/** An answer of 400 or more, with the API server's own words. */
export class ApiError extends MendError {
  readonly status: number;
  /** `AlreadyExists`, `Conflict` and the like. */
  readonly reason: string;
  /** What the API server said, without our words around it. */
  readonly said: string;
  /** The reasons in detail, such as `DisruptionBudget` and `NamespaceTerminating`. */
  readonly causes: readonly string[];
  constructor(code: ErrorCode, status: number, answer: JsonObject, what: string, hint: string) {
    const said = typeof answer.message === "string" ? answer.message : `status ${status}`;
    super(code, `the API server refuses ${what}: ${said}`, { hint });
    this.status = status;
    this.reason = typeof answer.reason === "string" ? answer.reason : "";
    this.said = said;
    this.causes = objectsOf(objectOf(answer.details).causes).map(({ reason }) => textOf(reason));
  }
}

export type WatchEvent =
  | { readonly type: "listed"; readonly objects: readonly KubeObject[] }
  | { readonly type: "set" | "deleted"; readonly object: KubeObject };

export interface ProbeAnswer {
  readonly status: number;
  readonly text: string;
  /** The server's clock, to the second, in milliseconds since the epoch; NaN where it does not tell. */
  readonly date: number;
}

const REQUEST_TIMEOUT_MS = 30_000;
/** A watch is asked for anew after this, so that a connection that died silently is noticed. */
const WATCH_SECONDS = 240;
/** An answer larger than this is no API server's. */
const MOST_BYTES = 512 << 20;
/** Objects that a list answers at once; a longer one goes on. */
const PAGE = 500;
/** A list that changes too much while it is paged through is begun again. */
const MOST_ATTEMPTS = 3;
/** How often a request that the API server is too busy for is made again, and how long it waits at most, in seconds. */
const MOST_THROTTLED = 10;
const MOST_RETRY_AFTER = 30;

export interface RequestChoices {
  readonly signal?: AbortSignal | undefined;
  readonly contentType?: string;
  /** Such as {@link METADATA_ONLY}. */
  readonly accept?: string;
}

/** Asks for lists of objects without their specs and states. Every API server since 1.15 can; an older one answers in full. */
export const METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

export class ClusterApi {
  readonly access: ClusterAccess;
  readonly #agent: Agent;
  /** The address that answered last. */
  remoteAddress: string | undefined;
  /** Watches keep their connections to themselves: however many there are, requests are not held up by them. */
  readonly #watchAgent: Agent;

  constructor(access: ClusterAccess) {
    this.access = access;
    const options = {
      keepAlive: true,
      maxSockets: 20,
      rejectUnauthorized: !access.insecure,
      ...(access.ca !== undefined && { ca: access.ca }),
      ...(access.certificate !== undefined && { cert: access.certificate }),
      ...(access.key !== undefined && { key: access.key }),
      ...(access.serverName !== undefined && { servername: access.serverName }),
    };
    const makeAgent = (own: typeof options) =>
      access.proxy === undefined ? new Agent(own) : new ProxyAgent(access.proxy, own);
    this.#agent = makeAgent(options);
    this.#watchAgent = makeAgent({ ...options, maxSockets: Number.POSITIVE_INFINITY });
  }

  get(path: string, signal?: AbortSignal): Promise<KubeObject> {
    return this.request("GET", path, undefined, { signal }) as Promise<KubeObject>;
  }

  /** Read page by page, to the end, unless the path has a `limit` of its own. `limit`: objects a page; 0 for all at once. */
  async list(
    path: string,
    signal?: AbortSignal,
    limit = PAGE,
  ): Promise<{ readonly items: KubeObject[]; readonly resourceVersion: string }> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#listPages(path, signal, limit);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 410 || attempt === MOST_ATTEMPTS) throw error;
      }
    }
  }

  async #listPages(path: string, signal: AbortSignal | undefined, limit: number) {
    const isPaged = limit > 0 && !/[?&]limit=/.test(path);
    const items: KubeObject[] = [];
    let resourceVersion: string;
    let next = "";
    do {
      const query = [isPaged ? `limit=${limit}` : "", next === "" ? "" : `continue=${encodeURIComponent(next)}`];
      const answer = await this.request("GET", withQuery(path, query.filter(Boolean).join("&")), undefined, { signal });
      const kind = String(answer.kind ?? "").replace(/List$/, "");
      const type = { apiVersion: answer.apiVersion, kind }; // which the items of a list do not repeat
      for (const item of (answer.items ?? []) as readonly JsonObject[]) items.push({ ...type, ...item } as KubeObject);
      const metadata = objectOf(answer.metadata);
      resourceVersion = textOf(metadata.resourceVersion);
      next = isPaged ? textOf(metadata.continue) : "";
    } while (next !== "");
    return { items, resourceVersion };
  }

  create(path: string, object: JsonObject, signal?: AbortSignal): Promise<KubeObject> {
    return this.request("POST", path, object, { signal }) as Promise<KubeObject>;
  }

  /** A JSON merge patch. */
  patch(path: string, patch: JsonObject, signal?: AbortSignal): Promise<KubeObject> {
    return this.request("PATCH", path, patch, {
      signal,
      contentType: "application/merge-patch+json",
    }) as Promise<KubeObject>;
  }

  delete(path: string, options: JsonObject = {}, signal?: AbortSignal): Promise<JsonObject> {
    return this.request("DELETE", path, options, { signal });
  }

  /** A request that the API server is too busy for is made again when it says so. */
  async request(method: string, path: string, body?: JsonObject, options: RequestChoices = {}): Promise<JsonObject> {
    const text = await this.#exchange(method, path, body, options);
    return parseJson(text) ?? { text };
  }

  /** A GET whose answer counts whatever its status: for health checks. Throws only where there is no answer. */
  async probe(path: string, signal?: AbortSignal): Promise<ProbeAnswer> {
    const response = await this.#send("GET", path, undefined, { signal });
    const text = await this.#read(response);
    return { status: response.statusCode ?? 0, text, date: Date.parse(response.headers.date ?? "") };
  }

  /** An answer that is no object, such as a container's log. */
  text(path: string, signal?: AbortSignal): Promise<string> {
    return this.#exchange("GET", path, undefined, { signal });
  }

  async #exchange(
    method: string,
    path: string,
    body: JsonObject | undefined,
    options: RequestChoices,
  ): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      const response = await this.#send(method, path, body, options);
      const retryAfter = Number(response.headers["retry-after"]);
      try {
        return await this.#answer(response, `${method} ${path.split("?")[0]}`);
      } catch (error) {
        // A refused eviction is a 429 as well, and then it is not the server that needs the time.
        const isThrottled = error instanceof ApiError && error.status === 429 && error.causes.length === 0;
        if (!isThrottled || !(retryAfter >= 0) || attempt === MOST_THROTTLED) throw error;
        const seconds = Math.min(Math.max(retryAfter, 0.1), MOST_RETRY_AFTER) * (1 + Math.random() / 4);
        await sleep(seconds * 1000, undefined, { signal: options.signal });
      }
    }
  }

  async #answer(response: IncomingMessage, what: string): Promise<string> {
    const text = await this.#read(response);
    const status = response.statusCode ?? 0;
    if (status >= 400) throw apiError(status, parseJson(text) ?? {}, what);
    return text;
  }

  async #read(response: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > MOST_BYTES)
          throw new MendError("api-unreachable", `"${this.access.server.host}" answers without end`);
        chunks.push(chunk);
      }
    } catch (error) {
      throw this.#convert(error);
    }
    return Buffer.concat(chunks).toString("utf8");
  }

  /**
   * A list and every change after it. When the connection ends, or the API server has forgotten the place, it goes on by itself, with a new
   * `listed` where changes may have been missed. Ends when the signal aborts; throws what a list throws.
   */
  async *watch(path: string, signal: AbortSignal, limit = PAGE): AsyncGenerator<WatchEvent> {
    for (;;) {
      const { items, resourceVersion } = await this.list(path, signal, limit);
      yield { type: "listed", objects: items };
      let version = resourceVersion;
      try {
        for (;;) {
          const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=${WATCH_SECONDS}&resourceVersion=${version}`;
          const options = { signal, agent: this.#watchAgent };
          const response = await this.#send("GET", withQuery(path, query), undefined, options);
          if (response.statusCode === 410) {
            response.resume();
            break;
          }
          if ((response.statusCode ?? 0) >= 400) await this.#answer(response, `WATCH ${path.split("?")[0]}`);
          for await (const line of lines(response)) {
            const event = JSON.parse(line) as { type: string; object: KubeObject };
            if (event.type === "ERROR") throw new Stale();
            version = event.object.metadata.resourceVersion ?? version;
            if (event.type === "BOOKMARK") continue;
            yield { type: event.type === "DELETED" ? "deleted" : "set", object: event.object };
          }
        }
      } catch (error) {
        if (signal.aborted || !(error instanceof Stale || isConnectionError(this.#convert(error)))) throw error;
      }
    }
  }

  /** Ends idle connections. */
  close(): void {
    this.#agent.destroy();
    this.#watchAgent.destroy();
  }

  #send(
    method: string,
    path: string,
    body: JsonObject | undefined,
    choices: RequestChoices & { readonly agent?: Agent },
  ): Promise<IncomingMessage> {
    const { signal, contentType = "application/json", accept = "application/json", agent = this.#agent } = choices;
    const { server, token } = this.access;
    const isTls = server.protocol === "https:";
    const text = body === undefined ? undefined : JSON.stringify(body);
    const options: RequestOptions = {
      host: server.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: server.port || (isTls ? 443 : 80),
      method,
      path: `${server.pathname.replace(/\/$/, "")}${path}`,
      headers: {
        accept,
        // Node does not say the length of a DELETE's body by itself: the server would take it for the next request.
        ...(text !== undefined && { "content-type": contentType, "content-length": Buffer.byteLength(text) }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(isTls && { agent }),
      ...(signal !== undefined && { signal }),
    };
    return new Promise((resolve, reject) => {
      const sent = (isTls ? httpsRequest : plainHttp().request)(options, (response) => {
        sent.setTimeout(0);
        this.remoteAddress = response.socket.remoteAddress;
        resolve(response);
      });
      sent.setTimeout(REQUEST_TIMEOUT_MS, () =>
        sent.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })),
      );
      sent.on("error", (error) => reject(this.#convert(error)));
      sent.end(text);
    });
  }

  #convert(error: unknown): unknown {
    if (error instanceof MendError || !(error instanceof Error)) return error;
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (error.name === "AbortError") return error;
    const { host } = this.access.server;
    const trust = TRUST[code];
    if (trust !== undefined) {
      return new MendError("api-untrusted", `the API server at "${host}" ${trust}`, {
        where: this.access.source,
        hint: "check the cluster's certificates, and the authority in the kubeconfig",
        cause: error,
      });
    }
    const what = UNREACHABLE[code] ?? `cannot be reached (${code || error.message})`;
    return new MendError("api-unreachable", `the API server at "${host}" ${what}`, {
      where: this.access.source,
      hint: "check that it runs, and that the kubeconfig names it",
      cause: error,
    });
  }
}

/** What Node and OpenSSL say of a server's certificate. */
const TRUST: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "has a certificate that has expired",
  CERT_NOT_YET_VALID: "has a certificate that is not valid yet: check this machine's clock",
  DEPTH_ZERO_SELF_SIGNED_CERT: "has a certificate that it signed itself",
  ERR_TLS_CERT_ALTNAME_INVALID: "has a certificate for other names",
  SELF_SIGNED_CERT_IN_CHAIN: "has a certificate of another authority",
  UNABLE_TO_GET_ISSUER_CERT: "has a certificate of another authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "has a certificate of another authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "has a certificate of another authority",
  CERT_SIGNATURE_FAILURE: "has a certificate of another authority with the same name",
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: "wants a client certificate",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: "does not trust the authority of the client certificate",
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: "does not accept the client certificate",
  ERR_SSL_SSL_TLSV1_ALERT_EXPIRED_CERTIFICATE: "says that the client certificate has expired",
};

const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refuses connections: nothing listens there",
  ECONNRESET: "ends connections",
  EHOSTUNREACH: "cannot be reached: no route to the host",
  ENETUNREACH: "cannot be reached: no route to the network",
  ENOTFOUND: "cannot be found: its name does not resolve",
  EAI_AGAIN: "cannot be found: name resolution fails",
  ETIMEDOUT: "does not answer",
  EPROTO: "does not speak TLS there",
  EPROXY: "cannot be reached: the proxy refuses to connect to it",
};

/** Whether the API server could not be reached, rather than having answered. */
export function isConnectionError(error: unknown): boolean {
  return error instanceof MendError && error.code === "api-unreachable";
}

class Stale extends Error {}

function apiError(status: number, answer: JsonObject, what: string): ApiError {
  const [code, hint]: [ErrorCode, string] =
    status === 401
      ? ["api-denied", "its authority or token is not this cluster's: pass the kubeconfig of this cluster"]
      : status === 403
        ? ["api-denied", "pass the kubeconfig of an administrator"]
        : status === 404
          ? ["object-not-found", "check the name and the namespace"]
          : ["api-refused", "see the API server's log"];
  return new ApiError(code, status, answer, what, hint);
}

function withQuery(path: string, query: string): string {
  return query === "" ? path : `${path}${path.includes("?") ? "&" : "?"}${query}`;
}

function parseJson(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as JsonObject) : undefined;
  } catch {
    return undefined; // health checks answer in plain text
  }
}

async function* lines(response: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of response) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) if (part !== "") yield part;
  }
}
