/**
 * The agent's pages on the loopback: `/healthz`, `/metrics`, `/status`. GET only, nothing secret, nobody from
 * elsewhere. The server is these few lines, because Node's would be more of the agent's memory than all of its own code
 * (plain-http.ts).
 */

import { createServer, type Server, type Socket } from "node:net";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { systemCode } from "../../errors/system-error.ts";
import { escapeText, plainJson } from "../../errors/unsafe-text.ts";
import { Deadline } from "../network/deadline.ts";
import { readBody, sendRequest } from "../network/http-exchange.ts";

export interface AgentPages {
  /** Undefined: healthy; else what is wrong. */
  health(): string | undefined;
  /** Prometheus' text format. */
  metrics(): string;
  status(): unknown;
}

export interface AgentEndpoint {
  readonly port: number;
  close(): void;
}

const TIMEOUT_MS = 5000;
const MOST_CONNECTIONS = 20;
const MOST_HEADER_BYTES = 8192;
/** For whoever asks an agent. */
const ASK_MS = 3000;
const MOST_STATUS_BYTES = 16 << 20;
const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  431: "Request Header Fields Too Large",
  503: "Service Unavailable",
};

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** `address` is `HOST:PORT`; throws `usage` for one that is not, and for a host that is not the loopback. */
export async function openAgentEndpoint(address: string, pages: AgentPages): Promise<AgentEndpoint> {
  const { host, port } = parseAddress(address);
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket, pages);
  });
  server.maxConnections = MOST_CONNECTIONS;
  await new Promise<void>((done, fail) => {
    server.once("error", (error) => {
      const taken = systemCode(error) === "EADDRINUSE";
      const text = taken ? `port ${port} is taken by another program` : error.message;
      fail(
        new MendError(taken ? "port-taken" : "io", text, {
          where: address,
          hint: `pass another ${input("metricsAddress")}`,
        }),
      );
    });
    server.listen(port, host, done);
  });
  server.unref();
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** One request, one answer, and the end of the connection. */
function serve(socket: Socket, pages: AgentPages): void {
  let head = "";
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  const answer = ({ status, type, body }: Answer) => {
    socket.removeAllListeners("data");
    const headers = [
      `HTTP/1.1 ${status} ${REASONS[status]}`,
      `content-type: ${type}`,
      `content-length: ${Buffer.byteLength(body)}`,
      "cache-control: no-store",
      "connection: close",
    ];
    socket.end(`${headers.join("\r\n")}\r\n\r\n${body}`);
  };
  socket.on("data", (chunk: Buffer) => {
    head += chunk.toString("latin1");
    if (head.length > MOST_HEADER_BYTES) answer({ status: 431, type: "text/plain", body: "too long\n" });
    else if (/\r?\n\r?\n/.test(head)) answer(answerTo(head, pages));
  });
}

function answerTo(head: string, pages: AgentPages): Answer {
  const [, method, path] = /^([A-Z]+) (\/[^ ?]*)\S* HTTP\/1\.[01]\r?\n/.exec(head) ?? [];
  if (method === undefined) return { status: 400, type: "text/plain", body: "this is HTTP\n" };
  if (method !== "GET") return { status: 405, type: "text/plain", body: "only GET\n" };
  switch (path) {
    case "/healthz": {
      const wrong = pages.health();
      return { status: wrong === undefined ? 200 : 503, type: "text/plain", body: `${escapeText(wrong ?? "ok")}\n` };
    }
    case "/metrics":
      return { status: 200, type: "text/plain; version=0.0.4; charset=utf-8", body: pages.metrics() };
    case "/status":
      return { status: 200, type: "application/json", body: `${plainJson(pages.status())}\n` };
    default:
      return { status: 404, type: "text/plain", body: "try /healthz, /metrics or /status\n" };
  }
}

/** What `/status` says; undefined where no agent answers. */
export async function askAgent(address: string): Promise<unknown> {
  const { host, port } = parseAddress(address);
  using deadline = new Deadline(ASK_MS);
  try {
    const url = new URL(`http://${host.includes(":") ? `[${host}]` : host}:${port}/status`);
    const response = await sendRequest({ url, options: { agent: false } }, deadline);
    const body = await readBody(response, deadline, MOST_STATUS_BYTES);
    return response.statusCode === 200 ? JSON.parse(body.toString("utf8")) : undefined;
  } catch {
    return undefined; // nobody, or another program's answer
  }
}

function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const [, host = "", digits = ""] = /^(127(?:\.\d{1,3}){3}|localhost|\[::1\]):(\d{1,5})$/.exec(address) ?? [];
  const port = Number(digits);
  if (host === "" || port > 65_535) {
    throw new MendError("usage", `"${address}" is no address of the loopback with a port`, {
      hint: "give one such as 127.0.0.1:10270",
    });
  }
  return { host: host.replace(/^\[|\]$/g, ""), port };
}
