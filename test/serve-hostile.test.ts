/** What others on the machine, and pages of other sites in a browser, can do to `serve`: nothing. */
import { once } from "node:events";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listen } from "../src/io/serve/two-protocol-server.ts";
import { createIdentity } from "../src/operations/serve/identity.ts";
import { FIXTURES } from "./kubectl-tables.ts";
import { serveFile, type TestServer } from "./serving.ts";

let server: TestServer;
beforeAll(async () => {
  server = await serveFile(join(FIXTURES, "k120-broad/snapshot.db.gz"));
}, 60_000);
afterAll(() => server.stop());

/** The status of an answer to a request with exactly these headers. */
async function status(path: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const sent = request({ host: "127.0.0.1", port: new URL(server.page).port, path, headers });
  const answered = once(sent, "response");
  sent.end();
  const [response] = (await answered) as [import("node:http").IncomingMessage];
  response.resume();
  await once(response, "end");
  return response.statusCode ?? 0;
}

const cookie = (): string => `kubemend-${new URL(server.page).port}=${server.token}`;
const PATHS = ["/api/v1/secrets", "/ui/data/overview", "/version", "/openapi/v2"];

test("a site whose name was made to lead here has no token", async () => {
  for (const path of PATHS) expect(await status(path, { host: "attacker.example:80" })).toBe(401);
});

test("the cookie counts for the page itself, not for other pages of this machine or of other sites", async () => {
  for (const path of PATHS) {
    for (const from of ["cross-site", "same-site"])
      expect([path, await status(path, { cookie: cookie(), "sec-fetch-site": from })]).toEqual([path, 401]);
    for (const from of ["same-origin", "none"])
      expect([path, await status(path, { cookie: cookie(), "sec-fetch-site": from })]).toEqual([path, 200]);
    expect([path, await status(path, { cookie: cookie() })]).toEqual([path, 200]);
  }
});

test.each([
  ["no token", {}],
  ["an empty one", { authorization: "Bearer " }],
  ["a long one", { authorization: `Bearer ${"x".repeat(8000)}` }],
  ["one that begins alike", { authorization: "Bearer TOKEN" }],
  ["a cookie of another port", { cookie: "kubemend-1=TOKEN" }],
])("%s opens nothing", async (_, headers: Readonly<Record<string, string>>) => {
  const cut = (text: string) => text.replace("TOKEN", server.token.slice(0, -1));
  for (const path of PATHS)
    expect(await status(path, Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, cut(v)])))).toBe(401);
});

test("a head without an end is refused, and others are answered", async () => {
  const socket = connect(Number(new URL(server.page).port), "127.0.0.1");
  const closed = new Promise<void>((resolve) => void socket.on("close", () => resolve()));
  socket.on("error", () => {});
  socket.write(`GET / HTTP/1.1\r\nx: ${"y".repeat(1 << 20)}`);
  socket.resume();
  await closed;
  expect((await server.fetch("/version")).status).toBe(200);
});

describe("a client that sends a byte now and then", () => {
  const patience = { start: 300, head: 300, request: 600, check: 50 };
  const listening = async () => {
    const { certificatePem, privateKeyPem } = await createIdentity("127.0.0.1", Date.now());
    const handle = (_: unknown, response: import("node:http").ServerResponse) => void response.end("answered");
    return listen({ host: "127.0.0.1", port: 0, certificatePem, privateKeyPem, handle, patience });
  };
  /** Ends when the server closes the connection. */
  const drip = async (socket: Socket, bytes: string): Promise<void> => {
    let isOpen = true;
    socket.on("error", () => {});
    socket.once("close", () => {
      isOpen = false;
    });
    socket.resume();
    while (isOpen) {
      if (bytes !== "") socket.write(bytes);
      await sleep(50);
    }
  };

  test.each([
    ["of a head", "GET / HTTP/1.1\r\n", "a: b\r\n"],
    ["of a body", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n", "x"],
    ["of a second request", "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n", "a: b\r\n"],
    ["of nothing", "", ""],
  ])("%s is cut off", async (_, first, then) => {
    const front = await listening();
    const plain = connect(front.port, "127.0.0.1");
    const secure = connectTls({ port: front.port, host: "127.0.0.1", rejectUnauthorized: false });
    for (const socket of [plain, secure]) if (first !== "") socket.write(first);
    const silent = connect(front.port, "127.0.0.1");
    silent.write(Buffer.from([0x16])); // the beginning of a handshake
    await Promise.all([drip(plain, then), ...(first === "" ? [] : [drip(secure, then)]), drip(silent, "")]);
    secure.destroy();
    await front.close();
  });
});
