/**
 * gRPC over Node's own HTTP/2: unary calls and streams from the server, bytes in and bytes out. Failures of TLS keep
 * their names, because an expired certificate is what a broken cluster often has.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from "node:http2";
import { createConnection } from "node:net";
import { Deadline, DeadlinePassed, SLOWEST_PACE } from "./deadline.ts";
import { decodePercent } from "./decode-percent.ts";
import { ETCD_FAILURES, type GrpcFailures } from "./grpc-failures.ts";
import type { TlsMaterial } from "./tls-material.ts";

export interface GrpcConnection {
  readonly endpoint: string;
  /** One message to, one message back. */
  call(method: string, message: Uint8Array, options?: GrpcOptions): Promise<Uint8Array>;
  /**
   * One message to, many back, each valid until the next is asked for. The timeout is for the first bytes, for each
   * silence, and for bytes that come more slowly than {@link SLOWEST_PACE}; messages without content count for nothing.
   */
  stream(method: string, message: Uint8Array, options?: GrpcOptions): AsyncGenerator<Uint8Array, void, void>;
  close(): void;
}

export interface GrpcOptions {
  readonly token?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds, instead of the connection's. */
  readonly timeout?: number | undefined;
  /** Bytes a second that a stream must bring at least, instead of {@link SLOWEST_PACE}. */
  readonly pace?: number | undefined;
}

const HEADER_SIZE = 5;
/** etcd's own limit for a message is far below; a larger one is not from etcd. */
const MOST_MESSAGE_BYTES = 64 * 1024 * 1024;
/** Enough for a fast stream over a slow distance. */
const WINDOW = 4 * 1024 * 1024;

/** Connects with the first call. `endpoint` is an URL, or `unix:///PATH` of a socket. `timeout` is in milliseconds. */
export function openGrpc(
  endpoint: string,
  tls: TlsMaterial,
  timeout: number,
  failures: GrpcFailures = ETCD_FAILURES,
): GrpcConnection {
  const socket = endpoint.startsWith("unix:") ? endpoint.replace(/^unix:(\/\/)?/, "") : undefined;
  let session: ClientHttp2Session | undefined;

  /** A connection that has not come about when the deadline passes is given up, and whatever it holds with it. */
  async function connected(deadline: Deadline): Promise<ClientHttp2Session> {
    if (session !== undefined && !session.closed && !session.destroyed) return session;
    const settings = { enablePush: false, initialWindowSize: WINDOW };
    const opened =
      socket === undefined
        ? connect(endpoint, { ...tls, settings })
        : connect("http://localhost", { createConnection: () => createConnection(socket), settings });
    const answered = new Promise<void>((resolve, reject) => {
      // Node reports a connection when the socket has one; a server of HTTP/2 then sends its settings, and anything else does not.
      opened.once("remoteSettings", () => resolve());
      opened.on("error", (error) => reject(failures.transport(error, endpoint)));
      opened.once("close", () => reject(failures.transport(new Error("closed"), endpoint)));
    });
    try {
      await deadline.race(answered);
    } catch (error) {
      opened.destroy();
      throw error instanceof DeadlinePassed ? failures.timedOut(endpoint, "connect", error.milliseconds) : error;
    }
    opened.setLocalWindowSize(WINDOW);
    session = opened;
    return opened;
  }

  async function* stream(method: string, message: Uint8Array, options: GrpcOptions = {}): AsyncGenerator<Uint8Array> {
    using deadline = new Deadline(options.timeout ?? timeout, {
      signal: options.signal,
      pace: options.pace ?? SLOWEST_PACE,
    });
    const { signal } = deadline;
    signal.throwIfAborted();
    const request = (await connected(deadline)).request({
      ":method": "POST",
      ":path": method,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "kubemend",
      ...(options.token === undefined ? {} : { token: options.token }),
    });
    let failure: unknown;
    request.on("error", (error) => {
      failure ??= failures.transport(error, endpoint);
    });
    // Destroyed, and not only closed: a peer that hangs answers no RST_STREAM, and what is half read would be waited for.
    const end = (): void => void request.destroy();
    signal.addEventListener("abort", end, { once: true });
    const headers = watchHeaders(request);
    try {
      request.end(frame(message));
      yield* messages(request, endpoint, failures, deadline, headers);
      signal.throwIfAborted();
      if (failure !== undefined) throw failure;
      checkStatus(headers(), endpoint, method, failures);
    } catch (error) {
      options.signal?.throwIfAborted();
      const { reason } = signal;
      if (reason instanceof DeadlinePassed) throw failures.timedOut(endpoint, "answer", reason.milliseconds);
      throw failure ?? failures.transport(error, endpoint);
    } finally {
      signal.removeEventListener("abort", end);
      if (!request.closed) request.close(constants.NGHTTP2_CANCEL);
    }
  }

  return {
    endpoint,
    stream,
    async call(method, message, options) {
      let answer: Uint8Array | undefined;
      for await (const part of stream(method, message, options)) {
        if (answer !== undefined) throw failures.foreign("a second message where one was due", endpoint);
        answer = part;
      }
      if (answer === undefined) throw failures.noAnswer(endpoint, method);
      return answer;
    },
    // Not `close()`: that waits for a peer that may never answer again.
    close: () => session?.destroy(),
  };
}

function frame(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(HEADER_SIZE + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, HEADER_SIZE);
  return bytes;
}

/**
 * Cuts a stream into messages. A message that arrives in one piece is a view of it; one that comes in many is put
 * together once, in memory that the next one reuses.
 */
async function* messages(
  request: ClientHttp2Stream,
  endpoint: string,
  failures: GrpcFailures,
  deadline: Deadline,
  headers: () => IncomingHttpHeaders,
): AsyncGenerator<Uint8Array> {
  let pending: Buffer = Buffer.alloc(0);
  let space: Buffer = Buffer.alloc(0);
  let whole: Buffer | undefined; // a message that has begun
  let filled = 0;
  const isGrpc = (): boolean => /^application\/grpc\b/.test(String(headers()["content-type"] ?? ""));
  for await (const chunk of request as AsyncIterable<Buffer>) {
    if (!isGrpc()) throw failures.foreign(describeForeign(headers()), endpoint);
    let at = 0;
    if (whole !== undefined) {
      at = chunk.copy(whole, filled);
      filled += at;
      deadline.advance(at);
      if (filled < whole.length) continue;
      deadline.pause(); // the reader's time is not the server's
      yield whole;
      deadline.resume();
      whole = undefined;
    }
    pending = pending.length === 0 ? chunk.subarray(at) : Buffer.concat([pending, chunk]);
    at = 0;
    while (pending.length - at >= HEADER_SIZE) {
      const size = pending.readUInt32BE(at + 1);
      if (pending[at] !== 0) throw failures.foreign("a message that is compressed", endpoint);
      if (size > MOST_MESSAGE_BYTES) throw failures.tooLarge(size, endpoint);
      at += HEADER_SIZE;
      if (pending.length - at < size) {
        if (space.length < size) space = Buffer.allocUnsafeSlow(size);
        whole = space.subarray(0, size);
        filled = pending.copy(whole, 0, at);
        deadline.advance(filled);
        at = pending.length;
        break;
      }
      deadline.advance(size);
      deadline.pause();
      yield pending.subarray(at, at + size);
      deadline.resume();
      deadline.signal.throwIfAborted(); // small messages without end come in one piece
      at += size;
    }
    pending = pending.subarray(at);
  }
}

/** Collects headers and trailers: a failed call has its status in either. */
function watchHeaders(request: ClientHttp2Stream): () => IncomingHttpHeaders {
  const all: IncomingHttpHeaders = {};
  const collect = (headers: IncomingHttpHeaders): void => void Object.assign(all, headers);
  request.on("response", collect);
  request.on("trailers", collect);
  return () => all;
}

function checkStatus(headers: IncomingHttpHeaders, endpoint: string, method: string, failures: GrpcFailures): void {
  const status = headers["grpc-status"];
  if (status === "0") return;
  if (status === undefined) {
    throw failures.foreign(describeForeign(headers), endpoint);
  }
  const message = decodePercent(String(headers["grpc-message"] ?? ""));
  throw failures.status(Number(status), message, endpoint, method);
}

function describeForeign(headers: IncomingHttpHeaders): string {
  const http = headers[":status"];
  if (http === undefined) return "the connection ended";
  if (String(http) !== "200") return `HTTP status ${http}`;
  const type = headers["content-type"];
  if (type === undefined || !/^application\/grpc\b/.test(type)) return `content of type ${type ?? "unknown"}`;
  return "it ended without a status";
}
