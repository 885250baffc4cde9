/** A small client of the API server for tests: JSON over TLS with a client certificate. Answers are plain objects. */
import { Agent, request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { parseAllDocuments } from "yaml";
import { waitFor } from "./wait.ts";

/** An object of the API, as far as tests look into it. */
// biome-ignore lint/suspicious/noExplicitAny: an object's shape is the API server's to tell
export type ApiObject = any;

export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(`the API server answers ${status}: ${message}`);
    this.status = status;
  }
}

export interface ApiCredentials {
  readonly port: number;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export class Api {
  readonly #credentials: ApiCredentials;
  readonly #agent: Agent;

  constructor(credentials: ApiCredentials) {
    this.#credentials = credentials;
    this.#agent = new Agent({ keepAlive: true, ca: credentials.ca, cert: credentials.cert, key: credentials.key });
  }

  get(path: string): Promise<ApiObject> {
    return this.request("GET", path);
  }

  /** The items of a list. */
  async list(path: string): Promise<ApiObject[]> {
    return (await this.request("GET", path)).items;
  }

  post(path: string, body: unknown): Promise<ApiObject> {
    return this.request("POST", path, body);
  }

  /** A JSON merge patch. */
  patch(path: string, body: unknown): Promise<ApiObject> {
    return this.request("PATCH", path, body, "application/merge-patch+json");
  }

  delete(path: string, options: unknown = {}): Promise<ApiObject> {
    return this.request("DELETE", path, options);
  }

  /** Server-side apply of every document of a YAML text, in order. Kinds are looked up as they come, so a CRD may precede its resources. */
  async apply(yaml: string): Promise<void> {
    for (const document of parseAllDocuments(yaml)) {
      const object = document.toJS() as ApiObject;
      if (object) await this.applyObject(object);
    }
  }

  async applyObject(object: ApiObject): Promise<ApiObject> {
    const path = `${await this.#collectionPath(object)}/${object.metadata.name}?fieldManager=testbed&force=true`;
    return this.request("PATCH", path, object, "application/apply-patch+yaml");
  }

  async #collectionPath(object: ApiObject): Promise<string> {
    const group = object.apiVersion.includes("/") ? `/apis/${object.apiVersion}` : `/api/${object.apiVersion}`;
    const resource = await waitFor(`kind "${object.kind}" to be served`, async () =>
      (await this.get(group)).resources.find((r: ApiObject) => r.kind === object.kind && !r.name.includes("/")),
    );
    const namespace = resource.namespaced ? `/namespaces/${object.metadata.namespace ?? "default"}` : "";
    return `${group}${namespace}/${resource.name}`;
  }

  /** Sends a request. Throws {@link ApiError} for an answer of 400 and above. Text answers come back as strings. */
  async request(method: string, path: string, body?: unknown, contentType = "application/json"): Promise<ApiObject> {
    let answer = await this.#send(method, path, body, contentType);
    // Since 1.31 an API server that has just started asks to come back, while it fills its cache of that kind.
    for (let times = 0; times < 60 && isFilling(answer); times++) {
      await sleep(1000);
      answer = await this.#send(method, path, body, contentType);
    }
    const { status, type, text } = answer;
    if (status >= 400) throw new ApiError(status, messageOf(text));
    return type.includes("json") ? JSON.parse(text) : text;
  }

  #send(method: string, path: string, body: unknown, contentType: string) {
    const content = body === undefined ? undefined : JSON.stringify(body);
    return new Promise<{ status: number; type: string; text: string }>((resolve, reject) => {
      const sent = request(
        {
          host: "127.0.0.1",
          port: this.#credentials.port,
          method,
          path,
          agent: this.#agent,
          timeout: 60_000,
          headers: {
            accept: "application/json",
            // Node does not say the length of a DELETE's body by itself.
            ...(content !== undefined && { "content-type": contentType, "content-length": Buffer.byteLength(content) }),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () =>
            resolve({
              status: response.statusCode ?? 0,
              type: response.headers["content-type"] ?? "",
              text: Buffer.concat(chunks).toString("utf8"),
            }),
          );
        },
      );
      sent.on("timeout", () => sent.destroy(new Error("the API server does not answer")));
      sent.on("error", reject);
      sent.end(content);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function messageOf(text: string): string {
  try {
    return JSON.parse(text).message ?? text;
  } catch {
    return text;
  }
}

function isFilling({ status, text }: { readonly status: number; readonly text: string }): boolean {
  return status === 429 && text.includes("storage is (re)initializing");
}
