import { once } from "node:events";
import { createServer } from "node:http";
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
    response.end("{}");
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
