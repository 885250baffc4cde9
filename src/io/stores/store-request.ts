/** Requests to a store over HTTP: with a deadline each, tried again where that may help, and what is read checked for its length. */
import { setTimeout as sleep } from "node:timers/promises";
import { MendError } from "../../errors/errors.ts";

export interface StoreRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body?: Uint8Array;
}

export interface StoreAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** Who answered: scheme, host and port. */
  readonly origin: string;
  /** Whether an earlier try ended without an answer: it may have been carried out. */
  readonly wasRepeated: boolean;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** How the store is called in errors. */
  readonly where: string;
  /** Requests in all; 5 unless given. */
  readonly tries?: number | undefined;
}

const TRIES = 5;
const FIRST_WAIT_MS = 200;
const TIMEOUT_MS = 30_000;
/** More time for more bytes: 64 kB a second at least. */
const BYTES_A_MILLISECOND = 64;
const LARGEST_ANSWER = 64 << 20;

/** Retries 5xx, 429, 408 and what ended without an answer. `make` signs again for each try. Throws `store-unreachable`. */
export async function askStore(
  make: () => Promise<StoreRequest>,
  { signal, where, tries = TRIES }: RequestOptions,
): Promise<StoreAnswer> {
  let wasRepeated = false;
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const request = await make();
    let failure: unknown;
    try {
      const answer = await once(request, signal);
      if (!isPassing(answer.status) || attempt >= tries) return { ...answer, origin: originOf(request), wasRepeated };
      wasRepeated = true;
    } catch (error) {
      signal?.throwIfAborted();
      if (!isNetworkFailure(error)) throw error;
      failure = error;
      wasRepeated = true;
    }
    if (attempt >= tries) {
      throw new MendError(
        "store-unreachable",
        `${placed(where, originOf(request))} cannot be reached: ${causeOf(failure)}`,
        {
          where,
          hint: "check the address and the network",
          cause: failure,
        },
      );
    }
    await sleep(
      FIRST_WAIT_MS * 2 ** (attempt - 1) * (0.5 + Math.random()),
      undefined,
      signal === undefined ? {} : { signal },
    );
  }
}

/** Without what may be secret in an address. */
function originOf({ url }: StoreRequest): string {
  return new URL(url).origin;
}

/** What was asked for and of whom, as errors name it: a bucket of the same name may be somewhere else. */
export function placed(where: string, origin: string): string {
  return `"${where}" at ${origin}`;
}

function isPassing(status: number): boolean {
  return status >= 500 ? status !== 501 && status !== 507 : status === 429 || status === 408;
}

async function once(
  request: StoreRequest,
  signal: AbortSignal | undefined,
): Promise<Omit<StoreAnswer, "origin" | "wasRepeated">> {
  const { method, url, headers, body } = request;
  const timeout = AbortSignal.timeout(TIMEOUT_MS + Math.ceil((body?.length ?? 0) / BYTES_A_MILLISECOND));
  const response = await fetch(url, {
    method,
    headers,
    redirect: "manual",
    signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
  });
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    parts.push(part);
    size += part.length;
    if (size > LARGEST_ANSWER) throw new AnswerCut("the answer is larger than any that was asked for");
  }
  const expected = response.headers.get("content-length");
  // A HEAD has the length of what it does not send.
  if (
    method !== "HEAD" &&
    expected !== null &&
    response.headers.get("content-encoding") === null &&
    Number(expected) !== size
  ) {
    throw new AnswerCut(`the answer ended after ${size} of ${expected} bytes`);
  }
  return { status: response.status, headers: response.headers, bytes: Buffer.concat(parts) };
}

class AnswerCut extends Error {
  override readonly name = "AnswerCut";
}

/** `fetch` throws a TypeError for whatever happens to the connection. */
function isNetworkFailure(error: unknown): boolean {
  return error instanceof Error && ["TypeError", "TimeoutError", "AbortError", "AnswerCut"].includes(error.name);
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (error.name === "TimeoutError") return "no answer in time";
  if (cause instanceof Error) return (cause as NodeJS.ErrnoException).code ?? cause.message;
  return error.message;
}
