/** The API server, spoken to in JSON: requests, lists, and watches that resume by themselves. Its errors become {@link MendError}s by code. */
import type { IncomingMessage } from "node:http";
import { request as httpRequest } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { type ErrorCode, MendError } from "../errors.ts";
import type { JsonObject, KubeObject } from "../storage/object.ts";
import type { ClusterAccess } from "./kubeconfig.ts";
import { ProxyAgent } from "./proxy-agent.ts";

/** An answer of 400 or more, with the API server's own words. */
export class ApiError extends MendError {
  readonly status: number;
  /** `AlreadyExists`, `Conflict` and the like. */
  readonly reason: string;
  constructor(code: ErrorCode, status: number, reason: string, message: string, hint: string) {
    super(code, message, { hint });
    this.status = status;
    this.reason = reason;
  }
}

export type WatchEvent =
  | { readonly type: "listed"; readonly objects: readonly KubeObject[] }
  | { readonly type: "set" | "deleted"; readonly object: KubeObject };

const REQUEST_TIMEOUT_MS = 30_000;
/** A watch is asked for anew after this, so that a connection that died silently is noticed. */
const WATCH_SECONDS = 240;
/** An answer larger than this is no API server's. */
const MOST_BYTES = 512 << 20;

export class ClusterApi {
  readonly access: ClusterAccess;
  readonly #agent: Agent;

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
    this.#agent = access.proxy === undefined ? new Agent(options) : new ProxyAgent(access.proxy, options);
  }

  get(path: string, signal?: AbortSignal): Promise<KubeObject> {
    return this.request("GET", path, undefined, { signal }) as Promise<KubeObject>;
  }

  async list(
    path: string,
    signal?: AbortSignal,
  ): Promise<{ readonly items: KubeObject[]; readonly resourceVersion: string }> {
    const answer = await this.request("GET", path, undefined, { signal });
    const kind = String(answer.kind ?? "").replace(/List$/, "");
    const type = { apiVersion: answer.apiVersion, kind }; // which the items of a list do not repeat
    const items = (answer.items ?? []) as readonly JsonObject[];
    return {
      items: items.map((item) => ({ ...type, ...item }) as KubeObject),
      resourceVersion: String((answer.metadata as JsonObject).resourceVersion ?? ""),
    };
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

  async request(
    method: string,
    path: string,
    body?: JsonObject,
    options: { readonly signal?: AbortSignal | undefined; readonly contentType?: string } = {},
  ): Promise<JsonObject> {
    const response = await this.#send(method, path, body, options.signal, options.contentType);
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
    const text = Buffer.concat(chunks).toString("utf8");
    const answer = parseJson(text);
    const status = response.statusCode ?? 0;
    if (status >= 400) throw apiError(status, answer ?? {}, `${method} ${path.split("?")[0]}`);
    return answer ?? { text };
  }

  /**
   * A list and every change after it. When the connection ends, or the API server has forgotten the place, it goes on by itself, with a new
   * `listed` where changes may have been missed. Ends when the signal aborts; throws what a list throws.
   */
  async *watch(path: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    for (;;) {
      const { items, resourceVersion } = await this.list(path, signal);
      yield { type: "listed", objects: items };
      let version = resourceVersion;
      try {
        for (;;) {
          const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=${WATCH_SECONDS}&resourceVersion=${version}`;
          const response = await this.#send(
            "GET",
            `${path}${path.includes("?") ? "&" : "?"}${query}`,
            undefined,
            signal,
          );
          if ((response.statusCode ?? 0) >= 400) {
            response.resume();
            break;
          }
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
  }

  #send(
    method: string,
    path: string,
    body: JsonObject | undefined,
    signal?: AbortSignal,
    contentType = "application/json",
  ): Promise<IncomingMessage> {
    const { server, token } = this.access;
    const isTls = server.protocol === "https:";
    const text = body === undefined ? undefined : JSON.stringify(body);
    const options: RequestOptions = {
      host: server.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: server.port || (isTls ? 443 : 80),
      method,
      path: `${server.pathname.replace(/\/$/, "")}${path}`,
      headers: {
        accept: "application/json",
        // Node does not say the length of a DELETE's body by itself: the server would take it for the next request.
        ...(text !== undefined && { "content-type": contentType, "content-length": Buffer.byteLength(text) }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(isTls && { agent: this.#agent }),
      ...(signal !== undefined && { signal }),
    };
    return new Promise((resolve, reject) => {
      const sent = (isTls ? httpsRequest : httpRequest)(options, (response) => {
        sent.setTimeout(0);
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
  const reason = typeof answer.reason === "string" ? answer.reason : "";
  const said = typeof answer.message === "string" ? answer.message : `status ${status}`;
  const [code, hint]: [ErrorCode, string] =
    status === 401
      ? ["api-denied", "its authority or token is not this cluster's: pass the kubeconfig of this cluster"]
      : status === 403
        ? ["api-denied", "pass the kubeconfig of an administrator"]
        : status === 404
          ? ["object-not-found", "check the name and the namespace"]
          : ["api-refused", "see the API server's log"];
  return new ApiError(code, status, reason, `the API server refuses ${what}: ${said}`, hint);
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
