/** The few system calls that writing assets needs, behind one interface: tests make the n-th of them fail, or be the last before a crash. */
import { randomBytes } from "node:crypto";
import { lstat, mkdir, open, readdir, realpath, rename, rm } from "node:fs/promises";

export interface AssetDisk {
  /** `missing` also where a part of the path is not there. Symbolic links are not followed. */
  kindOf(path: string): Promise<"missing" | "directory" | "file" | "other">;
  /** Names of everything in a directory, sorted. */
  list(path: string): Promise<readonly string[]>;
  /** The path without symbolic links. */
  resolve(path: string): Promise<string>;
  makeDirectory(path: string): Promise<void>;
  /** With everything above it that is not there. */
  makeParents(path: string): Promise<void>;
  /** A new file; throws where there is one already. */
  create(path: string, mode: number): Promise<OpenFile>;
  /** The file's bytes in parts. */
  read(path: string): AsyncIterable<Uint8Array>;
  rename(from: string, to: string): Promise<void>;
  /** The directory's own entries reach the disk. */
  syncDirectory(path: string): Promise<void>;
  /** With everything in it; nothing there is no error. */
  remove(path: string): Promise<void>;
  /** Something that no other run uses in a name. */
  uniqueName(): string;
}

export interface OpenFile {
  write(bytes: Uint8Array): Promise<void>;
  /** The file's bytes reach the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export const assetDisk: AssetDisk = {
  async kindOf(path) {
    try {
      const found = await lstat(path);
      return found.isDirectory() ? "directory" : found.isFile() ? "file" : "other";
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return "missing";
      throw error;
    }
  },
  list: async (path) => (await readdir(path)).sort(),
  resolve: (path) => realpath(path),
  makeDirectory: (path) => mkdir(path, { mode: 0o700 }),
  async makeParents(path) {
    await mkdir(path, { recursive: true });
  },
  async create(path, mode) {
    const file = await open(path, "wx", mode);
    return {
      async write(bytes) {
        for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
      },
      sync: () => file.sync(),
      close: () => file.close(),
    };
  },
  async *read(path) {
    const file = await open(path, "r");
    try {
      const buffer = new Uint8Array(1 << 20);
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length);
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  },
  rename: (from, to) => rename(from, to),
  async syncDirectory(path) {
    const directory = await open(path, "r");
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
  remove: (path) => rm(path, { recursive: true, force: true }),
  uniqueName: () => `${process.pid}-${randomBytes(4).toString("hex")}`,
};
