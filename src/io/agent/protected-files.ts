/**
 * The files that `checkpoint/protected-manifest.ts` looks at, and their copies: one folder a manifest,
 * `protected-manifests/NAME/NUMBER.copy`, the highest number the newest. A copy is staged, flushed, read back and
 * renamed; one that is damaged is set aside.
 */

import { lstatSync, readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { decodeProtectedCopy, encodeProtectedCopy, type ProtectedCopy } from "../../checkpoint/protected-copy.ts";
import type { ProtectedFile } from "../../checkpoint/protected-manifest.ts";
import { defined } from "../../errors/defined.ts";
import { type Finding, MendError } from "../../errors/errors.ts";
import { fromSystemError, systemCode } from "../../errors/system-error.ts";
import { type FileSystem, realFileSystem } from "../files/durable/file-system.ts";
import { writeStaged } from "./write-staged.ts";

const FOLDER = "protected-manifests";
const COPY = /^(\d{6})\.copy$/;
/** More than a control plane's certificates ever are; what is larger is data, and not copied. */
const MOST_FILES = 500;
const MOST_BYTES = 8 << 20;
const DEEPEST = 8;
/** Where a person may have moved a manifest to: this far below the directory. */
const MOVED_DEPTH = 2;

export class ProtectedFiles {
  readonly #directory: string;
  readonly #manifests: string;
  readonly #key: Uint8Array | undefined;
  readonly #fs: FileSystem;
  /** What was read last, by path: a file that looks the same is not read again. */
  readonly #read = new Map<string, { readonly mark: string; readonly file: ProtectedFile }>();

  /** `directory` is `/etc/kubernetes`, `manifests` the kubelet's directory in it. */
  constructor(
    directory: string,
    manifests: string,
    key: Uint8Array | undefined,
    fileSystem: FileSystem = realFileSystem,
  ) {
    this.#directory = directory;
    this.#manifests = manifests;
    this.#key = key;
    this.#fs = fileSystem;
  }

  get #store(): string {
    return join(this.#directory, FOLDER);
  }

  pathOf(name: string): string {
    return join(this.#manifests, name);
  }

  /** What the kubelet would read as manifests, by name. */
  manifests(): Map<string, ProtectedFile> {
    const files = names(this.#manifests).flatMap((name): [string, ProtectedFile][] => {
      const file = name.startsWith(".") ? undefined : this.file(this.pathOf(name));
      return file === undefined ? [] : [[name, file]];
    });
    return new Map(files);
  }

  /** Undefined where there is no such file. */
  file(path: string): ProtectedFile | undefined {
    const stats = attempt("look at", path, () => statSync(path, { throwIfNoEntry: false }));
    if (stats?.isFile() !== true) return undefined;
    if (stats.size > MOST_BYTES) throw tooMuch(path);
    const mark = [stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join();
    const known = this.#read.get(path);
    if (known?.mark === mark) return known.file;
    const bytes = attempt("read", path, () => readFileSync(path));
    const file = { path, mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid, bytes };
    this.#read.set(path, { mark, file });
    return file;
  }

  /**
   * All files at paths that a pod mounts and that are in this directory, sorted by path, without the manifests and what
   * the checkpointer keeps.
   */
  mounted(hostPaths: readonly string[]): ProtectedFile[] {
    const found = new Map<string, ProtectedFile>();
    let bytes = 0;
    const walk = (path: string, depth: number): void => {
      if (this.#isOurs(path) || depth > DEEPEST) return;
      const stats = stat(path);
      if (stats?.isDirectory()) for (const name of names(path)) walk(join(path, name), depth + 1);
      const file = stats?.isFile() ? this.file(path) : undefined;
      if (file === undefined || found.has(path)) return;
      found.set(path, file);
      bytes += file.bytes.length;
      if (found.size > MOST_FILES || bytes > MOST_BYTES) throw tooMuch(path);
    };
    for (const path of hostPaths) if (path.startsWith(`${this.#directory}/`)) walk(path, 0);
    return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** The manifests' directory, the checkpointer's, and this one's own. */
  #isOurs(path: string): boolean {
    const top = defined(path.slice(this.#directory.length + 1).split("/")[0]);
    return path === this.#manifests || OURS.has(top);
  }

  /** A file elsewhere in the directory that has the content: a person moved it there. */
  findMoved(bytes: Uint8Array): string | undefined {
    const walk = (directory: string, depth: number): string | undefined => {
      for (const name of names(directory)) {
        const path = join(directory, name);
        if (this.#isOurs(path)) continue;
        const stats = stat(path);
        if (stats?.isDirectory() && depth < MOVED_DEPTH) {
          const below = walk(path, depth + 1);
          if (below !== undefined) return below;
        }
        if (
          stats?.isFile() &&
          stats.size === bytes.length &&
          Buffer.compare(defined(this.file(path)).bytes, bytes) === 0
        )
          return path;
      }
      return undefined;
    };
    return walk(this.#directory, 1);
  }

  /** Changes when copies come or go, also by another hand. */
  mark(): string {
    const folders = [this.#store, ...names(this.#store).map((name) => join(this.#store, name))];
    return folders.map((folder) => `${folder} ${stat(folder)?.mtimeMs}`).join("\n");
  }

  /** The newest whole copy of each manifest, by its name. Damaged ones are set aside with a finding. */
  load(): { readonly copies: Map<string, ProtectedCopy>; readonly findings: readonly Finding[] } {
    const copies = new Map<string, ProtectedCopy>();
    const findings: Finding[] = [];
    for (const name of names(this.#store)) {
      for (const { path } of this.#copiesOf(name)) {
        const copy = decodeProtectedCopy(
          attempt("read", path, () => readFileSync(path)),
          this.#key,
        );
        if (typeof copy === "object") {
          copies.set(name, copy);
          break;
        }
        if (copy === "locked") {
          const text = "it is encrypted with a key that was not given";
          findings.push({ level: "error", code: "manifest-copy-locked", where: path, text });
          break;
        }
        this.#fs.rename(path, `${path}.damaged`);
      }
      for (const file of names(join(this.#store, name))) {
        if (!file.endsWith(".copy.damaged")) continue;
        const text = "it is damaged, and set aside: remove it when you have seen it";
        findings.push({ level: "warning", code: "manifest-copy-damaged", where: join(this.#store, name, file), text });
      }
    }
    return { copies, findings };
  }

  /** Newest first. */
  #copiesOf(name: string): { readonly path: string; readonly number: number }[] {
    const folder = join(this.#store, name);
    const numbers = names(folder).flatMap((file) => COPY.exec(file)?.[1] ?? []);
    return numbers
      .sort()
      .reverse()
      .map((number) => ({ path: join(folder, `${number}.copy`), number: Number(number) }));
  }

  /** Writes a copy beside the earlier ones, of which so many are kept. */
  async save(name: string, copy: ProtectedCopy, generations: number): Promise<void> {
    const folder = join(this.#store, name);
    this.#fs.makeDirectory(this.#store, 0o700);
    this.#fs.makeDirectory(folder, 0o700);
    for (const left of names(folder)) if (left.startsWith(".")) this.#fs.remove(join(folder, left));
    const number = (this.#copiesOf(name)[0]?.number ?? 0) + 1;
    const path = join(folder, `${String(number).padStart(6, "0")}.copy`);
    await this.#write({ path, mode: 0o600, uid: own.uid, gid: own.gid, bytes: encodeProtectedCopy(copy, this.#key) });
    for (const old of this.#copiesOf(name).slice(generations)) this.#fs.remove(old.path);
  }

  /** Puts a file back as it was. What is there now is kept beside the copies. */
  async putBack(name: string, file: ProtectedFile): Promise<void> {
    const { path } = file;
    if (stat(path) !== undefined) {
      const folder = join(this.#store, name);
      this.#fs.makeDirectory(folder, 0o700);
      const present = this.file(path);
      const aside = join(folder, `${basename(path)}.replaced`);
      if (present !== undefined) await this.#write({ ...present, path: aside, mode: 0o600 });
    }
    this.#fs.makeDirectory(dirname(path), 0o755);
    await this.#write(file);
  }

  async #write(file: ProtectedFile): Promise<void> {
    const staged = join(dirname(file.path), `.${basename(file.path)}.partial`);
    this.#fs.remove(staged);
    await writeStaged(this.#fs, staged, file);
  }
}

/** What the checkpointer keeps there itself (`checkpoint/data-directory.ts`). */
const OURS = new Set([FOLDER, "manifests", "inactive-manifests", "checkpoint-secrets", "checkpoint-configmaps"]);
const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

function tooMuch(where: string): MendError {
  return new MendError(
    "unsupported",
    `"${where}" makes more than can be copied: expected ${MOST_FILES} files and ${MOST_BYTES >> 20} MiB at most`,
    {
      where,
      hint: "mount the files that the pod needs, not what is around them",
    },
  );
}

/** Links are followed: what counts is what the pod sees. A link to nowhere is nothing. */
function stat(path: string): Stats | undefined {
  return attempt("look at", path, () => {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    return statSync(path, { throwIfNoEntry: false });
  });
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return [];
    throw fromSystemError(error, "read", directory);
  }
}

function attempt<T>(action: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw fromSystemError(error, action, path);
  }
}
