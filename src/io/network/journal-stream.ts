/**
 * Lines to systemd's journal, by the socket that takes the output of services. Source: `sd_journal_stream_fd(3)` and
 * systemd's journald-stream.c (a header of seven lines, then a message a line).
 */
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { MendError } from "../../errors/errors.ts";

const SOCKET = "/run/systemd/journal/stdout";
const TIMEOUT_MS = 2000;
const INFORMATIONAL = 6;

export interface Journal {
  /** Resolves when the journal has taken the line. Throws `unsupported` where there is none. */
  append(line: string): Promise<void>;
  close(): Promise<void>;
}

/** `identifier` is what `journalctl -t` finds the lines by. Connects with the first line. */
export function openJournal(identifier: string, path = SOCKET): Journal {
  let socket: Promise<Socket> | undefined;
  return {
    async append(line) {
      socket ??= connect(path, identifier);
      const open = await socket;
      await new Promise<void>((resolve, reject) => {
        open.write(`${line}\n`, (error) => (error == null ? resolve() : reject(unwritable(path, error))));
      });
    },
    async close() {
      const open = await socket?.catch(() => undefined);
      if (open === undefined || open.destroyed) return;
      const ended = once(open, "close");
      open.end();
      open.resume();
      setTimeout(() => open.destroy(), TIMEOUT_MS).unref();
      await ended;
    },
  };
}

async function connect(path: string, identifier: string): Promise<Socket> {
  const socket = createConnection(path);
  socket.on("error", () => {}); // a failed write says it
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    socket.destroy();
    throw unwritable(path, error);
  }
  // Identifier, unit, priority, level prefixes in the lines, and whether it forwards to syslog, to the kernel and to consoles.
  socket.write(`${identifier}\n\n${INFORMATIONAL}\n0\n0\n0\n0\n`);
  return socket;
}

function unwritable(path: string, cause: unknown): MendError {
  return new MendError("unsupported", `systemd's journal does not answer at "${path}"`, {
    where: path,
    hint: "name a file instead, in KUBEMEND_AUDIT_LOG",
    cause,
  });
}
