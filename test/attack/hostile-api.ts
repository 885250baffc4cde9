/** A server that stands where an API server should, and misbehaves in one way. Plain HTTP. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { type HostileServer, listenHostile } from "./hostile-server.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
type Speech = (socket: Socket) => void;

const JSON_TYPE = { "content-type": "application/json" };

function every(
  milliseconds: number,
  response: { on(event: "close", done: () => void): unknown },
  run: () => void,
): void {
  const timer = setInterval(run, milliseconds);
  response.on("close", () => clearInterval(timer));
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, JSON_TYPE).end(typeof value === "string" ? value : JSON.stringify(value));
}

function isWatch({ url = "" }: IncomingMessage): boolean {
  return url.includes("watch=true");
}

/** `/api/v1/pods` gives `PodList`. */
function listKind({ url = "" }: IncomingMessage): string {
  const one = url.split("?")[0]!.split("/").at(-1)!.replace(/s$/, "");
  return `${one[0]?.toUpperCase() ?? ""}${one.slice(1)}List`;
}

function emptyList(request: IncomingMessage): object {
  return { kind: listKind(request), apiVersion: "v1", metadata: { resourceVersion: "1" }, items: [] };
}

/** By HTTP. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  "headers-only": (_, response) => {
    response.writeHead(200, JSON_TYPE);
    response.flushHeaders();
  },
  drip: (_, response) => {
    response.writeHead(200, JSON_TYPE).write("{");
    every(200, response, () => response.write(" "));
  },
  endless: (_, response) => {
    response.writeHead(200, JSON_TYPE);
    const block = Buffer.alloc(1 << 16, 0x20);
    const go = (): void => {
      while (!response.destroyed && response.write(block));
    };
    response.on("drain", go);
    go();
  },
  "login page": (_, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<html><body>Please log in</body></html>");
  },
  "login page as JSON": (_, response) => void response.writeHead(200, JSON_TYPE).end("<html>Please log in</html>"),
  "load balancer without servers": (_, response) => {
    response.writeHead(503, { "content-type": "text/html" }).end("<html>No server is available</html>");
  },
  "not found page": (_, response) => {
    response.writeHead(404, { "content-type": "text/html" }).end("<html>Not found</html>");
  },
  redirect: (request, response) => {
    response.writeHead(302, { location: `http://127.0.0.1:1${request.url}?token=SECRET` }).end();
  },
  "redirect that keeps the method": (request, response) => {
    response.writeHead(307, { location: `http://127.0.0.1:1${request.url}` }).end();
  },
  "no content": (_, response) => void response.writeHead(204).end(),
  empty: (_, response) => json(response, ""),
  "an empty object": (_, response) => json(response, {}),
  null: (_, response) => json(response, "null"),
  "an array": (_, response) => json(response, "[]"),
  text: (_, response) => json(response, '"x"'),
  "deep arrays": (_, response) => json(response, "[".repeat(500_000)),
  "deep objects": (_, response) => json(response, `${'{"items":'.repeat(100_000)}1${"}".repeat(100_000)}`),
  "another kind": (request, response) => json(response, { ...emptyList(request), kind: "ThingList" }),
  "another version": (request, response) => json(response, { ...emptyList(request), apiVersion: "other/v1" }),
  "a list that continues for ever": (request, response) => {
    const items = [{ metadata: { name: "x", namespace: "default" } }];
    json(response, { ...emptyList(request), metadata: { resourceVersion: "1", continue: "again" }, items });
  },
  "items that are none": (request, response) =>
    json(response, { ...emptyList(request), items: [null, 1, "x", {}, { metadata: { name: 5 } }] }),
  "items that are no list": (request, response) => json(response, { ...emptyList(request), items: { a: 1 } }),
  "no items": (request, response) => json(response, { ...emptyList(request), items: undefined }),
  prototypes: (request, response) =>
    json(
      response,
      `{"kind":"${listKind(request)}","apiVersion":"v1","metadata":{"resourceVersion":"1","__proto__":{"x":1}},"items":[{"metadata":{"name":"__proto__","namespace":"constructor","labels":{"__proto__":"x"}},"__proto__":{"spec":{"nodeName":"a"}}}]}`,
    ),
  "cut short": (_, response) => {
    response.writeHead(200, { ...JSON_TYPE, "content-length": "5000" });
    response.write('{"kind":"PodList","apiVersion":"v1","items":[', () => response.destroy());
  },
  "cut between chunks": (request, response) => {
    response.writeHead(200, JSON_TYPE);
    response.write(JSON.stringify(emptyList(request)), () => response.destroy());
  },
  "too busy": (_, response) => {
    response.writeHead(429, { "retry-after": "30", "content-type": "text/plain" }).end("Too many requests");
  },
  "server error": (_, response) => {
    response
      .writeHead(500, JSON_TYPE)
      .end(JSON.stringify({ message: "\u001b]0;PWNED\u0007\u001b[31mred", reason: "\u001b[5m" }));
  },
  "forbidden by somebody": (_, response) => {
    response.writeHead(403, { "content-type": "text/html" }).end("<html>Forbidden</html>");
  },
};

/** By what goes over the connection. */
const SPEECHES: Readonly<Record<string, Speech>> = {
  silent: () => {},
  garbage: (socket) => void socket.write(Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256))),
  "closes at once": (socket) => void socket.destroy(),
  "headers without end": (socket) => {
    socket.write("HTTP/1.1 200 OK\r\nX: ");
    every(50, socket, () => socket.write("a".repeat(100)));
  },
  "huge headers": (socket) => {
    socket.write("HTTP/1.1 200 OK\r\n");
    for (let i = 0; i < 500; i++) socket.write(`X-${i}: ${"a".repeat(1000)}\r\n`);
  },
  ssh: (socket) => void socket.write("SSH-2.0-OpenSSH_9\r\n"),
  "a length that cannot be": (socket) =>
    void socket.write(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    ),
};

export const HOSTILE_API: readonly string[] = [...Object.keys(ANSWERS), ...Object.keys(SPEECHES)];

/** `well` answers what the misbehaviour is not for; without it, everything is answered badly. */
export async function startHostileApi(
  mode: string,
  well?: (request: IncomingMessage, response: ServerResponse) => boolean,
): Promise<HostileServer> {
  const speech = SPEECHES[mode];
  const answer = ANSWERS[mode] ?? WATCH_ANSWERS[mode];
  let server: Server;
  if (speech !== undefined) {
    server = createTcpServer((socket) => socket.once("data", () => speech(socket)));
  } else {
    server = createServer((request, response) => {
      request.resume();
      response.on("error", () => {});
      if (well?.(request, response) !== true) answer!(request, response);
    });
  }
  return listenHostile(server, "request");
}

/** Lists are answered; their watches misbehave. */
const WATCH_ANSWERS: Readonly<Record<string, Answer>> = {
  "watches that end at once": (request, response) => {
    if (isWatch(request)) response.writeHead(200, JSON_TYPE).end();
    else json(response, emptyList(request));
  },
  "watches of garbage": (request, response) => {
    if (isWatch(request)) response.writeHead(200, JSON_TYPE).end("not json\n");
    else json(response, emptyList(request));
  },
  "watches of no events": (request, response) => {
    if (isWatch(request)) response.writeHead(200, JSON_TYPE).end('{"type":"ADDED"}\nnull\n5\n');
    else json(response, emptyList(request));
  },
  "watches that are gone": (request, response) => {
    if (isWatch(request)) response.writeHead(410, JSON_TYPE).end('{"kind":"Status","code":410}');
    else json(response, emptyList(request));
  },
  "watches of errors": (request, response) => {
    if (isWatch(request)) response.writeHead(200, JSON_TYPE).end('{"type":"ERROR","object":{"code":410}}\n');
    else json(response, emptyList(request));
  },
};

export const HOSTILE_WATCHES: readonly string[] = Object.keys(WATCH_ANSWERS);
