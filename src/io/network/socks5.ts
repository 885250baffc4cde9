/**
 * The client's part of SOCKS 5 (RFC 1928), with user and password (RFC 1929). Names are resolved by the proxy, as Go's
 * client leaves it to it.
 */

import { isIP, type Socket } from "node:net";
import { defined } from "../../errors/defined.ts";

export interface SocksTarget {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
}

const VERSION = 5;
const NO_LOGIN = 0;
const LOGIN = 2;
const CONNECT = 1;
const [IPV4, NAME, IPV6] = [1, 3, 4];

const REPLIES: Readonly<Record<number, string>> = {
  1: "it fails",
  2: "its rules do not allow the connection",
  3: "it has no route to the network",
  4: "it has no route to the host",
  5: "nothing listens at the server",
  6: "the server does not answer it",
  7: "it cannot connect",
  8: "it does not take such addresses",
};

/** Asks for the connection over one to the proxy that is open. Throws with what the proxy says. */
export async function openSocks(socket: Socket, target: SocksTarget): Promise<void> {
  const { username, password = "" } = target;
  const method = username === undefined ? NO_LOGIN : LOGIN;
  socket.write(
    Uint8Array.of(VERSION, username === undefined ? 1 : 2, NO_LOGIN, ...(username === undefined ? [] : [LOGIN])),
  );
  const [version, chosen] = await readExactly(socket, 2);
  if (version !== VERSION) throw new Error("it does not speak SOCKS 5");
  if (chosen === LOGIN && method === LOGIN) {
    socket.write(Buffer.concat([Uint8Array.of(1), counted(defined(username)), counted(password)]));
    const [, refused] = await readExactly(socket, 2);
    if (refused !== 0) throw new Error("it does not accept the user and password");
  } else if (chosen !== NO_LOGIN) throw new Error("it requires a user and password");
  const port = Buffer.alloc(2);
  port.writeUInt16BE(target.port);
  socket.write(Buffer.concat([Uint8Array.of(VERSION, CONNECT, 0), addressOf(target.host), port]));
  const [, reply, , type] = await readExactly(socket, 4);
  if (reply !== 0) throw new Error(REPLIES[defined(reply)] ?? `it answers with ${reply}`);
  const length =
    type === IPV4 ? 4 : type === IPV6 ? 16 : type === NAME ? defined((await readExactly(socket, 1))[0]) : undefined;
  if (length === undefined) throw new Error("it does not speak SOCKS 5");
  await readExactly(socket, length + 2);
}

function counted(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length === 0 || bytes.length > 255) throw new Error("its user and password must have 1 to 255 bytes");
  return Buffer.concat([Uint8Array.of(bytes.length), bytes]);
}

function addressOf(host: string): Uint8Array {
  if (isIP(host) === 4) return Uint8Array.of(IPV4, ...host.split(".").map(Number));
  if (isIP(host) === 6) return Buffer.concat([Uint8Array.of(IPV6), ipv6Bytes(host)]);
  return Buffer.concat([Uint8Array.of(NAME), counted(host)]);
}

function ipv6Bytes(host: string): Buffer {
  // URL writes every form of an address in one way.
  const [head = "", tail] = new URL(`http://[${host}]`).hostname.slice(1, -1).split("::");
  const groups = (text: string | undefined): string[] => (text === undefined || text === "" ? [] : text.split(":"));
  const [first, last] = [groups(head), groups(tail)];
  const middle = tail === undefined ? [] : Array<string>(8 - first.length - last.length).fill("0");
  const bytes = Buffer.alloc(16);
  for (const [i, group] of [...first, ...middle, ...last].entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), i * 2);
  return bytes;
}

/** Leaves what follows in the socket. */
function readExactly(socket: Socket, size: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const end = (act: () => void): void => {
      socket.off("readable", read);
      socket.off("error", fail);
      socket.off("end", close);
      socket.off("close", close);
      act();
    };
    const read = (): void => {
      const chunk = size === 0 ? Buffer.alloc(0) : (socket.read(size) as Buffer | null);
      if (chunk === null) return;
      if (chunk.length === size) end(() => resolve(chunk));
      else close();
    };
    const fail = (error: Error): void => end(() => reject(error));
    const close = (): void => end(() => reject(new Error("it closes the connection")));
    socket.on("readable", read);
    socket.on("error", fail);
    socket.on("end", close);
    socket.on("close", close);
    read();
  });
}
