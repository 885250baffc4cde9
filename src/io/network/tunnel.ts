/**
 * A connection to a server through a proxy: by CONNECT of HTTP (RFC 9110, 9.3.6), to the proxy in the plain or by TLS,
 * or by SOCKS 5. A proxy that never answers is given up when the signal aborts.
 */
import { once } from "node:events";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { decodePercent } from "./decode-percent.ts";
import { hostOf } from "./http-exchange.ts";
import { openSocks } from "./socks5.ts";

/** Of the proxy; Node's codes for what it is called by. */
class ProxyFailure extends Error {
  readonly code = "EPROXY";
}

const MOST_HEADER_BYTES = 16 << 10;

/** Rejects with Node's errors of the proxy's own connection, an error of code `EPROXY` for what the proxy says, or the signal's reason. */
export async function openTunnel(proxy: URL, host: string, port: number, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const socket = dial(proxy);
  const abort = (): void => void socket.destroy(asError(signal.reason));
  signal.addEventListener("abort", abort, { once: true });
  try {
    await once(socket, proxy.protocol === "https:" ? "secureConnect" : "connect");
    if (proxy.protocol.startsWith("socks5")) await openSocks(socket, { host, port, ...loginOf(proxy) });
    else await openByConnect(socket, proxy, host, port);
    return socket;
  } catch (error) {
    socket.destroy();
    socket.on("error", () => {}); // it has failed already
    throw signal.aborted ? asError(signal.reason) : nameProxy(error, proxy);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function dial(proxy: URL): Socket {
  const host = hostOf(proxy);
  const usual = { "https:": 443, "http:": 80 }[proxy.protocol] ?? 1080;
  const port = Number(proxy.port || usual);
  if (proxy.protocol !== "https:") return connect({ host, port, noDelay: true });
  return connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }) });
}

function loginOf({ username, password }: URL): { readonly username?: string; readonly password?: string } {
  if (username === "") return {};
  return { username: decodePercent(username), password: decodePercent(password) };
}

async function openByConnect(socket: Socket, proxy: URL, host: string, port: number): Promise<void> {
  const target = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const { username, password } = loginOf(proxy);
  const login = Buffer.from(`${username}:${password}`).toString("base64");
  const authorization = username === undefined ? "" : `Proxy-Authorization: Basic ${login}\r\n`;
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${authorization}\r\n`);
  const head = await readHead(socket);
  const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(head) ?? [];
  if (status === undefined) throw new ProxyFailure("it does not speak HTTP");
  if (!status.startsWith("2")) throw new ProxyFailure(`it answers with status ${status}`);
}

/** Up to the empty line; what follows it stays in the socket. */
function readHead(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const end = (act: () => void): void => {
      socket.off("readable", read);
      socket.off("error", fail);
      socket.off("end", close);
      socket.off("close", close);
      act();
    };
    const read = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
        head = Buffer.concat([head, chunk]);
        const at = head.indexOf("\r\n\r\n");
        if (at >= 0) {
          const rest = head.subarray(at + 4);
          if (rest.length > 0) socket.unshift(rest);
          end(() => resolve(head.toString("latin1", 0, at)));
          return;
        }
        if (head.length > MOST_HEADER_BYTES) {
          end(() => reject(new ProxyFailure("its answer has no end")));
          return;
        }
      }
    };
    const fail = (error: Error): void => end(() => reject(error));
    const close = (): void => end(() => reject(new ProxyFailure("it closes the connection")));
    socket.on("readable", read);
    socket.on("error", fail);
    socket.on("end", close);
    socket.on("close", close);
    read();
  });
}

/** It is the proxy that fails, and not the server behind it. */
function nameProxy(error: unknown, proxy: URL): Error {
  const failure = asError(error);
  const code = (failure as NodeJS.ErrnoException).code;
  const what = failure instanceof ProxyFailure ? failure.message : (code ?? failure.message);
  return Object.assign(new Error(`proxy ${proxy.host}: ${what}`, { cause: error }), {
    code: "EPROXY",
    proxy: proxy.host,
    proxyCode: what,
  });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
