/** The disk of a simulated node: real files, on a layer that can be full or slow, and whose writer can die at any change. */
import { existsSync } from "node:fs";
import { MendError } from "../../../src/errors/errors.ts";
import { type FileSystem, type OutputFile, realFileSystem } from "../../../src/io/files/durable/file-system.ts";
import { pause } from "./virtual-time.ts";

/** The process that was writing is gone. */
export class Died extends Error {}

export class Disk {
  isFull = false;
  /** Virtual milliseconds for a flush. */
  flush = 2;
  /** Changes until whoever writes dies; undefined where nobody does. */
  #left: number | undefined;
  /** Counts up with each change: what was read before is still so while it stays. */
  changes = 0;

  dieAfter(changes: number): void {
    this.#left = changes;
  }

  /** What one process sees of it: once it has died, it changes nothing any more. */
  mount(): FileSystem {
    let isDead = false;
    const change = <T>(run: () => T, isGrowth = false): T => {
      if (isDead) throw new Died("the process is gone");
      if (this.#left !== undefined && this.#left-- <= 0) {
        this.#left = undefined;
        isDead = true;
        throw new Died("the process was killed");
      }
      if (isGrowth && this.isFull) throw new MendError("no-space", "the disk is full");
      this.changes++;
      return run();
    };
    const wrap = (file: OutputFile): OutputFile => ({
      path: file.path,
      descriptor: file.descriptor,
      write: (bytes, position) => change(() => file.write(bytes, position), true),
      truncate: (size) => change(() => file.truncate(size)),
      sync: async () => {
        await pause(this.flush);
        change(() => {});
      },
      own: (mode, uid, gid) => change(() => file.own(mode, uid, gid)),
      close: () => file.close(),
    });
    return {
      ...realFileSystem,
      makeDirectory: (path, mode) => change(() => realFileSystem.makeDirectory(path, mode), !existsSync(path)),
      create: (path, mode) => wrap(change(() => realFileSystem.create(path, mode), true)),
      rename: (from, to) => change(() => realFileSystem.rename(from, to)),
      link: (from, to) => change(() => realFileSystem.link(from, to)),
      own: (path, mode, uid, gid) => change(() => realFileSystem.own(path, mode, uid, gid)),
      syncDirectory: () => change(() => {}),
      syncTree: async () => change(() => {}),
      remove: (path) => change(() => realFileSystem.remove(path)),
    };
  }
}
