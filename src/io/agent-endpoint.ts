/** The agent's small HTTP server on the loopback: `/healthz`, `/metrics`, `/status`. GET only, nothing secret, nobody from elsewhere. */
import { createServer, get, type Server } from "node:http";
import { MendError } from "../errors.ts";
import { systemCode } from "./system-error.ts";

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

/** `address` is `HOST:PORT`; throws `usage` for one that is not, and for a host that is not the loopback. */
export async function openAgentEndpoint(address: string, pages: AgentPages): Promise<AgentEndpoint> {
  const { host, port } = parseAddress(address);
  const server: Server = createServer({ requestTimeout: 5000, keepAliveTimeout: 1000 }, (request, response) => {
    request.resume();
    const answer = (status: number, type: string, text: string) =>
      response.writeHead(status, { "content-type": type, "cache-control": "no-store" }).end(text);
    if (request.method !== "GET") return answer(405, "text/plain", "only GET\n");
    switch (request.url?.split("?")[0]) {
      case "/healthz": {
        const wrong = pages.health();
        return answer(wrong === undefined ? 200 : 503, "text/plain", `${wrong ?? "ok"}\n`);
      }
      case "/metrics":
        return answer(200, "text/plain; version=0.0.4; charset=utf-8", pages.metrics());
      case "/status":
        return answer(200, "application/json", `${JSON.stringify(pages.status())}\n`);
      default:
        return answer(404, "text/plain", "try /healthz, /metrics or /status\n");
    }
  });
  await new Promise<void>((done, fail) => {
    server.once("error", (error) => {
      const taken = systemCode(error) === "EADDRINUSE";
      const text = taken ? `port ${port} is taken by another program` : error.message;
      fail(
        new MendError(taken ? "port-taken" : "io", text, { where: address, hint: "pass another --metrics-address" }),
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
      server.closeAllConnections();
    },
  };
}

/** What `/status` says; undefined where no agent answers. */
export function askAgent(address: string): Promise<unknown> {
  const { host, port } = parseAddress(address);
  return new Promise((resolve) => {
    const asked = get({ host, port, path: "/status", agent: false, timeout: 3000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", () => resolve(undefined));
      response.on("end", () => {
        try {
          resolve(response.statusCode === 200 ? JSON.parse(Buffer.concat(chunks).toString("utf8")) : undefined);
        } catch {
          resolve(undefined); // another program's answer
        }
      });
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(undefined));
  });
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
