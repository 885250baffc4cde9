/**
 * One request over HTTP and its answer, each within a {@link Deadline}. Whatever the other side does, or a proxy before
 * it, the promise settles when the deadline passes or the user interrupts: Node alone does not report either before a
 * request has a connection.
 */
import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Deadline } from "./deadline.ts";
import { plainHttp } from "./plain-http.ts";

export interface HttpRequest {
  readonly url: URL;
  readonly method?: string;
  /** Instead of the URL's path and query. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | undefined;
  readonly agent?: Agent | undefined;
  /** A unix socket, instead of the URL's host. */
  readonly socketPath?: string;
  /** What `node:tls` takes, and what else Node's requests take. */
  readonly options?: RequestOptions;
}

/** Resolves with the headers; the body is read by {@link readBody} or {@link readChunks}. Errors are Node's, and the deadline's reason. */
export async function sendRequest(request: HttpRequest, deadline: Deadline): Promise<IncomingMessage> {
  try {
    return await sendOnce(request, deadline);
  } catch (error) {
    // A server may close a connection that has been idle just as the next request is sent on it.
    const isStale = error instanceof StaleConnection;
    if (!isStale || (request.method ?? "GET") !== "GET") throw isStale ? error.cause : error;
    return await sendOnce(request, deadline);
  }
}

class StaleConnection extends Error {}

async function sendOnce(request: HttpRequest, deadline: Deadline): Promise<IncomingMessage> {
  deadline.signal.throwIfAborted();
  const { url, method = "GET", headers = {}, body, agent, socketPath } = request;
  const isTls = url.protocol === "https:";
  const options: RequestOptions = {
    ...(socketPath === undefined ? { host: hostOf(url), port: url.port || (isTls ? 443 : 80) } : { socketPath }),
    method,
    path: request.path ?? `${url.pathname}${url.search}`,
    headers: {
      ...headers,
      // Node does not add the length of a DELETE's body by itself: the server would take it for the next request.
      ...(body !== undefined && { "content-length": String(Buffer.byteLength(body)) }),
    } as NonNullable<RequestOptions["headers"]>,
    ...(agent !== undefined && { agent }),
    ...request.options,
    signal: deadline.signal,
  };
  let sent: ClientRequest | undefined;
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    const own = (isTls ? httpsRequest : plainHttp().request)(options, resolve);
    sent = own;
    own.on("error", (error: NodeJS.ErrnoException) => {
      const isStale = own.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
      reject(isStale ? new StaleConnection("", { cause: error }) : error);
    });
    own.end(body);
  });
  try {
    return await deadline.race(answered);
  } catch (error) {
    sent?.destroy();
    throw deadline.signal.aborted ? deadline.signal.reason : error;
  }
}

/**
 * The chunks of an answer as they come. Throws the deadline's reason when it passes, and for an answer that ends before
 * its announced length.
 */
export async function* readChunks(response: IncomingMessage, deadline: Deadline): AsyncGenerator<Buffer> {
  const end = (): void => void response.destroy();
  deadline.signal.addEventListener("abort", end, { once: true });
  try {
    deadline.signal.throwIfAborted();
    for await (const chunk of response as AsyncIterable<Buffer>) {
      deadline.advance(chunk.length);
      yield chunk;
    }
    deadline.signal.throwIfAborted();
    if (!response.complete) throw incomplete();
  } catch (error) {
    deadline.signal.throwIfAborted();
    // However the connection ends, an answer that had begun is one that was cut off.
    throw (error as NodeJS.ErrnoException).code === "ECONNRESET" ? incomplete() : error;
  } finally {
    deadline.signal.removeEventListener("abort", end);
  }
}

function incomplete(): Error {
  return Object.assign(new Error("the answer ended before it was complete"), { code: "ERR_HTTP_RESPONSE_INCOMPLETE" });
}

/** An answer of more bytes than its reader takes. */
export class AnswerTooLong extends Error {}

/** The whole answer. Throws {@link AnswerTooLong} beyond `mostBytes`, and what {@link readChunks} throws. */
export async function readBody(response: IncomingMessage, deadline: Deadline, mostBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of readChunks(response, deadline)) {
    size += chunk.length;
    if (size > mostBytes) {
      response.destroy();
      throw new AnswerTooLong(`more than ${mostBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Without the brackets of IPv6. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}
