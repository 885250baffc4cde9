/** A layer over the real file system that fails, or ends everything as a crash does, at the n-th operation that changes something. */
import type { FileSystem, OutputFile } from "../src/io/files/durable/file-system.ts";
import { realFileSystem } from "../src/io/files/durable/file-system.ts";

export class Fault extends Error {}

export interface FaultyFileSystem extends FileSystem {
  /** Operations so far. */
  operations(): number;
  readonly log: string[];
}

/**
 * `fail`: the n-th operation throws, all others work, as with a full disk. `crash`: the n-th write is cut in half, and
 * neither it nor anything after it happens, as if the process had been killed.
 */
export function faultyFileSystem(kind: "fail" | "crash", at: number): FaultyFileSystem {
  let count = 0;
  const log: string[] = [];

  function step<T>(name: string, run: () => T, half?: () => void): T {
    count++;
    log.push(name);
    if (count === at) {
      half?.();
      throw new Fault(`${name} was made to fail`);
    }
    if (kind === "crash" && count > at) throw new Fault(`nothing happens after the crash, not even ${name}`);
    return run();
  }
  function wrap(file: OutputFile): OutputFile {
    return {
      path: file.path,
      descriptor: file.descriptor,
      write: (bytes, position) =>
        step(
          "write",
          () => file.write(bytes, position),
          () => file.write(bytes.subarray(0, bytes.length >> 1), position),
        ),
      truncate: (size) => step("truncate", () => file.truncate(size)),
      sync: async () => step("sync", () => file.sync()),
      own: (mode, uid, gid) => step("own", () => file.own(mode, uid, gid)),
      close: () => file.close(),
    };
  }
  return {
    operations: () => count,
    log,
    makeDirectory: (path, mode) => step("makeDirectory", () => realFileSystem.makeDirectory(path, mode)),
    create: (path, mode) => wrap(step("create", () => realFileSystem.create(path, mode))),
    copy: async (descriptor, path, mode, signal) =>
      wrap(
        await step(
          "copy",
          () => realFileSystem.copy(descriptor, path, mode, signal),
          () => realFileSystem.create(path, mode).close(),
        ),
      ),
    copyTree: async (from, to, signal) =>
      step(
        "copyTree",
        () => realFileSystem.copyTree(from, to, signal),
        () => realFileSystem.makeDirectory(to, 0o700), // nothing of what it should hold
      ),
    rename: (from, to) => step("rename", () => realFileSystem.rename(from, to)),
    link: (from, to) => step("link", () => realFileSystem.link(from, to)),
    own: (path, mode, uid, gid) => step("own", () => realFileSystem.own(path, mode, uid, gid)),
    syncDirectory: (path) => step("syncDirectory", () => realFileSystem.syncDirectory(path)),
    syncTree: async (path) => step("syncTree", () => realFileSystem.syncTree(path)),
    remove: (path) =>
      kind === "crash" ? step("remove", () => realFileSystem.remove(path)) : realFileSystem.remove(path),
  };
}
