import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { ClusterApi } from "./cluster-api.ts";

const NO_CREDENTIALS = {
  source: "test",
  insecure: false,
  ca: undefined,
  serverName: undefined,
  certificate: undefined,
  key: undefined,
  token: undefined,
  proxy: undefined,
};

test("a deletion's options reach the server, and the connection stays good for the next request", async () => {
  const seen: { readonly method: string | undefined; readonly body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    seen.push({ method: request.method, body });
    const name = request.url!.split("/").at(-1)!;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default" } }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const api = new ClusterApi({ ...NO_CREDENTIALS, server: url });
    await api.delete("/api/v1/namespaces/default/pods/a", { propagationPolicy: "für" });
    await api.get("/api/v1/namespaces/default/pods/b");
    expect(seen).toEqual([
      { method: "DELETE", body: '{"propagationPolicy":"für"}' },
      { method: "GET", body: "" },
    ]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

/** Runs something against a server of plain HTTP that answers so. */
async function against(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  use: (api: ClusterApi) => Promise<void>,
): Promise<void> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    await use(new ClusterApi({ ...NO_CREDENTIALS, server: url }));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("a server that is too busy is asked again; one that refuses an eviction is not", async () => {
  let [busy, refused] = [0, 0];
  const refusal = {
    kind: "Status",
    reason: "TooManyRequests",
    message: "no",
    details: { causes: [{ reason: "DisruptionBudget" }] },
  };
  const eviction = "/api/v1/namespaces/default/pods/a/eviction";
  await against(
    (request, response) => {
      response.setHeader("content-type", "application/json");
      if (request.url === eviction) {
        refused++;
        response.writeHead(429, { "retry-after": "0" }).end(JSON.stringify(refusal));
      } else if (++busy < 3) response.writeHead(429, { "retry-after": "0", "content-type": "text/plain" }).end("busy");
      else response.end('{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}');
    },
    async (api) => {
      expect(await api.get("/api/v1/namespaces/default/pods/a")).toMatchObject({ kind: "Pod" });
      expect(busy).toBe(3);
      const error = await api.create(eviction, {}).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ status: 429, serverMessage: "no", causes: ["DisruptionBudget"] });
      expect(refused).toBe(1);
    },
  );
});

test("a list is read page by page, and again where it has changed too much", async () => {
  const seen: string[] = [];
  await against(
    (request, response) => {
      const url = new URL(request.url!, "http://x");
      seen.push(url.search);
      const next = url.searchParams.get("continue");
      if (next === "b" && seen.length === 2) {
        response.writeHead(410, { "content-type": "application/json" });
        response.end('{"kind":"Status","reason":"Expired","message":"too old"}');
        return;
      }
      const items = [{ metadata: { name: next ?? "a" } }];
      const metadata = { resourceVersion: "7", ...(next === null && { continue: "b" }) };
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ apiVersion: "v1", kind: "PodList", metadata, items }));
    },
    async (api) => {
      const { items, resourceVersion } = await api.list("/api/v1/pods?labelSelector=x", undefined, 1);
      expect(items.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual(["Pod a", "Pod b"]);
      expect(resourceVersion).toBe("7");
      const [first, second] = ["?labelSelector=x&limit=1", "?labelSelector=x&limit=1&continue=b"];
      expect(seen).toEqual([first, second, first, second]);
      seen.length = 0;
      expect((await api.list("/api/v1/pods?limit=1")).items).toHaveLength(1);
      expect(seen).toEqual(["?limit=1"]);
    },
  );
});

test("a watch may begin with what the server has in memory, and never goes back to that after a gap", async () => {
  const lists: string[] = [];
  await against(
    (request, response) => {
      const url = new URL(request.url!, "http://x");
      response.setHeader("content-type", "application/json");
      if (url.searchParams.get("watch") === "true") {
        response.end('{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n');
        return;
      }
      lists.push(url.search);
      const metadata = { resourceVersion: String(lists.length) };
      response.end(JSON.stringify({ apiVersion: "v1", kind: "PodList", metadata, items: [] }));
    },
    async (api) => {
      const stop = new AbortController();
      let listed = 0;
      for await (const event of api.watch("/api/v1/pods?fieldSelector=x", stop.signal, { fromCache: true })) {
        expect(event.type).toBe("listed");
        if (++listed === 2) break;
      }
      expect(lists).toEqual(["?fieldSelector=x&resourceVersion=0&limit=500", "?fieldSelector=x&limit=500"]);
    },
  );
});

test("of a list in pages only what is picked is kept, and each page is reported", async () => {
  await against(
    (request, response) => {
      const next = new URL(request.url!, "http://x").searchParams.get("continue");
      const metadata = { resourceVersion: "7", ...(next === null && { continue: "b" }) };
      response.setHeader("content-type", "application/json");
      const items = [{ metadata: { name: next ?? "a" } }];
      response.end(JSON.stringify({ apiVersion: "v1", kind: "PodList", metadata, items }));
    },
    async (api) => {
      let pages = 0;
      const comesAlong = () => void pages++;
      const { items } = await api.listEach("/api/v1/pods", ({ metadata }) => metadata.name, { comesAlong });
      expect(items).toEqual(["a", "b"]);
      expect(pages).toBe(2);
    },
  );
});
