/** The way to an API server through proxies: real ones of each kind, those that ask for a password, refuse, and never answer. */
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ClusterApi } from "../src/io/api-server/cluster-api.ts";
import type { ClusterAccess } from "../src/io/api-server/kubeconfig.ts";
import { type CertificateFiles, makeCertificates } from "./etcd-certificates.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-proxies-"));
let files: CertificateFiles;
let authority: string;
beforeAll(async () => {
  files = await makeCertificates(directory, "api", { names: ["127.0.0.1", "localhost"] });
  authority = readFileSync(files.ca, "utf8");
});
afterAll(() => rmSync(directory, { recursive: true }));

const sockets = new Set<Socket>();
const servers: Server[] = [];
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const answer: RequestListener = (_, response) => {
  response.writeHead(200, { "content-type": "application/json" }).end('{"gitVersion":"v1.36.2"}');
};

const startApi = () =>
  listen(createHttpsServer({ cert: readFileSync(files.cert), key: readFileSync(files.key) }, answer));

function access(port: number, proxy: string | undefined): ClusterAccess {
  return {
    source: "test",
    server: new URL(`https://127.0.0.1:${port}`),
    ca: authority,
    serverName: undefined,
    insecure: false,
    certificate: undefined,
    key: undefined,
    token: undefined,
    proxy: proxy === undefined ? undefined : new URL(proxy),
  };
}

async function ask(own: ClusterAccess, timeout = 5000): Promise<unknown> {
  const api = new ClusterApi(own, { requestTimeoutMs: timeout });
  try {
    return await api.request("GET", "/version").catch((error: unknown) => error);
  } finally {
    api.close();
  }
}

/** CONNECT, with a password where one is given. */
function connectProxy(seen: string[], login?: string): Server {
  return createServer((client) => {
    let head = "";
    client.on("data", function read(chunk: Buffer) {
      head += chunk.toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      client.off("data", read);
      const [, target = ""] = /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(head) ?? [];
      seen.push(target);
      const given = /proxy-authorization: Basic (\S+)/i.exec(head)?.[1];
      if (login !== undefined && Buffer.from(given ?? "", "base64").toString() !== login) {
        client.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
        return;
      }
      const [host, port] = target.split(":");
      const upstream = connect(Number(port), host);
      upstream.on("error", () => client.destroy());
      client.on("error", () => upstream.destroy());
      upstream.on("connect", () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        client.pipe(upstream).pipe(client);
      });
    });
  });
}

/** SOCKS 5, as RFC 1928 has the server's part. */
function socksProxy(seen: string[], login?: string): Server {
  return createServer((client) => {
    let pending = Buffer.alloc(0);
    let step: "hello" | "login" | "target" | "open" = "hello";
    client.on("data", function read(chunk: Buffer) {
      pending = Buffer.concat([pending, chunk]);
      if (step === "hello") {
        const [, count = 0] = pending;
        if (pending.length < 2 + count) return;
        pending = pending.subarray(2 + count);
        step = login === undefined ? "target" : "login";
        client.write(Uint8Array.of(5, login === undefined ? 0 : 2));
      }
      if (step === "login") {
        if (pending.length < 2 || pending.length < 3 + pending[1]!) return;
        const name = pending.subarray(2, 2 + pending[1]!).toString();
        const start = 3 + pending[1]!;
        const password = pending.subarray(start, start + pending[start - 1]!).toString();
        pending = pending.subarray(start + pending[start - 1]!);
        step = "target";
        client.write(Uint8Array.of(1, `${name}:${password}` === login ? 0 : 1));
      }
      if (step !== "target" || pending.length < 10) return;
      const type = pending[3]!;
      const length = type === 1 ? 4 : type === 4 ? 16 : pending[4]! + 1;
      const host = type === 1 ? pending.subarray(4, 8).join(".") : pending.subarray(5, 4 + length).toString();
      const port = pending.readUInt16BE(4 + length);
      seen.push(`${host}:${port}`);
      client.off("data", read);
      step = "open";
      const upstream = connect(port, host);
      const reply = (code: number) => client.write(Uint8Array.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0));
      upstream.on("error", () => {
        reply(5);
        client.end();
      });
      client.on("error", () => upstream.destroy());
      upstream.on("connect", () => {
        reply(0);
        client.pipe(upstream).pipe(client);
      });
    });
  });
}

test("by CONNECT, with a user and a password", async () => {
  const seen: string[] = [];
  const api = await startApi();
  const proxy = await listen(connectProxy(seen, "me:p@ss"));
  expect(await ask(access(api, `http://me:p%40ss@127.0.0.1:${proxy}`))).toMatchObject({ gitVersion: "v1.36.2" });
  expect(seen).toEqual([`127.0.0.1:${api}`]);
  const refused = await ask(access(api, `http://me:SECRET@127.0.0.1:${proxy}`));
  expect(refused).toMatchObject({
    code: "api-unreachable",
    message: expect.stringContaining(`its proxy "127.0.0.1:${proxy}" gives no connection: it answers with status 407`),
  });
  expect(JSON.stringify([refused, String(refused)])).not.toContain("SECRET");
});

test("by CONNECT to a proxy that speaks TLS", async () => {
  const seen: string[] = [];
  const api = await startApi();
  const plain = connectProxy(seen);
  const tls = createTlsServer({ cert: readFileSync(files.cert), key: readFileSync(files.key) }, (socket) =>
    plain.emit("connection", socket),
  );
  const proxy = await listen(tls);
  // Its certificate is checked: this one is of an authority that the system does not know.
  expect(await ask(access(api, `https://127.0.0.1:${proxy}`))).toMatchObject({
    code: "api-unreachable",
    message: expect.stringContaining("its certificate is of an authority"),
  });
});

test.each([[undefined], ["me:password"]])("by SOCKS 5, with login %s", async (login) => {
  const seen: string[] = [];
  const api = await startApi();
  const proxy = await listen(socksProxy(seen, login));
  const user = login === undefined ? "" : `${login}@`;
  expect(await ask(access(api, `socks5://${user}127.0.0.1:${proxy}`))).toMatchObject({ gitVersion: "v1.36.2" });
  expect(seen).toEqual([`127.0.0.1:${api}`]);
  const own = access(api, `socks5://${user}127.0.0.1:${proxy}`);
  const byName = { ...own, server: new URL(`https://localhost:${api}`) };
  expect(await ask(byName)).toMatchObject({ gitVersion: "v1.36.2" });
  expect(seen.at(-1)).toBe(`localhost:${api}`); // the proxy resolves names
  const nobody = await ask({ ...own, server: new URL("https://127.0.0.1:1") });
  expect(nobody).toMatchObject({ message: expect.stringContaining("nothing listens at the server") });
});

test("by a proxy to a server without TLS", async () => {
  const seen: string[] = [];
  const api = await listen(createHttpServer(answer));
  const proxy = await listen(connectProxy(seen));
  const own = { ...access(api, `http://127.0.0.1:${proxy}`), server: new URL(`http://127.0.0.1:${api}`) };
  expect(await ask(own)).toMatchObject({ gitVersion: "v1.36.2" });
  expect(seen).toEqual([`127.0.0.1:${api}`]);
});

test.each(["http", "https", "socks5"])(
  "a proxy of %s that never answers ends in its time, and by an interruption",
  async (scheme) => {
    const proxy = await listen(createServer((socket) => void socket.resume()));
    const own = access(1, `${scheme}://127.0.0.1:${proxy}`);
    expect(await ask(own, 300)).toMatchObject({
      code: "api-unreachable",
      message: expect.stringContaining("did not answer within 0.3 s"),
    });
    const api = new ClusterApi(own, { requestTimeoutMs: 600_000 });
    const interruption = new AbortController();
    const asked = api
      .request("GET", "/version", undefined, { signal: interruption.signal })
      .catch((error: unknown) => error);
    setTimeout(() => interruption.abort(new Error("Ctrl-C")), 50);
    expect(await asked).toMatchObject({ message: "Ctrl-C" });
    api.close();
  },
);

test("a proxy that is none is named, and the server is not", async () => {
  const proxy = await listen(createServer((socket) => void socket.end("SSH-2.0-OpenSSH_9\r\n\r\n")));
  expect(await ask(access(1, `http://127.0.0.1:${proxy}`))).toMatchObject({
    message: expect.stringContaining("does not speak HTTP"),
  });
  expect(await ask(access(1, `socks5://127.0.0.1:${proxy}`))).toMatchObject({
    message: expect.stringContaining("does not speak SOCKS 5"),
  });
  expect(await ask(access(1, "http://127.0.0.1:1"))).toMatchObject({
    message:
      'cannot reach the API server at "127.0.0.1:1": its proxy "127.0.0.1:1" gives no connection: nothing listens there',
  });
});
