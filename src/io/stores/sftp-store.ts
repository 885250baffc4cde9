/**
 * SFTP: `sftp://USER@HOST:PORT/PATH`, or `/~/PATH` from the home directory. The objects are files, written as those of
 * a directory are: beside their name, flushed to the disk, and then linked to it, which fails where there is one
 * already. `KUBEMEND_SSH` names another program than `ssh`, with its options.
 */
import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MendError } from "../../errors/errors.ts";
import { withoutLogin } from "../../errors/secret.ts";
import { ABANDONED_MS, STAGED } from "../files/durable/write-once.ts";
import { decodePercent } from "../network/decode-percent.ts";
import { inParts } from "./in-parts.ts";
import { openSftp, type SftpConnection, SftpLost, SftpStatus, type SftpTarget } from "./sftp-connection.ts";
import { type FileAttributes, OPEN, REQUEST, readAttributes, STATUS } from "./sftp-packets.ts";
import { lostText, sftpRefusal } from "./sftp-refusal.ts";
import type { ByteRange, Store, StoredObject } from "./store.ts";
import type { StoreOptions } from "./store-options.ts";

const TRIES = 5;
const FIRST_WAIT_MS = 200;
const READ_BYTES = 8 << 20;
const PART_BYTES = 8 << 20;
/** What every server takes in one request, and how many are on their way at once. */
const PIECE_BYTES = 32 << 10;
const AT_ONCE = 64;

const LINK = "hardlink@openssh.com";
const SYNC = "fsync@openssh.com";
const SPACE = "statvfs@openssh.com";

const FILE_TYPE = 0o170000;
const REGULAR = 0o100000;
const DIRECTORY = 0o040000;

export async function openSftpStore(url: URL, { env, signal }: StoreOptions): Promise<Store> {
  const target = targetOf(url, env);
  const path = decodePercent(url.pathname).replace(/\/+$/, "");
  const shown = `sftp://${url.username === "" ? "" : `${url.username}@`}${url.host}${path}`;
  const base = path.replace(/^\/~(?:\/|$)/, "");
  const at = (name: string): string => (base === "" && path !== "" ? name : `${base}/${name}`);

  let current: Promise<SftpConnection> | undefined;
  async function connection(): Promise<SftpConnection> {
    const known = await current?.catch(() => undefined);
    if (known?.isOpen === true) return known;
    current = openSftp(target, signal);
    return await current;
  }

  /** Tries again where the connection was lost. */
  async function withServer<T>(name: string, work: (server: SftpConnection) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      try {
        return await work(await connection());
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof SftpStatus) throw sftpRefusal(error, `${shown}/${name}`);
        if (!(error instanceof SftpLost)) throw error;
        const { isFinal, make } = lostText(error, shown);
        if (isFinal || attempt === TRIES) throw make();
      }
      const wait = FIRST_WAIT_MS * 2 ** (attempt - 1) * (0.5 + Math.random());
      await sleep(wait, undefined, signal === undefined ? {} : { signal });
    }
  }

  async function* filesIn(server: SftpConnection, folder: string, deep: boolean): AsyncGenerator<StoredObject> {
    for (const { name, attributes } of await readDirectory(server, at(folder))) {
      const full = posix.join(folder, name);
      const type = attributes.mode & FILE_TYPE;
      if (type === DIRECTORY && deep) yield* filesIn(server, full, deep);
      if (type === REGULAR) yield { name: full, size: attributes.size, modified: attributes.modified };
    }
  }

  async function readRange(name: string, range: ByteRange | undefined): Promise<Buffer> {
    return await withServer(name, async (server) => {
      const handle = await openHandle(server, REQUEST.open, at(name), OPEN.read, 0);
      try {
        const { size } = readAttributes((await server.request(REQUEST.fstat, handle)).fields);
        const from = range?.from ?? 0;
        const most = Math.max(0, Math.min(range?.size ?? size, size - from));
        return await readBytes(server, handle, from, most);
      } finally {
        await closeHandle(server, handle);
      }
    });
  }

  const swept = new Set<string>();

  /**
   * Each part is written again where the connection was lost, to the same place of the same file. False where there is
   * an object of that name already.
   */
  async function write(name: string, parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<boolean> {
    const final = at(name);
    const random = randomBytes(6).toString("hex");
    const staged = posix.join(posix.dirname(final), `${STAGED}${posix.basename(final)}-${random}`);
    let size = 0;
    try {
      for await (const part of parts) {
        await withServer(name, (server) => named(server, () => writeAt(server, staged, size, part)));
        size += part.length;
      }
      return await withServer(name, (server) => named(server, () => publish(server, staged, final, size)));
    } finally {
      // No listing shows it; where the connection is gone it stays.
      const server = await connection().catch(() => undefined);
      await server?.request(REQUEST.remove, staged).catch(() => {});
    }
  }

  /** Says `no-space` where that is why something failed. */
  async function named<T>(server: SftpConnection, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SftpStatus)) throw error;
      if (error.status === STATUS.noSuchFile) {
        throw new MendError("store-refused", `"${shown}" cannot be written: a directory of it cannot be made`, {
          where: shown,
          hint: "check what there is of the path on the server",
        });
      }
      if (!(await isFull(server, base || "."))) throw error;
      throw new MendError("no-space", `"${shown}" has no space left`, {
        where: shown,
        hint: "free some space, or prune",
      });
    }
  }

  /** Flushes the file and gives it its name. False where that name is taken. */
  async function publish(server: SftpConnection, staged: string, final: string, size: number): Promise<boolean> {
    if (!server.extensions.has(LINK)) {
      throw new MendError("unsupported", `the SFTP server of "${shown}" cannot make hard links`, {
        where: shown,
        hint: "use OpenSSH's SFTP server, on a file system with hard links",
      });
    }
    const handle = await openHandle(server, REQUEST.open, staged, OPEN.write, 0);
    let modified = 0;
    try {
      const attributes = readAttributes((await server.request(REQUEST.fstat, handle)).fields);
      if (attributes.size !== size) throw new SftpLost(`the server holds ${attributes.size} of ${size} bytes`);
      modified = attributes.modified;
      if (server.extensions.has(SYNC)) await server.request(REQUEST.extended, SYNC, handle);
    } finally {
      await closeHandle(server, handle);
    }
    await removeAbandoned(server, posix.dirname(final), modified);
    try {
      await server.request(REQUEST.extended, LINK, staged, final);
      return true;
    } catch (error) {
      if (error instanceof SftpStatus && (await sizeOf(server, final)) !== undefined) return false;
      throw error;
    }
  }

  /** What runs that were killed have left in a folder, once a run. `now` is the server's time. */
  async function removeAbandoned(server: SftpConnection, folder: string, now: number): Promise<void> {
    if (swept.has(folder)) return;
    swept.add(folder);
    for (const { name, attributes } of await tolerant(readAll(server, folder), [])) {
      const isOld = attributes.modified > 0 && now - attributes.modified > ABANDONED_MS;
      if (!name.startsWith(STAGED) || !isOld) continue;
      await tolerant(server.request(REQUEST.remove, posix.join(folder, name)), undefined);
    }
  }

  /** What the server refuses here, to whoever may only add or because it went meanwhile, is not in the way. */
  function tolerant<T, D>(work: Promise<T>, otherwise: D): Promise<T | D> {
    return work.catch((error: unknown) => {
      if (error instanceof SftpStatus) return otherwise;
      throw error;
    });
  }

  /** OpenSSH has one status for everything that has no other: whether the disk is full has to be asked. */
  async function isFull(server: SftpConnection, folder: string): Promise<boolean> {
    if (!server.extensions.has(SPACE)) return false;
    try {
      const { fields } = await server.request(REQUEST.extended, SPACE, folder);
      const [, fragment = 0, , , available = 0] = Array.from({ length: 5 }, () => fields.uint64());
      return fragment * available < PIECE_BYTES;
    } catch (error) {
      if (error instanceof SftpStatus) return false;
      throw error;
    }
  }

  return {
    url: shown,
    exclusive: true,
    async *list(prefix, after = "") {
      const folder = prefix.endsWith("/") ? prefix.slice(0, -1) : posix.dirname(prefix);
      const found = await withServer(prefix, async (server) => {
        const files: StoredObject[] = [];
        for await (const file of filesIn(server, prefix === "" ? "" : folder, prefix === "")) files.push(file);
        return files;
      });
      found.sort((a, b) => (a.name < b.name ? -1 : 1));
      for (const file of found) if (file.name.startsWith(prefix) && file.name > after) yield file;
    },
    async folders() {
      const entries = await withServer("", (server) => readDirectory(server, at("")));
      const folders = entries.filter(({ attributes }) => (attributes.mode & FILE_TYPE) === DIRECTORY);
      return folders.map(({ name }) => name).sort();
    },
    read: readRange,
    async *stream(name) {
      for (let from = 0; ; from += READ_BYTES) {
        const bytes = await readRange(name, { from, size: READ_BYTES });
        if (bytes.length > 0) yield bytes;
        if (bytes.length < READ_BYTES) return;
      }
    },
    async create(name, bytes) {
      // An earlier try may have succeeded without our learning of it.
      return (await write(name, [bytes])) || (await readRange(name, undefined)).equals(bytes);
    },
    async upload(name, content) {
      let size = 0;
      async function* counted(): AsyncGenerator<Uint8Array> {
        for await (const { part } of inParts(content, PART_BYTES)) {
          size += part.length;
          yield part;
        }
      }
      if (await write(name, counted())) return;
      // As above: the name is one that nobody else makes.
      if ((await withServer(name, (server) => sizeOf(server, at(name)))) === size) return;
      throw new MendError("already-exists", `"${shown}/${name}" exists already`, { where: `${shown}/${name}` });
    },
    async remove(name) {
      await withServer(name, async (server) => {
        try {
          await server.request(REQUEST.remove, at(name));
        } catch (error) {
          if (!(error instanceof SftpStatus && error.status === STATUS.noSuchFile)) throw error;
        }
      });
      return "removed";
    },
    close: async () => {
      (await current?.catch(() => undefined))?.close();
    },
  };
}

function targetOf(url: URL, env: StoreOptions["env"]): SftpTarget {
  if (url.hostname === "") {
    throw new MendError("usage", `"${withoutLogin(url.href)}" names no host`, {
      hint: "give an address such as sftp://USER@HOST/PATH",
    });
  }
  if (url.password !== "") {
    throw new MendError("usage", `"${withoutLogin(url.href)}" holds a password`, {
      hint: "remove it: ssh logs in with a key, from its configuration or its agent",
    });
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? undefined : url.port,
    user: url.username === "" ? undefined : decodePercent(url.username),
    program: (env.KUBEMEND_SSH || "ssh").trim().split(/\s+/),
    env,
  };
}

async function openHandle(server: SftpConnection, type: number, path: string, ...rest: number[]): Promise<Buffer> {
  return (await server.request(type, path, ...rest)).fields.bytes();
}

async function closeHandle(server: SftpConnection, handle: Uint8Array): Promise<void> {
  await server.request(REQUEST.close, handle).catch((error: unknown) => {
    if (!(error instanceof SftpLost || error instanceof SftpStatus)) throw error;
  });
}

/** Opened again for each part: what was written twice is the same. Makes the directories that are missing. */
async function writeAt(server: SftpConnection, path: string, offset: number, bytes: Uint8Array): Promise<void> {
  let handle: Buffer;
  try {
    handle = await openHandle(server, REQUEST.open, path, OPEN.write, 4, 0o600);
  } catch (error) {
    if (!(error instanceof SftpStatus && error.status === STATUS.noSuchFile)) throw error;
    await makeDirectories(server, posix.dirname(path));
    handle = await openHandle(server, REQUEST.open, path, OPEN.write, 4, 0o600);
  }
  try {
    await eachPiece(bytes.length, async (at, size) => {
      await server.request(REQUEST.write, handle, BigInt(offset + at), bytes.subarray(at, at + size));
    });
  } finally {
    await closeHandle(server, handle);
  }
}

async function makeDirectories(server: SftpConnection, path: string): Promise<void> {
  if (path === "." || path === "/" || (await sizeOf(server, path)) !== undefined) return;
  await makeDirectories(server, posix.dirname(path));
  try {
    await server.request(REQUEST.mkdir, path, 4, 0o700);
  } catch (error) {
    if (error instanceof SftpStatus && (await sizeOf(server, path)) !== undefined) return; // another has made it
    throw error;
  }
}

/** Throws {@link SftpLost} where the file has ended before its size. */
async function readBytes(server: SftpConnection, handle: Uint8Array, from: number, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(size);
  await eachPiece(size, async (at, most) => {
    for (let done = 0; done < most; ) {
      const reply = await server.request(REQUEST.read, handle, BigInt(from + at + done), most - done);
      const piece = reply.isEnd ? new Uint8Array(0) : reply.fields.bytes();
      if (piece.length === 0 || piece.length > most - done)
        throw new SftpLost(`the file ended after ${from + at + done} of ${from + size} bytes`);
      bytes.set(piece, at + done);
      done += piece.length;
    }
  });
  return bytes;
}

/** Some at once; the first failure is thrown when those that run have ended. */
async function eachPiece(size: number, work: (at: number, size: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < size) {
      const at = next;
      next += PIECE_BYTES;
      await work(at, Math.min(PIECE_BYTES, size - at));
    }
  };
  const workers = Array.from({ length: Math.min(AT_ONCE, Math.ceil(size / PIECE_BYTES)) }, worker);
  await Promise.allSettled(workers);
  await Promise.all(workers);
}

interface Entry {
  readonly name: string;
  readonly attributes: FileAttributes;
}

/** Without what is being written. */
async function readDirectory(server: SftpConnection, path: string): Promise<Entry[]> {
  return (await readAll(server, path)).filter(({ name }) => !name.startsWith(STAGED));
}

/** Empty where there is no such directory. */
async function readAll(server: SftpConnection, path: string): Promise<Entry[]> {
  let handle: Buffer;
  try {
    handle = await openHandle(server, REQUEST.opendir, path === "" ? "." : path);
  } catch (error) {
    if (error instanceof SftpStatus && error.status === STATUS.noSuchFile) return [];
    throw error;
  }
  const entries: Entry[] = [];
  try {
    for (;;) {
      const { fields, isEnd } = await server.request(REQUEST.readdir, handle);
      if (isEnd) return entries;
      for (let rest = fields.uint32(); rest > 0; rest--) {
        const name = fields.text();
        fields.bytes(); // as `ls -l` shows it
        const attributes = readAttributes(fields);
        if (name !== "." && name !== "..") entries.push({ name, attributes });
      }
    }
  } finally {
    await closeHandle(server, handle);
  }
}

/** Undefined where there is nothing of that name. */
async function sizeOf(server: SftpConnection, path: string): Promise<number | undefined> {
  try {
    return readAttributes((await server.request(REQUEST.stat, path)).fields).size;
  } catch (error) {
    if (error instanceof SftpStatus && error.status === STATUS.noSuchFile) return undefined;
    throw error;
  }
}
