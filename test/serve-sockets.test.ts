/** Watches over WebSockets: what browsers' clients of a cluster, such as Headlamp, use. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FIXTURES } from "./kubectl-tables.ts";
import { serveFile, type TestServer } from "./serving.ts";
import { watchSocket } from "./watch-socket.ts";

let served: TestServer;
let bearer: Readonly<Record<string, string>>;
beforeAll(async () => {
  served = await serveFile(join(FIXTURES, "k120-broad/snapshot.db.gz"));
  bearer = { authorization: `Bearer ${served.token}` };
});
afterAll(() => served.stop());

const PODS = "/api/v1/namespaces/shop/pods";
const HISTORY = `${PODS}?watch=1&resourceVersion=600&allowWatchBookmarks=true&timeoutSeconds=1`;

test("the events of a socket are those of the stream, one in a message", async () => {
  const streamed = await (await served.fetch(HISTORY)).text();
  const { messages } = await watchSocket(served.server, HISTORY, bearer);
  expect(messages.length).toBeGreaterThan(3);
  expect(messages.join("")).toBe(streamed);
  for (const message of messages) expect(Object.keys(JSON.parse(message))).toEqual(["type", "object"]);
});

test("plain HTTP and another moment have sockets too", async () => {
  const { origin } = new URL(served.page);
  const path = `/at/690/api/v1/watch/namespaces/shop/pods?resourceVersion=600&timeoutSeconds=1`;
  const { messages } = await watchSocket(origin, path, bearer);
  expect(messages.length).toBeGreaterThan(0);
  for (const message of messages)
    expect(Number(JSON.parse(message).object.metadata.resourceVersion)).toBeLessThanOrEqual(690);
});

test("protocols: the one that was offered is chosen, and a token may be one", async () => {
  const token = `base64url.bearer.authorization.k8s.io.${Buffer.from(served.token).toString("base64url")}`;
  const one = await watchSocket(served.server, HISTORY, {}, [token, "base64.binary.k8s.io"]);
  expect(one.protocol).toBe("base64.binary.k8s.io");
  expect(one.messages.length).toBeGreaterThan(3);
});

test("who has no token, or has it only in a cookie, gets no socket", async () => {
  const cookie = `kubemend-${new URL(served.page).port}=${served.token}`;
  for (const headers of [{}, { authorization: "Bearer wrong" }, { cookie }])
    await expect(watchSocket(served.server, HISTORY, headers)).rejects.toMatchObject({ status: 401 });
});

test("a watch that cannot be answered is refused as over HTTP", async () => {
  for (const path of [
    "/api/v1/nothings?watch=1",
    "/api/v1/pods?watch=1&fieldSelector=spec.color=red",
    "/at/never/api/v1/pods?watch=1",
    "/at/%E0%A4%A/api/v1/pods?watch=1",
  ]) {
    const plain = await served.fetch(path);
    const body = await plain.text();
    await expect(watchSocket(served.server, path, bearer)).rejects.toMatchObject({ status: plain.status, body });
  }
});

test("a request for a socket that is no watch is answered as any other", async () => {
  const exec = `${PODS}/web-0/exec?command=ls&stdout=true`;
  const refused = watchSocket(served.server, exec, bearer, ["v5.channel.k8s.io"]);
  await expect(refused).rejects.toMatchObject({ status: 405 });
});

test("clients that say too much are cut off, and the server continues", async () => {
  const { WebSocket } = await import("ws");
  const url = `${served.server.replace("https", "wss")}${PODS}?watch=1&resourceVersion=600`;
  const socket = new WebSocket(url, { headers: bearer, rejectUnauthorized: false });
  await new Promise((resolve) => socket.once("open", resolve));
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  socket.send("x".repeat(100_000));
  expect(await closed).toBe(1009);
  expect((await served.fetch("/readyz")).status).toBe(200);
});
