/** Reaches a TLS server through an HTTP proxy, by CONNECT (RFC 9110, 9.3.6). */
import { Agent, type AgentOptions } from "node:https";
import type { Duplex } from "node:stream";
import { connect } from "node:tls";
import { plainHttp } from "./plain-http.ts";

type Connected = (error: Error | null, stream: Duplex) => void;

export class ProxyAgent extends Agent {
  readonly #proxy: URL;

  constructor(proxy: URL, options: AgentOptions) {
    super(options);
    this.#proxy = proxy;
  }

  override createConnection(options: AgentOptions & { host?: string; port?: number }, connected: Connected): undefined {
    const { hostname, port, username, password } = this.#proxy;
    const target = `${options.host?.includes(":") ? `[${options.host}]` : options.host}:${options.port}`;
    const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const asked = plainHttp().request({
      host: hostname.replace(/^\[(.*)\]$/, "$1"),
      port: port || 80,
      method: "CONNECT",
      path: target,
      headers: {
        host: target,
        ...(username !== "" && { "proxy-authorization": `Basic ${Buffer.from(login).toString("base64")}` }),
      },
    });
    asked.on("connect", ({ statusCode }, socket) => {
      if (statusCode === 200) return connected(null, connect({ ...options, socket } as object));
      socket.destroy();
      connected(Object.assign(new Error(`the proxy answers ${statusCode}`), { code: "EPROXY" }), socket);
    });
    asked.on("error", (error) => connected(error, undefined as never));
    asked.end();
    return undefined;
  }
}
