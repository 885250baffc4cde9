/** From an HTTP request to its answer: who asks, at which moment, for the API or for the page. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { defined } from "../../errors/defined.ts";
import { type Part, pump, type Sent, send } from "../../io/serve/send.ts";
import type { JsonValue } from "../../kube/object.ts";
import { type ApiAnswer, answerRequest, failureAnswer } from "../../kubeapi/answer.ts";
import { resolveMoment } from "../../kubeapi/moment.ts";
import { decodeReview } from "../../kubeapi/review-protobuf.ts";
import { ApiFailure } from "../../kubeapi/status.ts";
import type { WatchAnswer } from "../../kubeapi/watch.ts";
import { parseJson } from "../../storage/json-parse.ts";
import { isToken } from "./identity.ts";
import { answerPageData, answerPageFile, cookieToken } from "./serve-page.ts";
import type { Worlds } from "./worlds.ts";

export interface HandlerOptions {
  readonly worlds: Worlds;
  /** The moment that is served where a path names no other. */
  readonly revision: number;
  readonly token: string;
  /** What is served, as the contexts call it. */
  readonly name: string;
}

/** Reviews are small. Bytes. */
const LARGEST_BODY = 1 << 20;
const BOOKMARK_MS = 60_000;
/** Nobody who watches a file for longer is still there. */
const LONGEST_WATCH_S = 3600;

export function createHandler(options: HandlerOptions): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    handle(request, response, options).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else void send(request, response, sentAnswer(internalFailure(error, undefined)));
    });
  };
}

export function internalFailure(error: unknown, accept: string | undefined): ApiAnswer {
  const message = error instanceof Error ? error.message : String(error);
  return failureAnswer(new ApiFailure("InternalError", `kubemend failed at this request: ${message}`), accept);
}

/** Answered to everybody: whether the server is there says nothing about the cluster. */
const OPEN_PATHS = new Set(["/healthz", "/livez", "/readyz"]);

async function handle(request: IncomingMessage, response: ServerResponse, options: HandlerOptions): Promise<void> {
  const { worlds, token } = options;
  const accept = request.headers.accept;
  const url = readUrl(request);
  if (url === undefined) {
    request.resume();
    const failure = new ApiFailure("BadRequest", "the path is not well-formed");
    await send(request, response, sentAnswer(failureAnswer(failure, accept)));
    return;
  }
  const path = url.pathname;
  const pageFile = answerPageFile(request, url, token);
  if (pageFile !== undefined) {
    request.resume();
    await send(request, response, pageFile);
    return;
  }
  if (!OPEN_PATHS.has(path) && !isToken(bearerToken(request) ?? ownCookieToken(request), token)) {
    request.resume();
    await send(request, response, sentAnswer(failureAnswer(new ApiFailure("Unauthorized", "Unauthorized"), accept)));
    return;
  }
  const body = await readBody(request);
  let answer: ApiAnswer;
  try {
    const { revision, rest } = momentOf(path, options);
    if (rest.startsWith("/ui/data/")) {
      await send(request, response, answerPageData(rest.slice("/ui/data/".length), url.searchParams, worlds, revision));
      return;
    }
    const host = request.headers.host ?? "";
    const { method = "GET" } = request;
    answer = answerRequest({ method, path: rest, query: url.searchParams, accept, host, body }, worlds.at(revision));
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    answer = failureAnswer(error, accept);
  }
  await send(request, response, sentAnswer(answer));
  if (answer.watch !== undefined && request.method !== "HEAD") await keepOpen(answer, response);
}

export function readUrl({ url = "/" }: IncomingMessage): URL | undefined {
  return URL.canParse(`http://localhost${url.startsWith("/") ? "" : "/"}${url}`)
    ? new URL(`http://localhost${url.startsWith("/") ? "" : "/"}${url}`)
    : undefined;
}

/** `/at/MOMENT/REST`; a client that puts a prefix before a path that has it already means it once. */
export function momentOf(path: string, { worlds, revision }: HandlerOptions): { revision: number; rest: string } {
  let found: { revision: number; rest: string } = { revision, rest: path };
  for (;;) {
    const match = /^\/at\/([^/]+)(\/.*)?$/.exec(found.rest);
    if (match === null) return found;
    const text = decodeMoment(defined(match[1]));
    found = { revision: resolveMoment(text, worlds.history, () => worlds.clock()), rest: match[2] ?? "/" };
  }
}

function decodeMoment(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ApiFailure("BadRequest", "the moment in the path is not well-formed");
  }
}

/** A cookie counts where the page itself asks, or its reader: for browsers, all ports of this machine are one site. */
function ownCookieToken(request: IncomingMessage): string | undefined {
  const from = request.headers["sec-fetch-site"] ?? "none"; // absent where no browser asks
  return from === "same-origin" || from === "none" ? cookieToken(request) : undefined;
}

export function bearerToken(request: IncomingMessage): string | undefined {
  const [, token] = /^Bearer\s+(.+)$/i.exec(request.headers.authorization ?? "") ?? [];
  return token?.trim();
}

/** What was posted, where it is JSON or a review in protobuf: nothing else is read. */
async function readBody(request: IncomingMessage): Promise<JsonValue | undefined> {
  const type = request.headers["content-type"] ?? "application/json";
  const isJson = /^application\/json\b/.test(type);
  if (request.method !== "POST" || !(isJson || /^application\/vnd\.kubernetes\.protobuf\b/.test(type))) {
    request.resume();
    return undefined;
  }
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > LARGEST_BODY) return undefined;
    parts.push(part);
  }
  try {
    const bytes = Buffer.concat(parts);
    return isJson ? parseJson(bytes.toString("utf8"), "int64") : decodeReview(bytes);
  } catch {
    return undefined; // no review, then
  }
}

export function sentAnswer({ status, contentType, warning, body, watch }: ApiAnswer): Sent {
  const headers = {
    "content-type": contentType,
    "cache-control": "no-cache, private",
    ...(warning === undefined ? {} : { warning: `299 - ${JSON.stringify(warning)}` }),
  };
  return { status, headers, body, ...(watch === undefined ? {} : { isStream: true }) };
}

async function keepOpen({ watch }: ApiAnswer, response: ServerResponse): Promise<void> {
  if (response.destroyed || watch === undefined) return;
  const stop = afterRecorded(watch, {
    send: (part) => void pump([part][Symbol.iterator](), response, response),
    end: () => response.end(),
  });
  response.on("close", stop);
}

/**
 * After the recorded events nothing more comes but bookmarks, until the client or its deadline ends the watch. Returns
 * what to call when the client is gone.
 */
export function afterRecorded(watch: WatchAnswer, to: { send: (part: Part) => void; end: () => void }): () => void {
  const seconds = Math.min(watch.timeoutSeconds ?? LONGEST_WATCH_S, LONGEST_WATCH_S);
  const { bookmark } = watch;
  const timer = setTimeout(to.end, seconds * 1000);
  const bookmarks = bookmark === undefined ? undefined : setInterval(() => to.send(bookmark()), BOOKMARK_MS);
  timer.unref();
  bookmarks?.unref();
  return () => {
    clearTimeout(timer);
    clearInterval(bookmarks);
  };
}
