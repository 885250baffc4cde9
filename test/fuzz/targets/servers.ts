/**
 * What comes over the network: bytes of HTTP/2 and gRPC from an etcd, answers of an API server, and requests to
 * `serve`. Real sockets, and our real clients and server.
 */
import { once } from "node:events";
import { createServer as createHttp2 } from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import {
  decodeAddedMember,
  decodeAlarms,
  decodeHashKv,
  decodeHeader,
  decodeMemberList,
  decodeSnapshotPart,
  decodeStatus,
  decodeToken,
} from "../../../src/io/etcd/etcd-messages.ts";
import { decodeRangeAnswer } from "../../../src/io/etcd/etcd-range.ts";
import { decodeTimeToLive, decodeWatchAnswer } from "../../../src/io/etcd/etcd-watch.ts";
import { openGrpc } from "../../../src/io/network/grpc.ts";
import { decodeContainerStatus, decodeVersion } from "../../../src/io/node/container-runtime-messages.ts";
import { encodeMessage } from "../../../src/protobuf/message.ts";
import { kubemend } from "../../kubemend.ts";
import { serveFile, type TestServer } from "../../serving.ts";
import { FIXTURES, sampleValues } from "../sample-values.ts";
import { bytesOf, type FuzzTarget, textOf } from "../target.ts";
import { withoutDamage } from "../without-damage.ts";

/** An answer of etcd's with a header, and fields of each kind that the messages have. */
const ANSWER = encodeMessage((writer) => {
  writer.message(1, (header) => {
    header.varint(1, 5);
    header.varint(2, 6);
    header.varint(3, 7);
    header.varint(4, 2);
  });
  writer.bytes(2, sampleValues()[0]!.leaf);
  writer.varint(3, 4);
  writer.message(4, (member) => {
    member.varint(1, 9);
    member.bytes(2, bytesOf("m1"));
    member.bytes(3, bytesOf("http://127.0.0.1:2380"));
  });
  writer.varint(5, 1);
});

const DECODERS: Readonly<Record<string, (message: Uint8Array) => unknown>> = {
  decodeAddedMember,
  decodeAlarms,
  decodeContainerStatus,
  decodeHashKv,
  decodeHeader,
  decodeMemberList,
  decodeRangeAnswer,
  decodeSnapshotPart,
  decodeStatus,
  decodeTimeToLive,
  decodeToken,
  decodeVersion,
  decodeWatchAnswer,
};

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** What a real server of HTTP/2 sends to our client: recorded, and sent again in part or damaged. */
async function recordGrpc(): Promise<Uint8Array> {
  const etcd = createHttp2();
  etcd.on("stream", (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    const frame = Buffer.alloc(5 + ANSWER.length);
    frame.writeUInt32BE(ANSWER.length, 1);
    frame.set(ANSWER, 5);
    stream.end(frame);
  });
  const port = await listening(etcd as unknown as Server);
  const sent: Buffer[] = [];
  const proxy = createServer((socket) => {
    const upstream = connect(port, "127.0.0.1");
    upstream.on("data", (bytes) => sent.push(bytes));
    socket.pipe(upstream).pipe(socket);
    for (const each of [socket, upstream]) each.on("error", () => {});
  });
  const client = openGrpc(`http://127.0.0.1:${await listening(proxy)}`, {} as never, 2000);
  await client.call("/etcdserverpb.Maintenance/Status", new Uint8Array(0));
  client.close();
  etcd.close();
  proxy.close();
  return new Uint8Array(Buffer.concat(sent));
}

interface Replay {
  readonly port: number;
  bytes: Uint8Array;
  close(): void;
}

/** A server that sends the same bytes to whoever has said something, and ends. */
async function startReplay(): Promise<Replay> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.once("data", () => socket.end(replay.bytes));
  });
  const replay: Replay = {
    port: await listening(server),
    bytes: new Uint8Array(0),
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return replay;
}

const LIST = JSON.stringify({
  kind: "NodeList",
  apiVersion: "v1",
  metadata: { resourceVersion: "5" },
  items: [
    {
      metadata: { name: "n", uid: "u", creationTimestamp: "2026-11-29T10:42:17Z" },
      spec: {},
      status: { conditions: [{ type: "Ready", status: "True" }] },
    },
  ],
});
const HTTP = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${LIST.length}\r\n\r\n${LIST}`;

let grpc: Replay | undefined;
let api: Replay | undefined;
let served: TestServer | undefined;

const REQUESTS = [
  "GET /api/v1/pods?limit=3&labelSelector=app%3Dweb HTTP/1.1",
  "GET /api/v1/namespaces/default/pods?fieldSelector=spec.nodeName%3Da&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ HTTP/1.1",
  "GET /apis/apps/v1/deployments?watch=true&timeoutSeconds=1&resourceVersion=5 HTTP/1.1",
  "GET /at/1h/api/v1/nodes/hollow-1 HTTP/1.1",
  "GET /ui/data/search?q=web&at=5 HTTP/1.1",
  "GET /openapi/v3/apis/apps/v1 HTTP/1.1",
  "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews HTTP/1.1",
];

function requestBytes(line: string): Uint8Array {
  const body = line.startsWith("POST")
    ? '{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{}}'
    : "";
  const head = [
    line,
    "Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    "Authorization: Bearer TOKEN",
    "Host: a",
  ];
  if (body !== "") head.push("Content-Type: application/json", `Content-Length: ${body.length}`);
  return bytesOf(`${head.join("\r\n")}\r\nConnection: close\r\n\r\n${body}`);
}

/** All that comes back until the server ends the connection, or a watch continues. */
async function exchange(port: number, bytes: Uint8Array): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    answer += chunk.toString("latin1");
  });
  socket.setTimeout(100, () => socket.destroy());
  socket.write(bytes);
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
  return answer;
}

export const SERVER_TARGETS: readonly FuzzTarget[] = [
  {
    name: "messages of etcd and of the container runtime",
    kind: "bytes",
    corpus: () => [ANSWER, ANSWER.subarray(0, 10)],
    run: (bytes) => withoutDamage(Object.values(DECODERS), bytes),
  },
  {
    name: "HTTP/2 and gRPC from an etcd",
    kind: "bytes",
    share: 20,
    corpus: async () => [await recordGrpc()],
    run: async (bytes) => {
      grpc ??= await startReplay();
      grpc.bytes = bytes;
      const client = openGrpc(`http://127.0.0.1:${grpc.port}`, {} as never, 300);
      try {
        await client.call("/etcdserverpb.Maintenance/Status", new Uint8Array(0));
      } finally {
        client.close();
      }
    },
    close: () => grpc?.close(),
  },
  {
    name: "answers of an API server",
    kind: "text",
    share: 20,
    words: [
      "HTTP/1.1 500 No\r\n",
      "Content-Length: 5\r\n",
      "Transfer-Encoding: chunked\r\n",
      "items",
      "null",
      "[]",
      "{}",
      "\r\n\r\n",
      "\u001b[31m",
    ],
    corpus: () => [bytesOf(HTTP), bytesOf(HTTP.replaceAll("Node", "Pod"))],
    run: async (bytes) => {
      api ??= await startReplay();
      api.bytes = bytes;
      const { code, stdout, stderr } = await kubemend("/", [
        "node",
        "status",
        `--server=http://127.0.0.1:${api.port}`,
        "--request-timeout=300ms",
      ]);
      if (/internal error|TypeError|RangeError/.test(stderr)) throw new Error(stderr);
      if (code === 0 && stdout === "") throw new Error("done, without a word");
    },
    close: () => api?.close(),
  },
  {
    name: "requests to serve",
    kind: "text",
    share: 100,
    words: [
      "watch=true",
      "limit=-1",
      "continue=",
      "labelSelector=",
      "fieldSelector=",
      "%2F",
      "%",
      "/at/",
      "resourceVersion=",
      "../",
      "secrets",
      "&",
      "?",
      "\r\n",
      "HEAD ",
      "application/vnd.kubernetes.protobuf",
    ],
    corpus: () => REQUESTS.map(requestBytes),
    run: async (bytes) => {
      served ??= await serveFile(join(FIXTURES, "k120-broad/snapshot.db.gz"), { showSecrets: false });
      const port = Number(new URL(served.page).port);
      const answer = await exchange(
        port,
        Buffer.from(Buffer.from(bytes).toString("latin1").replace("TOKEN", served.token), "latin1"),
      );
      if (answer.includes("kubemend failed at this request")) throw new Error(answer);
      if (textOf(bytes).startsWith("GET /api/v1/secrets") && /"data":\{"[^"]/.test(answer))
        throw new Error("a secret is shown");
    },
    close: () => served?.stop(),
  },
];
