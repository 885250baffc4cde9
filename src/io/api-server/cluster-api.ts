/**
 * The API server, spoken to in JSON: requests, lists, and watches that resume by themselves. Its errors become {@link
 * MendError}s by code.
 */
import { createHash } from "node:crypto";
import type { Agent as HttpAgent, IncomingMessage } from "node:http";
import { Agent } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { MendError } from "../../errors/errors.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { printJson } from "../../storage/json-text.ts";
import { Backoff, WATCH_BACKOFF } from "../network/backoff.ts";
import { connectionFault, errorCode } from "../network/connection-codes.ts";
import { Deadline, DeadlinePassed, SLOWEST_PACE } from "../network/deadline.ts";
import { AnswerTooLong, readBody, sendRequest } from "../network/http-exchange.ts";
import { ProxyAgent, plainProxyAgent } from "../network/proxy-agent.ts";
import { faultOfAnswer } from "./api-answer.ts";
import { recordApiChange } from "./api-changes.ts";
import { ApiError, describeType, foreignAnswer, isConnectionError, isJson, parseObject, refusal } from "./api-error.ts";
import { type ApiManners, DEFAULT_REQUEST_MS, SilenceReport } from "./api-manners.ts";
import { credentialHeaders, type Headers } from "./credential-headers.ts";
import type { ClusterAccess } from "./kubeconfig-access.ts";
import { BrokenWatch, readWatch, Stale } from "./watch-stream.ts";

export { ApiError, isConnectionError } from "./api-error.ts";

export type WatchEvent =
  | { readonly type: "listed"; readonly objects: readonly KubeObject[] }
  | { readonly type: "set" | "deleted"; readonly object: KubeObject };

export interface ProbeAnswer {
  readonly status: number;
  readonly text: string;
  /** The server's clock, to the second, in milliseconds since the epoch; NaN where it does not send it. */
  readonly date: number;
}

/** A watch is asked for again after this, so that a connection that died silently is noticed. */
const WATCH_SECONDS = 240;
/** A watch that ends sooner, and has brought nothing, is none. */
const SHORT_WATCH_MS = 1000;
/** A watch that went well for so long has forgotten earlier failures. */
const LONG_WATCH_MS = 120_000;
/** An answer larger than this is no API server's. */
const MOST_BYTES = 512 << 20;
/** Objects that a list answers at once; a longer one continues. */
const PAGE = 500;
/** More than etcd holds: a list of more pages has no end. */
const MOST_PAGES = 20_000;
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

export interface WatchChoices {
  /** Objects a page, where it is listed; 0 for all at once. */
  readonly limit?: number | undefined;
  /**
   * Whether the first list may be some moments old, as the watch brings what is missing. Of a few objects among very many
   * it costs the API server a thousandth then. Later lists, after a gap, are never older than what was seen.
   */
  readonly fromCache?: boolean | undefined;
}

export interface ListChoices {
  readonly signal?: AbortSignal | undefined;
  /** Objects a page; 0 for all at once. */
  readonly limit?: number;
  /** Called after each page. */
  readonly comesAlong?: () => void;
}

/** Asks for lists of objects without their specs and states. Every API server since 1.15 can; an older one answers in full. */
export const METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

interface Sending {
  readonly method: string;
  readonly path: string;
  readonly body?: JsonObject | undefined;
  readonly choices: RequestChoices;
  readonly agent?: HttpAgent | undefined;
}

export class ClusterApi {
  readonly access: ClusterAccess;
  readonly #manners: ApiManners;
  readonly #silence: SilenceReport;
  readonly #credentials: Headers;
  /** Undefined for Node's own, which serves where there is neither TLS nor a proxy. */
  readonly #agent: HttpAgent | undefined;
  /** The address that answered last. */
  remoteAddress: string | undefined;
  /** Watches keep their connections to themselves: however many there are, requests are not held up by them. */
  readonly #watchAgent: HttpAgent | undefined;

  constructor(access: ClusterAccess, manners: ApiManners = {}) {
    this.access = access;
    this.#manners = manners;
    this.#credentials = credentialHeaders(access);
    this.#silence = new SilenceReport(access.server.host, manners);
    const options = {
      keepAlive: true,
      maxSockets: 40,
      rejectUnauthorized: !access.insecure,
      ...(access.ca !== undefined && { ca: access.ca }),
      ...(access.certificate !== undefined && { cert: access.certificate }),
      ...(access.key !== undefined && { key: access.key }),
      ...(access.serverName !== undefined && { servername: access.serverName }),
    };
    const makeAgent = (own: typeof options): HttpAgent | undefined => {
      const { proxy } = access;
      if (access.server.protocol === "http:") return proxy === undefined ? undefined : plainProxyAgent(proxy);
      return proxy === undefined ? new Agent(own) : new ProxyAgent(proxy, own);
    };
    this.#agent = makeAgent(options);
    this.#watchAgent = makeAgent({ ...options, maxSockets: Number.POSITIVE_INFINITY });
  }

  get(path: string, signal?: AbortSignal): Promise<KubeObject> {
    return this.request("GET", path, undefined, { signal }) as Promise<KubeObject>;
  }

  /**
   * Read page by page, to the end, unless the path has a `limit` of its own. `limit`: objects a page; 0 for all at
   * once. Without `resourceVersion` in the path the answer is what etcd's quorum has, and no older.
   */
  list(
    path: string,
    signal?: AbortSignal,
    limit = PAGE,
  ): Promise<{ readonly items: KubeObject[]; readonly resourceVersion: string }> {
    return this.listEach(path, (object) => object, { signal, limit });
  }

  /** As {@link list}, of each object only what `pick` takes of it: one page of the objects themselves is in memory at a time. */
  async listEach<T>(
    path: string,
    pick: (object: KubeObject) => T,
    { signal, limit = PAGE, comesAlong }: ListChoices = {},
  ): Promise<{ readonly items: T[]; readonly resourceVersion: string }> {
    for (let attempt = 1; ; attempt++) {
      try {
        const items: T[] = [];
        let resourceVersion = "";
        const seen = new Set<string>();
        for await (const page of this.pages(path, { signal }, limit)) {
          const kind = textOf(page.kind).replace(/List$/, "");
          const type = { apiVersion: page.apiVersion, kind }; // which the items of a list do not repeat
          for (const item of objectsOf(page.items)) {
            const object = { ...type, ...item } as KubeObject;
            const key = `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
            if (seen.has(key)) throw this.#foreign(`its list of ${path.split("?")[0]} has "${key}" twice`);
            seen.add(key);
            items.push(pick(object));
          }
          resourceVersion = textOf(objectOf(page.metadata).resourceVersion);
          comesAlong?.();
        }
        return { items, resourceVersion };
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 410 || attempt === MOST_ATTEMPTS) throw error;
      }
    }
  }

  /** The pages of a list as they come, each checked; at last all of it, or an error. `limit`: objects a page; 0 for all at once. */
  async *pages(path: string, choices: RequestChoices = {}, limit = PAGE): AsyncGenerator<JsonObject> {
    const isPaged = limit > 0 && !/[?&]limit=/.test(path);
    const tokens = new Set<string>();
    let next = "";
    do {
      const query = [isPaged ? `limit=${limit}` : "", next === "" ? "" : `continue=${encodeURIComponent(next)}`];
      const page = await this.request("GET", withQuery(path, query.filter(Boolean).join("&")), undefined, choices);
      yield page;
      next = isPaged ? textOf(objectOf(page.metadata).continue) : "";
      const token = next === "" ? "" : createHash("sha256").update(next).digest("base64");
      if (tokens.has(token) || tokens.size > MOST_PAGES)
        throw this.#foreign(`its list of ${path.split("?")[0]} has no end`);
      if (token !== "") tokens.add(token);
    } while (next !== "");
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

  /**
   * A request that the API server is too busy for is made again when it says so, within the time of one request. The
   * answer is one to what was asked, whole and of its kind (`api-answer.ts`); anything else is `api-refused`.
   */
  async request(method: string, path: string, body?: JsonObject, choices: RequestChoices = {}): Promise<JsonObject> {
    const text = await this.#changing({ method, path, body, choices });
    const answer = parseObject(text);
    const what = `${method} ${path.split("?")[0]}`;
    if (answer === undefined) throw this.#foreign(`it answers ${what} with what is not a JSON object`);
    const fault = faultOfAnswer({ method, path, body }, answer);
    if (fault !== undefined) throw this.#foreign(fault);
    return answer;
  }

  /** A GET whose answer counts whatever its status: for health checks. Throws only where there is no answer. */
  probe(path: string, signal?: AbortSignal): Promise<ProbeAnswer> {
    return this.#within(signal, async (deadline) => {
      const response = await this.#send({ method: "GET", path, choices: {} }, deadline);
      const text = await this.#read(response, deadline);
      return { status: response.statusCode ?? 0, text, date: Date.parse(response.headers.date ?? "") };
    });
  }

  /** An answer that is no object, such as a container's log. */
  text(path: string, signal?: AbortSignal): Promise<string> {
    return this.#exchange({ method: "GET", path, choices: { signal } }, false);
  }

  /** A change is recorded once it was made, and also where nobody knows whether it was. */
  async #changing(sending: Sending): Promise<string> {
    try {
      const text = await this.#exchange(sending, true);
      recordApiChange(this.access, sending, text);
      return text;
    } catch (error) {
      if (!(error instanceof ApiError && error.status < 500)) recordApiChange(this.access, sending, undefined);
      throw error;
    }
  }

  #exchange(sending: Sending, wantsJson: boolean): Promise<string> {
    const { signal } = sending.choices;
    return this.#within(signal, async (deadline) => {
      for (let attempt = 1; ; attempt++) {
        const response = await this.#send(sending, deadline);
        const retryAfter = Number(response.headers["retry-after"]);
        try {
          return await this.#answer(response, sending, deadline, wantsJson);
        } catch (error) {
          // A refused eviction is a 429 as well, and then it is not the server that needs the time.
          const isThrottled = error instanceof ApiError && error.status === 429 && error.causes.length === 0;
          if (!isThrottled || !(retryAfter >= 0) || attempt === MOST_THROTTLED) throw error;
          const seconds = Math.min(Math.max(retryAfter, 0.1), MOST_RETRY_AFTER) * (1 + Math.random() / 4);
          try {
            await sleep(seconds * 1000, undefined, { signal: deadline.signal });
          } catch {
            throw signal?.aborted === true ? signal.reason : error; // its own words say more than that time has passed
          }
        }
      }
    });
  }

  async #answer(response: IncomingMessage, sending: Sending, deadline: Deadline, wantsJson: boolean): Promise<string> {
    const status = response.statusCode ?? 0;
    const contentType = response.headers["content-type"] ?? "";
    if (status >= 300 && status < 400) {
      response.destroy();
      throw this.#foreign(`it redirects to ${describeLocation(response.headers.location)}, as no API server does`);
    }
    const what = `${sending.method} ${sending.path.split("?")[0]}`;
    const text = await this.#read(response, deadline);
    const { host } = this.access.server;
    if (status >= 400) throw refusal({ status, contentType, text }, what, host, this.access.source);
    if (status < 200) throw this.#foreign(`it answers ${what} with status ${status}`);
    if (wantsJson && !isJson(contentType)) throw this.#foreign(`it answers ${what} with ${describeType(contentType)}`);
    return text;
  }

  async #read(response: IncomingMessage, deadline: Deadline): Promise<string> {
    try {
      return (await readBody(response, deadline, MOST_BYTES)).toString("utf8");
    } catch (error) {
      if (error instanceof AnswerTooLong) throw this.#foreign("its answer has no end");
      throw error;
    }
  }

  /** One request with all its attempts, in its time. What goes wrong with the connection is said in words. */
  async #within<T>(signal: AbortSignal | undefined, run: (deadline: Deadline) => Promise<T>): Promise<T> {
    using deadline = this.#startDeadline(signal);
    using _ = this.#silence.watch(deadline.milliseconds);
    try {
      return await run(deadline);
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#convert(error);
    }
  }

  /** A time that the user set is for the whole answer; else a long answer may take longer, as long as it comes along. */
  #startDeadline(signal: AbortSignal | undefined): Deadline {
    const { requestTimeoutMs } = this.#manners;
    if (requestTimeoutMs === undefined) return new Deadline(DEFAULT_REQUEST_MS, { signal, pace: SLOWEST_PACE });
    return new Deadline(requestTimeoutMs === 0 ? Number.POSITIVE_INFINITY : requestTimeoutMs, { signal });
  }

  /**
   * A list and every change after it. When the connection ends, or the API server has forgotten the place, it continues
   * by itself, with a new `listed` where changes may have been missed. Watches that end as soon as they begin are asked
   * for more and more seldom. Ends when the signal aborts; throws what a list throws, and `api-unreachable` for a watch
   * that brings what is no event.
   */
  async *watch(
    path: string,
    signal: AbortSignal,
    { limit = PAGE, fromCache = false }: WatchChoices = {},
  ): AsyncGenerator<WatchEvent> {
    const backoff = new Backoff(WATCH_BACKOFF);
    let first = fromCache ? "resourceVersion=0" : "";
    for (;;) {
      const { items, resourceVersion } = await this.list(withQuery(path, first), signal, limit);
      first = "";
      yield { type: "listed", objects: items };
      let version = resourceVersion;
      for (let isWhole = true; isWhole; ) {
        const began = performance.now();
        let events = 0;
        try {
          for await (const event of this.#watchFrom(path, version, signal)) {
            events++;
            version = event.object.metadata.resourceVersion ?? version;
            if (event.type === "BOOKMARK") continue;
            yield { type: event.type === "DELETED" ? "deleted" : "set", object: event.object };
          }
        } catch (error) {
          signal.throwIfAborted();
          const converted = this.#convert(error);
          if (error instanceof BrokenWatch || !(error instanceof Stale || isConnectionError(converted)))
            throw converted;
          isWhole = false;
        }
        const lasted = performance.now() - began;
        if (lasted > LONG_WATCH_MS) backoff.reset();
        if (lasted >= SHORT_WATCH_MS) continue;
        // What ends as soon as it begins may have kept something back.
        if (events === 0) isWhole = false;
        await sleep(backoff.next(), undefined, { signal });
      }
    }
  }

  /** One watch, until it ends. */
  async *#watchFrom(path: string, version: string, signal: AbortSignal): ReturnType<typeof readWatch> {
    const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=${WATCH_SECONDS}&resourceVersion=${version}`;
    const sending = { method: "GET", path: withQuery(path, query), choices: { signal }, agent: this.#watchAgent };
    let response: IncomingMessage;
    {
      using deadline = this.#startDeadline(signal);
      using _ = this.#silence.watch(deadline.milliseconds);
      response = await this.#send(sending, deadline);
      if (response.statusCode === 410) {
        response.destroy();
        throw new Stale();
      }
      const contentType = response.headers["content-type"] ?? "";
      if (response.statusCode !== 200 || !isJson(contentType)) {
        await this.#answer(response, { ...sending, method: "WATCH" }, deadline, true);
        throw this.#foreign(`it answers WATCH ${path.split("?")[0]} with status ${response.statusCode}`);
      }
    }
    using idle = new Deadline((WATCH_SECONDS + 30) * 1000, { signal });
    try {
      yield* readWatch(response, path, idle);
    } finally {
      response.destroy();
    }
  }

  /** Ends idle connections, and those that have not come about. */
  close(): void {
    this.#agent?.destroy();
    this.#watchAgent?.destroy();
    this.#silence.close();
  }

  async #send({ method, path, body, choices, agent = this.#agent }: Sending, deadline: Deadline) {
    const { contentType = "application/json", accept = "application/json" } = choices;
    const { server } = this.access;
    const text = body === undefined ? undefined : printJson(body);
    const response = await sendRequest(
      {
        url: server,
        method,
        path: `${server.pathname.replace(/\/$/, "")}${path}`,
        headers: { accept, ...(text !== undefined && { "content-type": contentType }), ...this.#credentials },
        body: text,
        agent,
      },
      deadline,
    );
    this.remoteAddress = response.socket.remoteAddress;
    return response;
  }

  #foreign(found: string): MendError {
    return foreignAnswer(this.access.server.host, this.access.source, found);
  }

  #unreachable(what: string, cause?: unknown): MendError {
    return new MendError("api-unreachable", `cannot reach the API server at "${this.access.server.host}": ${what}`, {
      where: this.access.source,
      hint: "check that it runs, and that the kubeconfig names it",
      cause,
    });
  }

  #convert(error: unknown): unknown {
    if (error instanceof MendError || !(error instanceof Error)) return error;
    if (error instanceof DeadlinePassed) {
      const seconds = error.milliseconds / 1000;
      return this.#unreachable(`it did not answer within ${seconds} s`, error);
    }
    // It may come from something on the way: it is asked again, as after any connection that broke.
    if (error instanceof BrokenWatch) return this.#unreachable(`it breaks off a watch: ${error.message}`, error);
    if (error.name === "AbortError" && errorCode(error) === "ABORT_ERR") return error;
    const { kind, text } = connectionFault(error);
    if (kind !== "server-certificate" && kind !== "client-certificate") return this.#unreachable(text, error);
    return new MendError(
      "api-untrusted",
      `no secure connection to the API server at "${this.access.server.host}": ${text}`,
      {
        where: this.access.source,
        hint: "check the cluster's certificates, and the authority in the kubeconfig",
        cause: error,
      },
    );
  }
}

function withQuery(path: string, query: string): string {
  return query === "" ? path : `${path}${path.includes("?") ? "&" : "?"}${query}`;
}

/** A redirect may carry anything in its query. */
function describeLocation(location: string | undefined): string {
  const url = URL.parse(location ?? "", "http://same-host");
  if (location === undefined || url === null) return "nowhere";
  return url.host === "same-host" ? `"${url.pathname}"` : `"${url.host}"`;
}
