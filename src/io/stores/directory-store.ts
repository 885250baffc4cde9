/** A directory as a store: a disk, or a network file system that has hard links. */
import { constants } from "node:fs";
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { fromSystemError, systemCode } from "../../errors/system-error.ts";
import { removeFile, STAGED, writeOnce } from "../files/durable/write-once.ts";
import type { ByteRange, Store, StoredObject } from "./store.ts";

const CHUNK = 1 << 20;

/** Makes the directory with the first object. */
export function openDirectoryStore(path: string): Store {
  const at = (name: string): string => join(path, name);
  return {
    url: path,
    exclusive: true,
    async *list(prefix, after = "") {
      const folder = prefix.endsWith("/") ? prefix : dirname(prefix);
      const names =
        prefix === "" ? await allNames(path) : (await namesIn(at(folder))).map((name) => join(folder, name));
      for (const name of names.sort()) {
        if (!name.startsWith(prefix) || name <= after) continue;
        const found = await statOf(at(name), name);
        if (found !== undefined) yield found;
      }
    },
    async folders() {
      try {
        const entries = await readdir(path, { withFileTypes: true });
        return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
      } catch (error) {
        if (systemCode(error) === "ENOENT") return [];
        throw fromSystemError(error, "read directory", path);
      }
    },
    async read(name, range) {
      const file = await openForReading(at(name));
      try {
        const { size } = await file.stat();
        const { from, size: most } = within(range, size);
        const bytes = Buffer.allocUnsafe(most);
        let done = 0;
        while (done < most) {
          const { bytesRead } = await file.read(bytes, done, most - done, from + done);
          if (bytesRead === 0) break;
          done += bytesRead;
        }
        return bytes.subarray(0, done);
      } catch (error) {
        throw fromSystemError(error, "read", at(name));
      } finally {
        await file.close();
      }
    },
    async *stream(name) {
      const file = await openForReading(at(name));
      try {
        const buffer = Buffer.allocUnsafeSlow(CHUNK);
        for (let position = 0; ; ) {
          const { bytesRead } = await file.read(buffer, 0, CHUNK, position);
          if (bytesRead === 0) return;
          position += bytesRead;
          yield buffer.subarray(0, bytesRead);
        }
      } catch (error) {
        throw fromSystemError(error, "read", at(name));
      } finally {
        await file.close();
      }
    },
    create: (name, bytes) => writeOnce(at(name), bytes),
    async upload(name, content) {
      if (await writeOnce(at(name), content)) return;
      throw new MendError("already-exists", `"${at(name)}" exists already`, { where: at(name) });
    },
    async remove(name) {
      await removeFile(at(name));
      return "removed";
    },
    close: async () => {},
  };
}

function within(range: ByteRange | undefined, size: number): ByteRange {
  if (range === undefined) return { from: 0, size };
  return { from: range.from, size: Math.max(0, Math.min(range.size, size - range.from)) };
}

/** Of all files, with the folders that they are in. */
async function allNames(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true, recursive: true });
    const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith(STAGED));
    return files.map((entry) => relative(path, join(entry.parentPath, entry.name)));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw fromSystemError(error, "read directory", path);
  }
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).filter((name) => !name.startsWith(STAGED));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw fromSystemError(error, "read directory", path);
  }
}

/** Undefined for what is no file, or went meanwhile. */
async function statOf(path: string, name: string): Promise<StoredObject | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? { name, size: found.size, modified: found.mtimeMs } : undefined;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw fromSystemError(error, "look at", path);
  }
}

/** What is no file, such as a pipe, holds nobody up. */
async function openForReading(path: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw fromSystemError(error, "open", path);
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new MendError("not-a-file", `"${path}" is not a regular file`, {
    where: path,
    hint: "find out who made it, and remove it",
  });
}
