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
import { MendError } from "../errors.ts";
import type { TlsMaterial } from "./etcd-connection.ts";
import { transportError } from "./transport-error.ts";

export interface GrpcConnection {
  readonly endpoint: string;
  /** One message to, one message back. */
  call(method: string, message: Uint8Array, options?: GrpcOptions): Promise<Uint8Array>;
  /** One message to, many back. The timeout counts from message to message. */
  stream(method: string, message: Uint8Array, options?: GrpcOptions): AsyncGenerator<Uint8Array, void, void>;
  close(): void;
}

export interface GrpcOptions {
  readonly token?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

const HEADER_SIZE = 5;
/** etcd's own limit for a message is far below; a larger one is not from etcd. */
const MOST_MESSAGE_BYTES = 64 * 1024 * 1024;
/** Enough for a fast stream over a slow distance. */
const WINDOW = 4 * 1024 * 1024;

/** Connects with the first call. `timeout` is in milliseconds. */
export function openGrpc(endpoint: string, tls: TlsMaterial, timeout: number): GrpcConnection {
  let session: ClientHttp2Session | undefined;

  function connected(): Promise<ClientHttp2Session> {
    if (session !== undefined && !session.closed && !session.destroyed) return Promise.resolve(session);
    return new Promise((resolve, reject) => {
      const opened = connect(endpoint, { ...tls, settings: { enablePush: false, initialWindowSize: WINDOW } });
      const timer = setTimeout(() => opened.destroy(timedOut(endpoint, "connect", timeout)), timeout);
      opened.once("connect", () => {
        clearTimeout(timer);
        opened.setLocalWindowSize(WINDOW);
        session = opened;
        resolve(opened);
      });
      opened.on("error", (error) => {
        clearTimeout(timer);
        reject(transportError(error, endpoint));
      });
      opened.once("close", () => reject(transportError(new Error("closed"), endpoint)));
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
      failure ??= transportError(error, endpoint);
    });
    request.setTimeout(timeout, () => {
      failure ??= timedOut(endpoint, "answer", timeout);
      request.close(constants.NGHTTP2_CANCEL);
    });
    const headers = watchHeaders(request);
    try {
      request.end(frame(message));
      yield* messages(request, endpoint);
      options.signal?.throwIfAborted();
      if (failure !== undefined) throw failure;
      checkStatus(headers(), endpoint, method);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw failure ?? transportError(error, endpoint);
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
      if (answer === undefined) {
        throw new MendError("etcd-refused", `"${endpoint}" sent no answer to ${method}`, { where: endpoint });
      }
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

/** Cuts a stream into messages. A message that arrives in one piece is a view of it; one that comes in many is put together once. */
async function* messages(request: ClientHttp2Stream, endpoint: string): AsyncGenerator<Uint8Array> {
  let pending: Buffer = Buffer.alloc(0);
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
      if (pending[at] !== 0 || size > MOST_MESSAGE_BYTES) {
        throw new MendError("etcd-refused", `"${endpoint}" does not speak gRPC as etcd does`, {
          where: endpoint,
          hint: "give etcd's client URL, such as https://10.0.0.1:2379",
        });
      }
      at += HEADER_SIZE;
      if (pending.length - at < size) {
        whole = Buffer.allocUnsafe(size);
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

function checkStatus(headers: IncomingHttpHeaders, endpoint: string, method: string): void {
  const status = headers["grpc-status"];
  if (status === "0") return;
  if (status === undefined) {
    const http = headers[":status"];
    const found = http === undefined ? "the connection ended" : `HTTP status ${http}`;
    throw new MendError("etcd-unreachable", `"${endpoint}" gave no gRPC answer: ${found}`, {
      where: endpoint,
      hint: "give etcd's client URL, such as https://10.0.0.1:2379",
    });
  }
  throw statusError(Number(status), decodeURIComponentSafely(String(headers["grpc-message"] ?? "")), endpoint, method);
}

/** gRPC's status codes (`grpc/grpc`, `doc/statuscodes.md`). */
function statusError(status: number, text: string, endpoint: string, method: string): MendError {
  const said = text === "" ? `status ${status}` : text;
  const where = endpoint;
  if (status === 16) {
    return new MendError("etcd-unauthenticated", `"${endpoint}" does not accept the user: ${said}`, {
      where,
      hint: "check --user and --password",
    });
  }
  if (status === 7) {
    return new MendError("permission-denied", `"${endpoint}" refuses: ${said}`, {
      where,
      hint: "pass a --user with the root role",
    });
  }
  if (status === 12) {
    return new MendError("unsupported", `"${endpoint}" does not know ${method}`, {
      where,
      hint: "use an etcd of 3.4 or newer",
    });
  }
  if (status === 11) {
    return new MendError("revision-compacted", `"${endpoint}" no longer holds that revision: ${said}`, {
      where,
      hint: "ask for a newer revision",
    });
  }
  if (status === 4) return timedOut(endpoint, "answer", undefined);
  if (status === 14) {
    return new MendError("etcd-unreachable", `"${endpoint}" cannot serve: ${said}`, {
      where,
      hint: "see kubemend etcd health",
    });
  }
  return new MendError("etcd-refused", `"${endpoint}" refuses: ${said}`, {
    where,
    hint: "if etcd has authentication enabled, pass --user NAME:PASSWORD",
  });
}

function timedOut(endpoint: string, what: "connect" | "answer", milliseconds: number | undefined): MendError {
  const waited = milliseconds === undefined ? "in time" : `within ${milliseconds / 1000} s`;
  return new MendError("timeout", `"${endpoint}" did not ${what} ${waited}`, {
    where: endpoint,
    hint: "check that etcd runs there, or raise --command-timeout",
  });
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
