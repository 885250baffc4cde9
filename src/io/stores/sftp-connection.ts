/**
 * A session of SFTP through the system's own `ssh`, as `sftp` starts it: with the user's configuration, keys, agent and
 * known hosts. The key of a host that is not known is never accepted, and nothing is asked on the terminal.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { encodeRequest, FieldReader, INIT, MOST_PACKET_BYTES, REPLY, SftpMalformed, STATUS } from "./sftp-packets.ts";

export interface SftpTarget {
  readonly host: string;
  readonly port: string | undefined;
  /** Undefined for whom the configuration of ssh names. */
  readonly user: string | undefined;
  /** Words of the program, such as `["ssh", "-F", "FILE"]`. */
  readonly program: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

interface SftpReply {
  readonly type: number;
  readonly fields: FieldReader;
  /** There is no more of it: a file, or a directory. */
  readonly isEnd: boolean;
}

export interface SftpConnection {
  /** Names of the extensions that the server announced. */
  readonly extensions: ReadonlySet<string>;
  readonly isOpen: boolean;
  /** Throws {@link SftpLost}, and {@link SftpStatus} for every status other than OK and the end of a file. */
  request(type: number, ...fields: (number | bigint | string | Uint8Array)[]): Promise<SftpReply>;
  close(): void;
}

/** The connection ended, or never came about. What was asked for may have been done. */
export class SftpLost extends Error {
  override readonly name = "SftpLost";
  /** What ssh said last, where it was ssh that ended. */
  readonly said: string;

  constructor(message: string, said = "") {
    super(message);
    this.said = said;
  }
}

export class SftpStatus extends Error {
  override readonly name = "SftpStatus";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** As `sftp` passes them, and no question and no unknown host. */
const OPTIONS = [
  "BatchMode=yes",
  "StrictHostKeyChecking=yes",
  "ConnectTimeout=10",
  "ServerAliveInterval=5",
  "ServerAliveCountMax=5",
  "ForwardX11=no",
  "ForwardAgent=no",
  "PermitLocalCommand=no",
  "ClearAllForwardings=yes",
].flatMap((option) => ["-o", option]);

/** Without any byte from the server while something is asked for. */
const SILENCE_MS = 30_000;

interface Pending {
  readonly resolve: (reply: SftpReply) => void;
  readonly reject: (error: Error) => void;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** Resolves when the server has answered. Throws {@link SftpLost}. */
export async function openSftp(target: SftpTarget, signal: AbortSignal | undefined): Promise<SftpConnection> {
  const { host, port, user, program, env } = target;
  const [name = "ssh", ...words] = program;
  const where = [...(port === undefined ? [] : ["-p", port]), ...(user === undefined ? [] : ["-l", user])];
  const child: Child = spawn(name, [...words, ...OPTIONS, ...where, "-s", "--", host, "sftp"], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...env },
  });
  let said = "";
  let ended: SftpLost | undefined;
  let lastId = 0;
  const pending = new Map<number, Pending>();
  const version = Promise.withResolvers<SftpReply>();
  const setUp: Pending = version;
  let isSetUp = false;

  const silence = setTimeout(() => {
    if (!isSetUp || pending.size > 0) fail(new SftpLost(`no answer for ${SILENCE_MS / 1000} s`));
  }, SILENCE_MS);
  /** An idle connection keeps no process alive. */
  function hold(isNeeded: boolean): void {
    for (const each of [child, child.stdin, child.stdout, child.stderr, silence]) {
      const handle = each as { ref?: () => void; unref?: () => void };
      if (isNeeded) handle.ref?.();
      else handle.unref?.();
    }
  }
  function fail(error: SftpLost): void {
    if (ended !== undefined) return;
    ended = error;
    clearTimeout(silence);
    signal?.removeEventListener("abort", abort);
    setUp.reject(error);
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
    child.kill("SIGTERM");
  }
  function abort(): void {
    fail(new SftpLost("interrupted"));
  }

  function take(type: number, fields: FieldReader): void {
    if (!isSetUp) {
      isSetUp = true;
      if (type !== REPLY.version) throw new SftpMalformed("the server does not begin as SFTP does");
      return void setUp.resolve({ type, fields, isEnd: false });
    }
    const id = fields.uint32();
    const waiting = pending.get(id);
    if (waiting === undefined) throw new SftpMalformed("the server answers what nobody asked");
    pending.delete(id);
    if (pending.size === 0) hold(false);
    if (type !== REPLY.status) return void waiting.resolve({ type, fields, isEnd: false });
    const status = fields.uint32();
    if (status === STATUS.ok || status === STATUS.eof)
      return void waiting.resolve({ type, fields, isEnd: status === STATUS.eof });
    waiting.reject(new SftpStatus(status, fields.isAtEnd ? `status ${status}` : fields.text()));
  }

  signal?.addEventListener("abort", abort, { once: true });
  child.on("error", (error: Error) => fail(new SftpLost(`cannot run "${name}": ${error.message}`, error.message)));
  child.on("close", () => fail(new SftpLost(said.trim().split("\n").slice(-3).join(" / ") || "ssh ended", said)));
  child.stdin.on("error", () => {}); // the end of the process says why
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  let parts: Buffer[] = [];
  let have = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    silence.refresh();
    parts.push(chunk);
    have += chunk.length;
    if (have < 4) return;
    let bytes = parts.length === 1 ? chunk : undefined;
    try {
      for (;;) {
        const first = bytes ?? parts[0];
        if (first === undefined || have < 4) break;
        if (first.length < 4) {
          bytes = Buffer.concat(parts);
          continue;
        }
        const size = first.readUInt32BE();
        if (size < 1 || size > MOST_PACKET_BYTES) throw new SftpMalformed("the server's answer is not SFTP");
        if (have < 4 + size) break;
        bytes ??= Buffer.concat(parts);
        const fields = new FieldReader(bytes.subarray(4, 4 + size));
        bytes = bytes.subarray(4 + size);
        have = bytes.length;
        take(fields.byte(), fields);
      }
      if (bytes !== undefined) parts = bytes.length === 0 ? [] : [bytes];
    } catch (error) {
      if (!(error instanceof SftpMalformed)) throw error;
      fail(new SftpLost(error.message));
    }
  });

  child.stdin.write(INIT);
  if (signal?.aborted) abort();
  const { fields } = await version.promise;
  const extensions = new Set<string>();
  fields.uint32();
  while (!fields.isAtEnd) {
    extensions.add(fields.text());
    fields.bytes();
  }
  hold(false);
  return {
    extensions,
    get isOpen() {
      return ended === undefined;
    },
    async request(type, ...given) {
      if (ended !== undefined) throw ended;
      lastId = (lastId + 1) >>> 0;
      const id = lastId;
      if (pending.size === 0) {
        silence.refresh();
        hold(true);
      }
      const { promise, resolve, reject } = Promise.withResolvers<SftpReply>();
      pending.set(id, { resolve, reject });
      child.stdin.write(encodeRequest(type, id, given));
      return await promise;
    },
    close: () => fail(new SftpLost("closed")),
  };
}
