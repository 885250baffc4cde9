/**
 * Checkpoints on the disk of a node. Where bootkube's checkpointer had them, so that it and kubemend can take over from
 * each other: the newest copy of a pod as `inactive-manifests/NAMESPACE-POD.json`, what runs as
 * `manifests/NAMESPACE-POD.json`, its files under `checkpoint-secrets` and `checkpoint-configmaps`. Earlier generations
 * are in `inactive-manifests/.generations`, damaged files in `inactive-manifests/.damaged`. Which of two copies is
 * newer stands in the copies, so that no moment between two steps is a wrong one: every file is staged, flushed, read
 * back and renamed.
 */
import { randomBytes } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type CheckpointId, type DataDirectory, type Generation, specOf } from "../../checkpoint/checkpoint.ts";
import type { Places } from "../../checkpoint/data-directory.ts";
import { decodeGeneration, encodeGeneration } from "../../checkpoint/generation.ts";
import { checkpointIdOf } from "../../checkpoint/parent.ts";
import type { ActiveFile } from "../../checkpoint/plan.ts";
import { type Finding, MendError } from "../../errors/errors.ts";
import { fromSystemError, systemCode } from "../../errors/system-error.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import { namespacedName } from "../../kube/names.ts";
import { type FileSystem, realFileSystem } from "../files/durable/file-system.ts";
import { readDataDirectory, writeDataDirectory } from "./data-directory.ts";
import { writeStaged } from "./write-staged.ts";

const GENERATIONS = ".generations";
const DAMAGED = ".damaged";
const STAGED = /^\..*\.partial-[0-9a-f]{8}$/;
/** Damaged files are kept for a person to look at, not for ever. */
const MOST_DAMAGED = 10;

export interface StoredCheckpoints {
  /** That can be run: whole, with all their files. Newest first. */
  readonly generations: ReadonlyMap<CheckpointId, readonly Generation[]>;
  readonly active: readonly ActiveFile[];
  readonly findings: readonly Finding[];
}

interface StoredFile {
  readonly path: string;
  readonly generation: Generation;
}

export class CheckpointStore {
  readonly places: Places;
  readonly #fs: FileSystem;
  readonly #readOnly: boolean;
  /** False after a manifest could not be read: what it needs is not known, so nothing is cleared away. */
  #readAll = false;

  constructor(places: Places, fileSystem: FileSystem = realFileSystem, readOnly = false) {
    this.places = places;
    this.#fs = fileSystem;
    this.#readOnly = readOnly;
  }

  /** Makes the directories, and removes what was being written when an earlier run ended. */
  open(): void {
    const { active, inactive, secrets, configMaps } = this.places;
    this.#fs.makeDirectory(active, 0o755);
    for (const path of [inactive, secrets, configMaps]) this.#fs.makeDirectory(path, 0o700);
    const generations = join(inactive, GENERATIONS);
    for (const directory of [active, inactive, ...names(generations).map((name) => join(generations, name))]) {
      for (const name of names(directory)) if (STAGED.test(name)) this.#fs.remove(join(directory, name));
    }
  }

  /** Reads everything. Damaged files are set aside; a copy whose files are not whole is left where it is and not listed. */
  load(): StoredCheckpoints {
    const findings: Finding[] = [];
    this.#readAll = true;
    const copies = this.#inactivePaths().flatMap((path) => this.#read(path, findings));
    const active = manifestNames(this.places.active).flatMap((name) => this.#readActive(name, findings));
    const generations = new Map<CheckpointId, Generation[]>();
    for (const { path, generation } of [...copies, ...active]) {
      const wrong = this.#whatIsMissing(generation);
      if (wrong !== undefined) {
        findings.push({ level: "error", code: "checkpoint-incomplete", where: path, text: wrong });
        continue;
      }
      const id = checkpointIdOf(generation.manifest);
      const known = generations.get(id) ?? [];
      if (!known.some((other) => isSame(other, generation))) generations.set(id, [...known, generation]);
    }
    for (const list of generations.values()) list.sort((a, b) => b.number - a.number);
    return {
      generations,
      active: active.map(({ path, generation }) => ({
        path,
        id: checkpointIdOf(generation.manifest),
        pod: namespacedName(generation.manifest),
        fingerprint: generation.fingerprint,
        modified: modified(path),
      })),
      findings,
    };
  }

  /** Writes a new newest generation. The last one becomes an earlier one, unless it is the one that is written over. */
  async save(generation: Generation, directories: readonly DataDirectory[], instead?: Generation): Promise<void> {
    for (const directory of directories) await writeDataDirectory(directory, this.#fs);
    const id = checkpointIdOf(generation.manifest);
    const path = this.#inactivePath(generation);
    const before = this.#copiesOf(id).filter((file) => dirname(file.path) === this.places.inactive);
    for (const { path: old, generation: earlier } of before) {
      if (instead !== undefined && isSame(earlier, instead)) continue;
      const kept = join(this.places.inactive, GENERATIONS, folderOf(id), `${earlier.number}.json`);
      this.#fs.makeDirectory(dirname(kept), 0o700);
      await this.#write(kept, readFileSync(old));
    }
    await this.#write(path, encodeGeneration(generation));
    for (const { path: old } of before) if (old !== path) this.#removeFile(old);
  }

  /** Changes what is said of the newest generation, such as that it ran healthy. */
  async amend(generation: Generation): Promise<void> {
    await this.#write(this.#inactivePath(generation), encodeGeneration(generation));
  }

  /** Brings tokens up to date in directories that are there. Returns whether one changed. */
  async renew(directories: readonly DataDirectory[]): Promise<boolean> {
    let changed = false;
    for (const { path, files, uid, gid } of directories) {
      for (const file of files) {
        if (!file.volatile) continue;
        const target = join(path, file.path);
        if (!exists(path) || isContent(target, file.bytes)) continue;
        await this.#write(target, file.bytes, file.mode, uid, gid);
        changed = true;
      }
    }
    return changed;
  }

  /** Puts a copy where the kubelet runs it. On a full disk it gets a second name there, which takes no space. */
  async start(generation: Generation): Promise<void> {
    const path = join(this.places.active, fileName(generation));
    try {
      await this.#write(path, encodeGeneration(generation));
    } catch (error) {
      const copy = this.#copiesOf(checkpointIdOf(generation.manifest)).find((file) =>
        isSame(file.generation, generation),
      );
      if (copy === undefined || !(error instanceof MendError) || error.code !== "no-space") throw error;
      const staged = stagedPath(path);
      this.#fs.link(copy.path, staged);
      this.#fs.rename(staged, path);
    }
  }

  stop(path: string): void {
    this.#removeFile(path);
  }

  /**
   * Removes a checkpoint whole. What runs goes first, and the agent's own last: removing it ends the agent. After a
   * crash in between, the rest is found and removed again.
   */
  remove(id: CheckpointId, isSelf: boolean): void {
    const copies = this.#copiesOf(id).map(({ path }) => path);
    const active = this.load().active.filter((file) => file.id === id);
    if (!isSelf) for (const { path } of active) this.#removeFile(path);
    for (const path of copies) this.#removeFile(path);
    this.#fs.remove(join(this.places.inactive, GENERATIONS, folderOf(id)));
    this.clear(isSelf ? active.map(({ path }) => path) : []);
    if (isSelf) for (const { path } of active) this.#removeFile(path);
  }

  /** Removes generations beyond those that are kept. */
  keep(id: CheckpointId, kept: readonly Generation[]): void {
    for (const { path, generation } of this.#copiesOf(id)) {
      if (!kept.some((each) => isSame(each, generation))) this.#removeFile(path);
    }
  }

  /** Removes files of volumes that no manifest mounts, but for those of the manifests that are `over`. */
  clear(over: readonly string[] = []): void {
    const findings: Finding[] = [];
    this.#readAll = true;
    const files = [
      ...this.#inactivePaths().flatMap((path) => this.#read(path, findings)),
      ...manifestNames(this.places.active).flatMap((name) => this.#readActive(name, findings)),
    ].filter(({ path }) => !over.includes(path));
    if (!this.#readAll) return;
    // The agent itself mounts all of /etc/kubernetes: that keeps nothing.
    const used = files
      .flatMap(({ generation }) => mountedPaths(generation))
      .filter((path) => isOurs(path, this.places));
    for (const root of [this.places.secrets, this.places.configMaps]) this.#clear(root, used);
  }

  #clear(directory: string, used: readonly string[]): void {
    for (const name of names(directory)) {
      const path = join(directory, name);
      if (used.some((each) => path === each || path.startsWith(`${each}/`))) continue;
      if (used.some((each) => each.startsWith(`${path}/`))) this.#clear(path, used);
      else this.#fs.remove(path);
    }
  }

  #inactivePaths(): string[] {
    const { inactive } = this.places;
    const earlier = join(inactive, GENERATIONS);
    return [
      ...manifestNames(inactive).map((name) => join(inactive, name)),
      ...names(earlier).flatMap((folder) =>
        manifestNames(join(earlier, folder)).map((name) => join(earlier, folder, name)),
      ),
    ];
  }

  #copiesOf(id: CheckpointId): StoredFile[] {
    const files = this.#inactivePaths().flatMap((path) => this.#read(path, []));
    return files.filter(({ generation }) => checkpointIdOf(generation.manifest) === id);
  }

  #inactivePath(generation: Generation): string {
    return join(this.places.inactive, fileName(generation));
  }

  #read(path: string, findings: Finding[]): StoredFile[] {
    const found = this.#decode(path, findings);
    if (found === undefined || found === "foreign") return [];
    if (!("wrong" in found)) return [{ path, generation: found }];
    const aside = this.#readOnly ? "" : `: it is set aside in ${join(this.places.inactive, DAMAGED)}`;
    findings.push({ level: "error", code: "checkpoint-damaged", where: path, text: `${found.wrong}${aside}` });
    if (!this.#readOnly) this.#setAside(path);
    return [];
  }

  /** Other static pods' manifests are nobody's business here, and a damaged checkpoint that runs is rewritten by whoever compares it. */
  #readActive(name: string, findings: Finding[]): StoredFile[] {
    const path = join(this.places.active, name);
    if (!name.endsWith(".json")) return [];
    const found = this.#decode(path, findings);
    return found === undefined || found === "foreign" || "wrong" in found ? [] : [{ path, generation: found }];
  }

  #decode(path: string, findings: Finding[]): ReturnType<typeof decodeGeneration> | undefined {
    try {
      return decodeGeneration(readFileSync(path));
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      this.#readAll = false;
      const { message } = fromSystemError(error, "read", path) as Error;
      findings.push({ level: "error", code: "checkpoint-unreadable", where: path, text: message });
      return undefined;
    }
  }

  #setAside(path: string): void {
    const folder = join(this.places.inactive, DAMAGED);
    this.#fs.makeDirectory(folder, 0o700);
    const old = names(folder).sort((a, b) => modified(join(folder, a)) - modified(join(folder, b)));
    for (const name of old.slice(0, Math.max(0, old.length - MOST_DAMAGED + 1))) this.#fs.remove(join(folder, name));
    this.#fs.rename(path, join(folder, `${basename(path)}.${randomBytes(4).toString("hex")}`));
  }

  #whatIsMissing(generation: Generation): string | undefined {
    for (const path of generation.data) {
      const wrong = readDataDirectory(path);
      if (wrong !== undefined) return wrong;
    }
    if (generation.number > 0) return undefined;
    const gone = mountedPaths(generation).find((path) => isOurs(path, this.places) && !exists(path));
    return gone === undefined ? undefined : `"${gone}", which it mounts, is not there`;
  }

  async #write(path: string, bytes: Uint8Array, mode = 0o600, uid = ownUid(), gid = ownGid()): Promise<void> {
    const staged = stagedPath(path);
    // Somebody may have cleared away what was there when the agent began.
    if (!exists(dirname(path))) this.#fs.makeDirectory(dirname(path), 0o700);
    await writeStaged(this.#fs, staged, { path, bytes, mode, uid, gid });
  }

  #removeFile(path: string): void {
    this.#fs.remove(path);
    if (exists(dirname(path))) this.#fs.syncDirectory(dirname(path));
  }
}

/** The same for a reader: it changes nothing, and leaves damaged files where they are. */
export function readStoredCheckpoints(places: Places): StoredCheckpoints {
  return new CheckpointStore(places, undefined, true).load();
}

function isSame(a: Generation, b: Generation): boolean {
  return a.number === b.number && a.fingerprint === b.fingerprint;
}

function fileName({ manifest }: Generation): string {
  return `${manifest.metadata.namespace}-${manifest.metadata.name}.json`;
}

function folderOf(id: CheckpointId): string {
  return id.replaceAll("/", "_");
}

function stagedPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.partial-${randomBytes(4).toString("hex")}`);
}

/** The node's paths that a manifest mounts. */
function mountedPaths({ manifest }: Generation): string[] {
  const paths = objectsOf(specOf(manifest).volumes).map((volume) => textOf(objectOf(volume.hostPath).path));
  return paths.filter((path) => path !== "");
}

function isOurs(path: string, { secrets, configMaps }: Places): boolean {
  return path.startsWith(`${secrets}/`) || path.startsWith(`${configMaps}/`);
}

function manifestNames(directory: string): string[] {
  return names(directory)
    .filter((name) => name.endsWith(".json") && !name.startsWith("."))
    .sort();
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return [];
    throw fromSystemError(error, "read", directory);
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function isContent(path: string, bytes: Uint8Array): boolean {
  return exists(path) && Buffer.compare(readFileSync(path), bytes) === 0;
}

function ownUid(): number {
  return process.getuid?.() ?? 0;
}

function ownGid(): number {
  return process.getgid?.() ?? 0;
}
