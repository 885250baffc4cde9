/** A server that stands where an etcd member should, and misbehaves in one way. HTTP/2 in the plain, or what is not even that. */
import { createServer, type ServerHttp2Stream } from "node:http2";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { type HostileServer, listenHostile } from "./hostile-server.ts";

type Answer = (stream: ServerHttp2Stream) => void;

const OK = { ":status": 200, "content-type": "application/grpc" } as const;

function frame(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function pour(stream: ServerHttp2Stream, bytes: Buffer): void {
  const go = (): void => {
    while (!stream.destroyed && stream.write(bytes));
  };
  stream.on("drain", go);
  go();
}

function answerWith(message: Uint8Array): Answer {
  return (stream) => {
    stream.respond(OK, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(frame(message));
  };
}

const ANSWERS: Readonly<Record<string, Answer>> = {
  "headers only": (stream) => stream.respond(OK),
  drip: (stream) => {
    stream.respond(OK);
    stream.write(Buffer.from([0, 0x03, 0, 0, 0])); // a message of 48 MiB
    const timer = setInterval(() => stream.write(Buffer.from([0])), 200);
    stream.on("close", () => clearInterval(timer));
  },
  "empty messages without end": (stream) => {
    stream.respond(OK);
    pour(stream, Buffer.concat(Array.from({ length: 5000 }, () => frame(new Uint8Array(0)))));
  },
  "a snapshot without end": (stream) => {
    stream.respond(OK);
    pour(stream, frame(Buffer.concat([Buffer.from([0x1a, 0x80, 0x80, 0x04]), Buffer.alloc(65_536, 7)])));
  },
  "a huge message": (stream) => {
    stream.respond(OK);
    stream.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]));
  },
  "a compressed message": (stream) => {
    stream.respond(OK);
    stream.write(Buffer.from([1, 0, 0, 0, 1, 0]));
  },
  reset: (stream) => {
    stream.respond(OK);
    stream.close(2);
  },
  "no trailers": (stream) => {
    stream.respond(OK);
    stream.end(frame(new Uint8Array(0)));
  },
  "two messages": (stream) => {
    stream.respond(OK);
    stream.end(Buffer.concat([frame(new Uint8Array(0)), frame(new Uint8Array(0))]));
  },
  "a login page": (stream) => {
    stream.respond({ ":status": 200, "content-type": "text/html" });
    stream.end("<html>");
  },
  redirect: (stream) => {
    stream.respond({ ":status": 302, location: "http://127.0.0.1:1/" });
    stream.end();
  },
  "a status with escapes": (stream) =>
    stream.respond({ ...OK, "grpc-status": "14", "grpc-message": "%1b]0;PWNED%07%1b[31mred" }, { endStream: true }),
  "a message of garbage": answerWith(Uint8Array.from({ length: 300 }, (_, i) => (i * 7919) % 256)),
  "an empty message": answerWith(new Uint8Array(0)),
  "negative numbers": answerWith(
    Buffer.from("08ffffffffffffffffff0110ffffffffffffffffff011a0908ffffffffffffffff7f", "hex"),
  ),
  "huge headers": (stream) => {
    try {
      stream.respond({ ...OK, x: "a".repeat(200_000) });
    } catch {
      stream.close(); // the client does not take them
    }
  },
};

const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

function flood(frames: Buffer): (socket: Socket) => void {
  return (socket) => {
    socket.write(SETTINGS);
    const timer = setInterval(() => socket.write(frames), 5);
    socket.on("close", () => clearInterval(timer));
  };
}

const repeated = (bytes: readonly number[], times: number) =>
  Buffer.concat(Array.from({ length: times }, () => Buffer.from(bytes)));

const SPEECHES: Readonly<Record<string, (socket: Socket) => void>> = {
  silent: () => {},
  garbage: (socket) => void socket.write(Buffer.from(Array.from({ length: 4000 }, (_, i) => (i * 7919) % 256))),
  "HTTP/1": (socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\nhello"),
  "closes at once": (socket) => void socket.destroy(),
  "settings without end": flood(repeated([0, 0, 0, 4, 0, 0, 0, 0, 0], 2000)),
  "pings without end": flood(repeated([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], 2000)),
  "goes away": (socket) => {
    socket.write(SETTINGS);
    socket.write(Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
  },
  "goes away without end": flood(repeated([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0], 500)),
  "a window of nothing": (socket) => void socket.write(Buffer.from([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0])),
  "a huge frame": (socket) => {
    socket.write(SETTINGS);
    socket.write(Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]));
    socket.write(Buffer.alloc(1 << 20));
  },
};

export const HOSTILE_ETCD: readonly string[] = [...Object.keys(ANSWERS), ...Object.keys(SPEECHES)];

/** `socket` is the path of a unix socket, for what stands where a container runtime should. */
export async function startHostileEtcd(mode: string, socket?: string): Promise<HostileServer> {
  let server: Server;
  const speech = SPEECHES[mode];
  if (speech !== undefined) {
    server = createTcpServer((socket) => {
      socket.once("data", () => speech(socket));
      socket.on("data", () => {});
    });
  } else {
    server = createServer({ maxHeaderListPairs: 100_000 }, undefined)
      .on("sessionError", () => {})
      .on("stream", (stream: ServerHttp2Stream) => {
        stream.on("error", () => {});
        stream.resume();
        ANSWERS[mode]!(stream);
      });
  }
  return listenHostile(server, "stream", socket);
}
