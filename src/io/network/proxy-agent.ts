/** Agents of Node's HTTP whose connections lead through a proxy. Closing one ends its dials as well, which Node knows nothing of. */
import type { Agent as HttpAgent } from "node:http";
import { Agent, type AgentOptions } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect } from "node:tls";
import { Deadline } from "./deadline.ts";
import { plainHttp } from "./plain-http.ts";
import { openTunnel } from "./tunnel.ts";

type Connected = (error: Error | null, stream: Duplex) => void;
type Target = AgentOptions & { host?: string; port?: number; signal?: AbortSignal };

/** No proxy takes longer, and no request waits longer for one. */
const TUNNEL_MS = 60_000;

export class ProxyAgent extends Agent {
  readonly #proxy: URL;
  readonly #ended = new AbortController();

  constructor(proxy: URL, options: AgentOptions) {
    super(options);
    this.#proxy = proxy;
  }

  override createConnection(options: Target, connected: Connected): undefined {
    // The request's own signal is not for the connection, which others will use after it.
    const { signal: _, ...rest } = options;
    tunnel(this.#proxy, options, this.#ended.signal).then(
      (socket) => connected(null, connect({ ...rest, socket } as object)),
      (error: Error) => connected(error, undefined as never),
    );
    return undefined;
  }

  override destroy(): void {
    this.#ended.abort();
    super.destroy();
  }
}

/** The same for a server without TLS. */
export function plainProxyAgent(proxy: URL): HttpAgent {
  const ended = new AbortController();
  class PlainProxyAgent extends plainHttp().Agent {
    override createConnection(options: Target, connected?: Connected): undefined {
      tunnel(proxy, options, ended.signal).then(
        (socket) => connected?.(null, socket),
        (error: Error) => connected?.(error, undefined as never),
      );
      return undefined;
    }

    override destroy(): void {
      ended.abort();
      super.destroy();
    }
  }
  return new PlainProxyAgent({ keepAlive: true });
}

async function tunnel(proxy: URL, { host = "", port }: Target, ended: AbortSignal): Promise<Socket> {
  using deadline = new Deadline(TUNNEL_MS, { signal: ended });
  return await openTunnel(proxy, host, Number(port), deadline.signal);
}
