/**
 * Whether somebody takes TCP connections at an URL's host and port: the kernel does for a program that hangs, and
 * nobody does for a machine that is off.
 */
import { connect } from "node:net";

export function acceptsConnections(url: string, milliseconds: number): Promise<boolean> {
  const { hostname = "", port = "" } = URL.parse(url) ?? {};
  if (hostname === "" || port === "") return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(port) });
    const end = (accepted: boolean) => {
      socket.destroy();
      resolve(accepted);
    };
    socket.setTimeout(milliseconds, () => end(false));
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}
