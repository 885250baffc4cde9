/**
 * gRPC over Node's own HTTP/2: unary calls and streams from the server, bytes in and bytes out. Failures of TLS keep their names, because an expired
 * certificate is what a broken cluster often has.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from "node:http2";
import { createConnection } from "node:net";
import type { TlsMaterial } from "../etcd/etcd-connection.ts";
import { ETCD_FAILURES, type GrpcFailures } from "./grpc-failures.ts";

export interface GrpcConnection {
  readonly endpoint: string;
  /** One message to, one message back. */
  call(method: string, message: Uint8Array, options?: GrpcOptions): Promise<Uint8Array>;
  /** One message to, many back, each valid until the next is asked for. The timeout counts from message to message. */
  stream(method: string, message: Uint8Array, options?: GrpcOptions): AsyncGenerator<Uint8Array, void, void>;
  close(): void;
}

export interface GrpcOptions {
  readonly token?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds, instead of the connection's. */
  readonly timeout?: number | undefined;
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

  function connected(): Promise<ClientHttp2Session> {
    if (session !== undefined && !session.closed && !session.destroyed) return Promise.resolve(session);
    return new Promise((resolve, reject) => {
      const settings = { enablePush: false, initialWindowSize: WINDOW };
      const opened =
        socket === undefined
          ? connect(endpoint, { ...tls, settings })
          : connect("http://localhost", { createConnection: () => createConnection(socket), settings });
      const timer = setTimeout(() => opened.destroy(failures.timedOut(endpoint, "connect", timeout)), timeout);
      opened.once("connect", () => {
        clearTimeout(timer);
        opened.setLocalWindowSize(WINDOW);
        session = opened;
        resolve(opened);
      });
      opened.on("error", (error) => {
        clearTimeout(timer);
        reject(failures.transport(error, endpoint));
      });
      opened.once("close", () => reject(failures.transport(new Error("closed"), endpoint)));
    });
  }

  async function* stream(method: string, message: Uint8Array, options: GrpcOptions = {}): AsyncGenerator<Uint8Array> {
    options.signal?.throwIfAborted();
    const request = (await connected()).request({
      ":method": "POST",
      ":path": method,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "kubemend",
      ...(options.token === undefined ? {} : { token: options.token }),
    });
    const abort = (): void => request.close(constants.NGHTTP2_CANCEL);
    options.signal?.addEventListener("abort", abort, { once: true });
    let failure: unknown;
    request.on("error", (error) => {
      failure ??= failures.transport(error, endpoint);
    });
    const patience = options.timeout ?? timeout;
    request.setTimeout(patience, () => {
      failure ??= failures.timedOut(endpoint, "answer", patience);
      request.close(constants.NGHTTP2_CANCEL);
    });
    const headers = watchHeaders(request);
    try {
      request.end(frame(message));
      yield* messages(request, endpoint, failures);
      options.signal?.throwIfAborted();
      if (failure !== undefined) throw failure;
      checkStatus(headers(), endpoint, method, failures);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw failure ?? failures.transport(error, endpoint);
    } finally {
      options.signal?.removeEventListener("abort", abort);
      if (!request.closed) request.close(constants.NGHTTP2_CANCEL);
    }
  }

  return {
    endpoint,
    stream,
    async call(method, message, options) {
      let answer: Uint8Array | undefined;
      for await (const part of stream(method, message, options)) answer = part;
      if (answer === undefined) throw failures.noAnswer(endpoint, method);
      return answer;
    },
    close: () => session?.close(),
  };
}

function frame(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(HEADER_SIZE + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, HEADER_SIZE);
  return bytes;
}

/** Cuts a stream into messages. A message that arrives in one piece is a view of it; one that comes in many is put together once, in memory that the next one reuses. */
async function* messages(
  request: ClientHttp2Stream,
  endpoint: string,
  failures: GrpcFailures,
): AsyncGenerator<Uint8Array> {
  let pending: Buffer = Buffer.alloc(0);
  let room: Buffer = Buffer.alloc(0);
  let whole: Buffer | undefined; // a message that has begun
  let filled = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    let at = 0;
    if (whole !== undefined) {
      at = chunk.copy(whole, filled);
      filled += at;
      if (filled < whole.length) continue;
      yield whole;
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
        if (room.length < size) room = Buffer.allocUnsafeSlow(size);
        whole = room.subarray(0, size);
        filled = pending.copy(whole, 0, at);
        at = pending.length;
        break;
      }
      yield pending.subarray(at, at + size);
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
    const http = headers[":status"];
    throw failures.foreign(http === undefined ? "the connection ended" : `HTTP status ${http}`, endpoint);
  }
  const said = decodeURIComponentSafely(String(headers["grpc-message"] ?? ""));
  throw failures.status(Number(status), said, endpoint, method);
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
