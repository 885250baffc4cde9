/** A stream of events on a WebSocket, one in a message: text where the encoding is text. RFC 6455. */
import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { type WebSocket, WebSocketServer } from "ws";
import type { Part, Sent } from "./send.ts";

export interface EventSocket {
  /** Sends all parts, no faster than the client reads. Ends early where the client has gone. */
  send(parts: Iterable<Part>): Promise<void>;
  close(): void;
  onClose(listener: () => void): void;
}

/** Clients have nothing to say here. Bytes. */
const LARGEST_MESSAGE = 4096;
/** Sent but not yet taken by the client. Bytes. */
const MOST_BUFFERED = 1 << 20;

const sockets = new WebSocketServer({
  noServer: true,
  maxPayload: LARGEST_MESSAGE,
  perMessageDeflate: false,
  handleProtocols: (protocols) => offeredProtocol(protocols) ?? false,
});

/** Tokens of browsers, which cannot set a header, come as a protocol: `base64url.bearer.authorization.k8s.io.TOKEN`. */
const BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io.";

export function isWebSocket({ headers, method }: IncomingMessage): boolean {
  return method === "GET" && headers.upgrade?.toLowerCase() === "websocket";
}

/** The token among the offered protocols, as API servers take it. */
export function protocolToken({ headers }: IncomingMessage): string | undefined {
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((each) => each.trim());
  const bearer = offered.find((each) => each.startsWith(BEARER_PROTOCOL));
  return bearer === undefined ? undefined : Buffer.from(bearer.slice(BEARER_PROTOCOL.length), "base64url").toString();
}

/** The first protocol that is no token: clients close a connection whose answer names none of theirs. */
function offeredProtocol(protocols: ReadonlySet<string>): string | undefined {
  return [...protocols].find((each) => !each.startsWith(BEARER_PROTOCOL));
}

export function acceptSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  accepted: (opened: EventSocket) => void,
): void {
  sockets.handleUpgrade(request, socket, head, (opened) => accepted(eventSocket(opened)));
}

/** Answers a request for a socket as one for a page, and ends the connection. */
export function refuseSocket(socket: Duplex, { status, headers, body }: Sent): void {
  const bytes = Buffer.concat([...body].map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
  const all = { ...headers, "content-length": String(bytes.length), connection: "close" };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n`);
  socket.end(bytes);
}

function eventSocket(opened: WebSocket): EventSocket {
  opened.on("error", () => {}); // ws closes it and says why
  const isOpen = () => opened.readyState === opened.OPEN;
  return {
    async send(parts) {
      for (const part of parts) {
        if (!isOpen()) return;
        if (part.length > 0) {
          const taken = new Promise<void>((resolve) => opened.send(part, () => resolve()));
          if (opened.bufferedAmount > MOST_BUFFERED) await taken;
        }
        await setImmediate(); // a turn for other requests
      }
    },
    close: () => opened.close(),
    onClose: (listener) => void opened.once("close", listener),
  };
}
