/**
 * What a disk may hold after a power cut, from the changes that were recorded. A change of a file's content is certain
 * once the file was flushed after it, a change of names
 * once a directory was that it is in; until then each may be there or not. Names come to the disk in the order in which
 * they were changed, as journaling file
 * systems have it; contents in any order, and a file that is not flushed may be there with its length and zeros in it.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Random, seededRandom } from "../damage/mutate.ts";
import type { RecordedChange } from "./recorded-change.ts";

/** A file, a directory or a link. */
type Node =
  | {
      readonly kind: "file" /** Without the zeros at the end of `size` bytes. */;
      readonly content: Uint8Array;
      readonly size: number;
      readonly mode: number;
    }
  | { readonly kind: "directory"; readonly entries: Map<string, number>; readonly mode: number }
  | { readonly kind: "link"; readonly target: string };

/** A change by numbers that are never used twice. */
type Step =
  | { readonly of: "content"; readonly node: number; readonly at: number; readonly data: Uint8Array }
  | { readonly of: "size"; readonly node: number; readonly size: number }
  | { readonly of: "mode"; readonly node: number; readonly mode: number }
  | {
      readonly of: "names";
      readonly directories: readonly number[];
      readonly set: readonly (readonly [directory: number, name: string, node: number | undefined])[];
    }
  | { readonly of: "sync"; readonly node: number }
  | { readonly of: "say" };

export interface Recording {
  readonly nodes: ReadonlyMap<number, Node>;
  readonly steps: readonly Step[];
}

const ROOT = 0;

/**
 * @param before the directory when the recording begins, which is read here and now; the changes are given when they
 * have been made
 */
export function beginRecording(before: string): (changes: readonly RecordedChange[]) => Recording {
  const nodes = new Map<number, Node>();
  const byInode = new Map<number, number>();
  const live = new Map<number, Map<string, number>>();
  let next = ROOT;
  const add = (node: Node): number => {
    nodes.set(next, node);
    if (node.kind === "directory") live.set(next, new Map());
    return next++;
  };
  const scan = (path: string): number => {
    const stat = lstatSync(path);
    const mode = stat.mode & 0o7777;
    if (stat.isSymbolicLink()) return add({ kind: "link", target: readlinkSync(path) });
    if (!stat.isDirectory()) {
      const number = add({ kind: "file", content: withoutZeros(readFileSync(path)), size: stat.size, mode });
      byInode.set(stat.ino, number);
      return number;
    }
    const entries = new Map<string, number>();
    const number = add({ kind: "directory", entries, mode });
    byInode.set(stat.ino, number);
    for (const name of readdirSync(path)) {
      const child = scan(join(path, name));
      entries.set(name, child);
      live.get(number)!.set(name, child);
    }
    return number;
  };
  scan(before);
  return (changes) => ({ nodes, steps: readSteps(changes) });

  function readSteps(changes: readonly RecordedChange[]): Step[] {
    const place = (path: string): readonly [directory: number, name: string] => {
      const parts = path.split("/");
      let directory = ROOT;
      for (const part of parts.slice(0, -1)) directory = live.get(directory)!.get(part)!;
      return [directory, parts.at(-1)!];
    };
    const steps: Step[] = [];
    const names = (...set: readonly (readonly [number, string, number | undefined])[]): void => {
      for (const [directory, name, node] of set) {
        if (node === undefined) live.get(directory)!.delete(name);
        else live.get(directory)!.set(name, node);
      }
      steps.push({ of: "names", directories: set.map(([directory]) => directory), set });
    };
    const nodeOf = (inode: number): number => {
      const found = byInode.get(inode);
      if (found === undefined) throw new Error(`inode ${inode} was not seen before`);
      return found;
    };
    for (const change of changes) {
      switch (change.change) {
        case "create":
        case "mkdir": {
          const made: Node =
            change.change === "mkdir"
              ? { kind: "directory", entries: new Map(), mode: change.mode }
              : { kind: "file", content: new Uint8Array(0), size: 0, mode: change.mode };
          const node = add(made);
          byInode.set(change.inode, node);
          names([...place(change.path), node]);
          break;
        }
        case "symlink":
          names([...place(change.path), add({ kind: "link", target: change.target })]);
          break;
        case "rename": {
          const [from, old] = place(change.from);
          names([from, old, undefined], [...place(change.to), live.get(from)!.get(old)!]);
          break;
        }
        case "link": {
          const [from, old] = place(change.from);
          names([...place(change.to), live.get(from)!.get(old)!]);
          break;
        }
        case "unlink":
        case "rmdir":
          names([...place(change.path), undefined]);
          break;
        case "write":
          steps.push({
            of: "content",
            node: nodeOf(change.inode),
            at: change.at,
            data: Buffer.from(change.data, "base64"),
          });
          break;
        case "truncate":
          steps.push({ of: "size", node: nodeOf(change.inode), size: change.size });
          break;
        case "chmod":
          steps.push({ of: "mode", node: nodeOf(change.inode), mode: change.mode });
          break;
        case "sync":
          steps.push({ of: "sync", node: nodeOf(change.inode) });
          break;
        case "say":
          steps.push({ of: "say" });
          break;
      }
    }
    return steps;
  }
}

/** Segments of a log are 64 MB of zeros with a few records in them. */
function withoutZeros(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, end);
}

export interface CrashState {
  /** After how many changes. */
  readonly after: number;
  readonly what: string;
  /** How many times something had been said on stdout by then. */
  readonly said: number;
  readonly digest: string;
  /** Makes it, in a directory that is there and empty. */
  write(directory: string): void;
}

type Contents = "all" | "none" | "zeros" | "some";

/** Of all changes, which is what must be on the disk in the end: else something was not seen. */
export function finalDigest(recording: Recording): string {
  return digestOf(treeAfter(recording, recording.steps.length, "all", "all", seededRandom(0)), ROOT);
}

/**
 * Every state after each change, each once. `killed`: what a kill leaves, all that was done; `cut`: what a power cut
 * may leave, `draws` of it by chance too.
 */
export function* crashStates(recording: Recording, draws = 2): Generator<CrashState> {
  const seen = new Set<string>();
  for (let after = 0; after <= recording.steps.length; after++) {
    const choices: readonly (readonly [string, "all" | "none" | "some", Contents])[] = [
      ["killed", "all", "all"],
      ["cut: nothing that was not flushed", "none", "none"],
      ["cut: names without contents", "all", "none"],
      ["cut: names with zeros", "all", "zeros"],
      ["cut: contents without names", "none", "all"],
      ...Array.from({ length: draws }, (_, i) => [`cut: by chance ${i}`, "some", "some"] as const),
    ];
    for (const [i, [what, names, contents]] of choices.entries()) {
      const tree = treeAfter(recording, after, names, contents, seededRandom(after * 31 + i));
      const said = recording.steps.slice(0, after).filter((step) => step.of === "say").length;
      const digest = `${digestOf(tree, ROOT)} ${said}`;
      if (seen.has(digest)) continue;
      seen.add(digest);
      yield { after, what, said, digest, write: (directory) => writeTree(tree, ROOT, directory, new Map()) };
    }
  }
}

function treeAfter(
  { nodes, steps }: Recording,
  after: number,
  names: "all" | "none" | "some",
  contents: Contents,
  random: Random,
): Map<number, Node> {
  const lastSync = new Map<number, number>();
  for (let i = 0; i < after; i++) {
    const step = steps[i]!;
    if (step.of === "sync") lastSync.set(step.node, i);
  }
  const isCertain = (node: number, i: number): boolean => (lastSync.get(node) ?? -1) > i;
  const namesUpTo = names === "all" ? after : names === "none" ? 0 : random.next(after + 1);
  const tree = new Map<number, Node>();
  for (const [number, node] of nodes)
    tree.set(number, node.kind === "directory" ? { ...node, entries: new Map(node.entries) } : node);
  for (let i = 0; i < after; i++) {
    const step = steps[i]!;
    if (step.of === "names") {
      if (!(i < namesUpTo || step.directories.some((directory) => isCertain(directory, i)))) continue;
      for (const [directory, name, node] of step.set) {
        const parent = tree.get(directory);
        if (parent?.kind !== "directory") continue;
        if (node === undefined) parent.entries.delete(name);
        else parent.entries.set(name, node);
      }
    } else if (step.of === "content" || step.of === "size") {
      const file = tree.get(step.node);
      if (file?.kind !== "file") continue;
      const isThere = isCertain(step.node, i) || contents === "all" || (contents === "some" && random.next(2) === 0);
      if (!isThere && contents !== "zeros") continue;
      if (step.of === "size") {
        tree.set(step.node, { ...file, content: file.content.subarray(0, step.size), size: step.size });
        continue;
      }
      const data = isThere ? withoutZeros(step.data) : new Uint8Array(0);
      const content = new Uint8Array(Math.max(file.content.length, data.length === 0 ? 0 : step.at + data.length));
      content.set(file.content);
      content.fill(0, step.at, isThere ? step.at + step.data.length : step.at);
      content.set(data, step.at < content.length ? step.at : 0);
      const size = Math.max(file.size, step.at + step.data.length);
      tree.set(step.node, { ...file, content: withoutZeros(content), size });
    } else if (step.of === "mode") {
      const node = tree.get(step.node);
      if (node !== undefined && node.kind !== "link") tree.set(step.node, { ...node, mode: step.mode });
    }
  }
  return tree;
}

function digestOf(tree: ReadonlyMap<number, Node>, number: number): string {
  const node = tree.get(number)!;
  const hash = createHash("sha256").update(node.kind);
  if (node.kind === "file") hash.update(`${node.mode} ${node.size} `).update(node.content);
  else if (node.kind === "link") hash.update(node.target);
  else {
    hash.update(`${node.mode} `);
    for (const [name, child] of [...node.entries].sort(([a], [b]) => (a < b ? -1 : 1)))
      hash.update(`${name}\0${digestOf(tree, child)}\n`);
  }
  return hash.digest("hex");
}

function writeTree(tree: ReadonlyMap<number, Node>, number: number, path: string, written: Map<number, string>): void {
  const node = tree.get(number)!;
  if (node.kind === "link") {
    symlinkSync(node.target, path);
    return;
  }
  if (node.kind === "file") {
    const other = written.get(number);
    if (other !== undefined) {
      linkSync(other, path);
      return;
    }
    written.set(number, path);
    writeFileSync(path, node.content, { mode: node.mode });
    truncateSync(path, node.size);
  } else {
    if (number !== ROOT) mkdirSync(path, { mode: 0o700 });
    for (const [name, child] of node.entries) writeTree(tree, child, join(path, name), written);
  }
  chmodSync(path, node.mode);
}

/** Of a directory on the disk, as {@link CrashState.digest} has it without its last word. */
export function digestOfDirectory(path: string): string {
  return digestOf(beginRecording(path)([]).nodes, ROOT);
}
