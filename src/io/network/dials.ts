/** Whether somebody accepts a TCP connection. */
import { connect } from "node:net";

const DIAL_MS = 1000;

/**
 * A name that cannot be resolved from here, and what is no URL, cannot be judged, and count as an answer: the cluster's
 * own DNS may know it.
 */
export async function dials(url: string, defaultPort: number): Promise<boolean> {
  const parsed = URL.parse(url);
  if (parsed === null) return true;
  const { hostname, port } = parsed;
  return new Promise((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(port || defaultPort) });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(DIAL_MS, () => end(false));
    socket.on("connect", () => end(true));
    socket.on("error", (error: NodeJS.ErrnoException) => end(/^E(NOTFOUND|AI_AGAIN)/.test(error.code ?? "")));
  });
}
