/**
 * Sends an answer whose body comes in parts: no faster than the client reads, compressed where it is worth it, and
 * never all of it in memory.
 */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setImmediate } from "node:timers/promises";
import { constants, createGzip } from "node:zlib";

/** An empty one is a turn for other requests. */
export type Part = string | Uint8Array;

export interface Sent {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Iterable<Part>;
  /** A stream of events, which is not compressed and whose head is sent at once. */
  readonly isStream?: boolean;
}

/** Smaller answers are sent as they are, as API servers do. Bytes. */
const WORTH_COMPRESSING = 128 * 1024;

export async function send(request: IncomingMessage, response: ServerResponse, answer: Sent): Promise<void> {
  const { status, headers, body, isStream } = answer;
  const parts = body[Symbol.iterator]();
  if (request.method === "HEAD") {
    response.writeHead(status, headers).end();
    return;
  }
  if (isStream === true) {
    response.writeHead(status, headers);
    response.flushHeaders();
    await pump(parts, response, response);
    return; // whoever asked for a stream ends it
  }
  const first: Buffer[] = [];
  let size = 0;
  let isOver = false;
  while (size < WORTH_COMPRESSING) {
    const next = parts.next();
    isOver = next.done === true;
    if (next.done === true) break;
    if (next.value.length === 0) {
      await setImmediate();
      if (response.destroyed) return void parts.return?.();
      continue;
    }
    const bytes = typeof next.value === "string" ? Buffer.from(next.value) : Buffer.from(next.value);
    first.push(bytes);
    size += bytes.length;
  }
  if (isOver && size < WORTH_COMPRESSING) {
    response.writeHead(status, { ...headers, "content-length": String(size) });
    response.end(Buffer.concat(first, size));
    return;
  }
  const compress = acceptsGzip(request);
  response.writeHead(status, {
    ...headers,
    ...(compress ? { "content-encoding": "gzip" } : {}),
    vary: "accept-encoding",
  });
  if (!compress) {
    for (const bytes of first) response.write(bytes);
    await pump(parts, response, response);
    response.end();
    return;
  }
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  gzip.on("error", () => response.destroy());
  gzip.pipe(response);
  response.on("close", () => gzip.destroy());
  for (const bytes of first) gzip.write(bytes);
  await pump(parts, gzip, response);
  gzip.end();
}

/** Writes parts until there are no more, or nobody reads them. Lets other requests in between. */
export async function pump(
  parts: Iterator<Part>,
  into: NodeJS.WritableStream,
  response: ServerResponse,
): Promise<void> {
  for (;;) {
    if (response.destroyed) {
      parts.return?.();
      return;
    }
    const next = parts.next();
    if (next.done === true) return;
    if (next.value.length > 0 && !into.write(next.value)) await drained(into, response);
    // A client that reads fast drains what was written before this turn of the event loop is over: others wait for the next one.
    await setImmediate();
  }
}

/** Waits until more can be written, or nobody reads any more. Leaves no listener behind: a list can be thousands of parts. */
async function drained(into: NodeJS.WritableStream, response: ServerResponse): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  try {
    const waits = [once(into, "drain", { signal }), once(response, "close", { signal })];
    for (const wait of waits) wait.catch(() => {}); // the one that is not needed is aborted
    await Promise.race(waits);
  } finally {
    over.abort();
  }
}

function acceptsGzip(request: IncomingMessage): boolean {
  const accepted = String(request.headers["accept-encoding"] ?? "");
  return accepted.split(",").some((each) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/.test(each));
}
