/**
 * Stands between a client and an API server and counts what the client asks for: the server's own figures count
 * kubelets and controllers as well.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import type { AddressInfo } from "node:net";
import type { ClusterAccess } from "../src/io/api-server/kubeconfig.ts";

export interface CountingProxy {
  readonly url: string;
  /** Requests by what they are, such as `get pods`, since the last call. */
  take(): Map<string, number>;
  close(): void;
}

export async function startCountingProxy(access: ClusterAccess): Promise<CountingProxy> {
  let counts = new Map<string, number>();
  const agent = new Agent({ keepAlive: true, ca: access.ca, cert: access.certificate, key: access.key });
  const server = createServer((incoming, outgoing) => {
    const what = describe(incoming);
    counts.set(what, (counts.get(what) ?? 0) + 1);
    const { host: _, ...headers } = incoming.headers;
    const sent = request(
      {
        host: access.server.hostname,
        port: access.server.port,
        agent,
        method: incoming.method,
        path: incoming.url,
        headers,
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
        outgoing.flushHeaders();
      },
    );
    sent.on("error", () => outgoing.destroy());
    outgoing.on("close", () => sent.destroy());
    incoming.pipe(sent);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take() {
      const taken = counts;
      counts = new Map();
      return taken;
    },
    close() {
      server.closeAllConnections();
      server.close();
      agent.destroy();
    },
  };
}

/** A verb as the API server would name it, and the resource: `evict pods`, `watch pods`, `get nodes`. */
function describe({ method, url }: IncomingMessage): string {
  const { pathname, searchParams } = new URL(url ?? "/", "http://x");
  const parts = pathname.split("/").filter(Boolean);
  const [group, version] = parts[0] === "apis" ? [3, parts[2]] : [2, parts[1]];
  if (version === undefined || parts.length <= group) return "discovery";
  const inNamespace = parts[group] === "namespaces" && parts.length > group + 2;
  const [resource, name, subresource] = parts.slice(inNamespace ? group + 2 : group);
  if (subresource === "eviction") return "evict pods";
  if (method !== "GET") return `${method?.toLowerCase()} ${resource}`;
  if (searchParams.get("watch") === "true" || searchParams.get("watch") === "1") return `watch ${resource}`;
  return `${name === undefined ? "list" : "get"} ${resource}`;
}
