/**
 * Requests as they come on a node's stdin: each a line of JSON and the bytes behind it. One that says how many bytes
 * follow (`payloadBytes`) may have others behind them; without that everything to the end of the input is its payload.
 */
import { MendError } from "../../../errors/errors.ts";
import type { StepRequest } from "./run-step.ts";

export interface ReceivedRequest {
  readonly request: StepRequest;
  /** What follows it on stdin. */
  readonly payload: AsyncIterable<Uint8Array>;
  /** Whether others may follow. */
  readonly isOneOfMany: boolean;
}

/** A plan with the manifests of a node is a few tens of kilobytes. */
const MOST_REQUEST_BYTES = 16 * 1024 * 1024;
/** The other end may be gone without a sign; where it is not, it starts another. */
const IDLE_MS = 900_000;

export class RequestStream {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #idleMs: number;
  #rest: Uint8Array = new Uint8Array(0);
  /** Bytes of the last request's payload that nobody has read. */
  #left = 0;

  constructor(stdin: AsyncIterable<Uint8Array>, idleMs = IDLE_MS) {
    this.#chunks = stdin[Symbol.asyncIterator]();
    this.#idleMs = idleMs;
  }

  /** Undefined at the end of the input, and where nothing comes for long. Throws `usage` for what is no request. */
  async next(): Promise<ReceivedRequest | undefined> {
    for await (const _ of this.#payload()); // what the last request has left unread
    let head = Buffer.alloc(0);
    for (;;) {
      const chunk = await withPatience(this.#read(), this.#idleMs);
      if (chunk === undefined && head.length === 0) return undefined;
      if (chunk === undefined || head.length > MOST_REQUEST_BYTES) throw noRequest();
      const end = chunk.indexOf(0x0a);
      head = Buffer.concat([head, end < 0 ? chunk : chunk.subarray(0, end)]);
      if (end < 0) continue;
      this.#rest = chunk.subarray(end + 1);
      const { payloadBytes, ...request } = parseRequest(head);
      const isOneOfMany = typeof payloadBytes === "number" && Number.isSafeInteger(payloadBytes) && payloadBytes >= 0;
      this.#left = isOneOfMany ? payloadBytes : Number.POSITIVE_INFINITY;
      return { request: request as StepRequest, payload: this.#payload(), isOneOfMany };
    }
  }

  async *#payload(): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const chunk = await this.#read();
      if (chunk === undefined) return;
      const own = chunk.subarray(0, this.#left);
      this.#rest = chunk.subarray(own.length);
      this.#left -= own.length;
      yield own;
    }
  }

  async #read(): Promise<Uint8Array | undefined> {
    if (this.#rest.length > 0) {
      const rest = this.#rest;
      this.#rest = new Uint8Array(0);
      return rest;
    }
    const { done, value } = await this.#chunks.next();
    return done === true ? undefined : value;
  }
}

async function withPatience<T>(of: Promise<T>, milliseconds: number): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, milliseconds, undefined);
  try {
    return await Promise.race([of, promise]);
  } finally {
    clearTimeout(timer);
  }
}

function parseRequest(line: Uint8Array): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(line));
    if (typeof parsed === "object" && parsed !== null) return parsed as Record<string, unknown>;
  } catch {
    // said below
  }
  throw noRequest();
}

/** What a person sees who runs it by hand. */
export function noRequest(): MendError {
  return new MendError("usage", "no request came on stdin", {
    hint: "this is what kubemend cluster restore runs on each node: run that",
  });
}
