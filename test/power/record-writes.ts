/**
 * Loaded before a program (`node --import`): writes down every change that it makes below a directory, in order, with
 * what is flushed and when. Node's own functions are wrapped, so nothing needs root or another program.
 * `KUBEMEND_RECORD_ROOT` is the directory (or several, with `:` between, where changes are only counted),
 * `KUBEMEND_RECORD_LOG` the file of lines of JSON. `KUBEMEND_RECORD_MOUNTS` says what of the directory the program sees
 * elsewhere (`/etc=etc:/var/lib=var/lib`). With `KUBEMEND_KILL_AFTER` the program is killed as soon as it has
 * made so many changes.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import type { RecordedChange } from "./recorded-change.ts";

const roots = (process.env.KUBEMEND_RECORD_ROOT ?? "").split(":");
const [root = ""] = roots;
const original = { ...fs };
const log = original.openSync(process.env.KUBEMEND_RECORD_LOG ?? "", "a", 0o600);

const killAfter = Number(process.env.KUBEMEND_KILL_AFTER ?? Number.POSITIVE_INFINITY);
let noted = 0;

function note(change: RecordedChange): void {
  original.writeSync(log, `${JSON.stringify(change)}\n`);
  if (++noted >= killAfter) process.kill(process.pid, "SIGKILL");
}

/**
 * Through `/proc/self/fd/N`, by which the directories are reached that must not be exchanged, and through links on the
 * way, to the path that it stands for.
 */
function realPath(path: fs.PathLike): string {
  const text = resolve(Buffer.isBuffer(path) ? path.toString() : String(path));
  const [, descriptor, rest = ""] = /^\/(?:proc\/self|dev)\/fd\/(\d+)(\/.*)?$/.exec(text) ?? [];
  const place = descriptor === undefined ? text : `${original.readlinkSync(`/proc/self/fd/${descriptor}`)}${rest}`;
  try {
    return unmounted(join(original.realpathSync(dirname(place)), basename(place)));
  } catch {
    return place; // it is about to fail
  }
}

const mounts = (process.env.KUBEMEND_RECORD_MOUNTS ?? "").split(":").flatMap((each) => {
  const [at = "", of = ""] = each.split("=");
  return at === "" ? [] : [[at, join(root, of)] as const];
});

/** What is seen at a mount lies in the directory. */
function unmounted(path: string): string {
  const mount = mounts.find(([at]) => path === at || path.startsWith(`${at}/`));
  return mount === undefined ? path : `${mount[1]}${path.slice(mount[0].length)}`;
}

const isBelow = (path: string): boolean => roots.some((each) => path === each || path.startsWith(`${each}/`));
const relative = (path: string): string => path.slice(root.length + 1);

/** The inode of a descriptor that lies below the directory. */
function inodeOf(descriptor: number): number | undefined {
  const path = unmounted(original.readlinkSync(`/proc/self/fd/${descriptor}`));
  return isBelow(path) ? original.fstatSync(descriptor).ino : undefined;
}

function offsetOf(descriptor: number): number {
  return Number(/^pos:\s+(\d+)/.exec(original.readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8"))![1]);
}

function noteWritten(descriptor: number, bytes: Uint8Array, position: number | null | undefined): void {
  const inode = inodeOf(descriptor);
  if (inode === undefined) return;
  const at = typeof position === "number" ? position : offsetOf(descriptor) - bytes.length;
  note({ change: "write", inode, at, data: Buffer.from(bytes).toString("base64") });
}

function noteOpened(path: fs.PathLike, descriptor: number, existed: boolean, flags: unknown): void {
  const real = realPath(path);
  if (!isBelow(real)) return;
  const { ino, mode, size } = original.fstatSync(descriptor);
  if (!existed) note({ change: "create", path: relative(real), inode: ino, mode: mode & 0o7777 });
  else if (size === 0 && (flags === "w" || flags === "w+")) note({ change: "truncate", inode: ino, size: 0 });
}

function existed(path: fs.PathLike): boolean {
  return original.lstatSync(realPath(path), { throwIfNoEntry: false }) !== undefined;
}

/** As `rm -r` does it: what is inside first. */
function noteRemoved(path: string): void {
  const stat = original.lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (stat.isDirectory()) {
    for (const name of original.readdirSync(path)) noteRemoved(join(path, name));
    note({ change: "rmdir", path: relative(path) });
  } else note({ change: "unlink", path: relative(path) });
}

/** For each function: what is noted before or after it, by its arguments. */
type Wrapped = (call: () => unknown, ...args: never[]) => unknown;

function pathChange(make: (real: string) => void, before = false): Wrapped {
  return (call, path: fs.PathLike) => {
    const real = realPath(path);
    if (before && isBelow(real)) make(real);
    const result = call();
    if (!before && isBelow(real)) make(real);
    return result;
  };
}

function pairChange(change: "rename" | "link"): Wrapped {
  return (call, from: fs.PathLike, to: fs.PathLike) => {
    const [old, now] = [realPath(from), realPath(to)];
    const result = call();
    if (isBelow(now)) note({ change, from: relative(old), to: relative(now) });
    return result;
  };
}

function bytesOf(buffer: unknown, offset: unknown, length: number): Uint8Array {
  if (typeof buffer === "string") return Buffer.from(buffer).subarray(0, length);
  const view = buffer as NodeJS.ArrayBufferView;
  const start = typeof offset === "number" ? offset : 0;
  return new Uint8Array(view.buffer, view.byteOffset + start, length).slice();
}

const SYNC: Readonly<Record<string, Wrapped>> = {
  openSync: (call, path: fs.PathLike, flags: unknown) => {
    const there = existed(path);
    const descriptor = call() as number;
    noteOpened(path, descriptor, there, flags);
    return descriptor;
  },
  writeSync: (call, descriptor: number, buffer: unknown, offset: unknown, _: unknown, position: number | null) => {
    const written = call() as number;
    noteWritten(
      descriptor,
      bytesOf(buffer, offset, written),
      typeof buffer === "string" ? (offset as number) : position,
    );
    return written;
  },
  ftruncateSync: (call, descriptor: number, size = 0) => {
    call();
    const inode = inodeOf(descriptor);
    if (inode !== undefined) note({ change: "truncate", inode, size });
  },
  fsyncSync: flushed,
  fdatasyncSync: flushed,
  fchmodSync: (call, descriptor: number, mode: number) => {
    call();
    const inode = inodeOf(descriptor);
    if (inode !== undefined) note({ change: "chmod", inode, mode });
  },
  chmodSync: pathChange((real) => {
    const { ino, mode } = original.statSync(real);
    note({ change: "chmod", inode: ino, mode: mode & 0o7777 });
  }),
  mkdirSync: (call, path: fs.PathLike, options: unknown) => {
    const real = realPath(path);
    const isRecursive = (options as { readonly recursive?: boolean } | undefined)?.recursive === true;
    const isThere = isRecursive && original.existsSync(real);
    const result = call();
    if (isThere || !isBelow(real)) return result;
    const { ino, mode } = original.statSync(real);
    note({ change: "mkdir", path: relative(real), inode: ino, mode: mode & 0o7777 });
    return result;
  },
  mkdtempSync: (call) => {
    const path = call() as string;
    const real = realPath(path);
    if (!isBelow(real)) return path;
    const { ino, mode } = original.statSync(real);
    note({ change: "mkdir", path: relative(real), inode: ino, mode: mode & 0o7777 });
    return path;
  },
  unlinkSync: pathChange((real) => note({ change: "unlink", path: relative(real) })),
  rmdirSync: pathChange((real) => note({ change: "rmdir", path: relative(real) })),
  rmSync: pathChange(noteRemoved, true),
  renameSync: pairChange("rename"),
  linkSync: pairChange("link"),
  symlinkSync: (call, target: string, path: fs.PathLike) => {
    call();
    const real = realPath(path);
    if (isBelow(real)) note({ change: "symlink", path: relative(real), target });
  },
  copyFileSync: (call, _: unknown, to: fs.PathLike) => {
    call();
    noteCopied(to);
  },
};

function flushed(call: () => unknown, descriptor: number): void {
  call();
  const inode = inodeOf(descriptor);
  if (inode !== undefined) note({ change: "sync", inode });
}

function noteCopied(to: fs.PathLike): void {
  const real = realPath(to);
  if (!isBelow(real)) return;
  const { ino, mode } = original.statSync(real);
  note({ change: "create", path: relative(real), inode: ino, mode: mode & 0o7777 });
  note({ change: "write", inode: ino, at: 0, data: original.readFileSync(real).toString("base64") });
}

const exported = fs as unknown as Record<string, (...args: unknown[]) => unknown>;
const promises = fs.promises as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;

for (const [name, wrapped] of Object.entries(SYNC)) {
  const real = exported[name]!;
  exported[name] = (...args: unknown[]) => wrapped(() => real(...args), ...(args as never[]));
  // With a callback: what it does is noted when it is done, and before anybody hears of it.
  const plain = name.replace(/Sync$/, "");
  const late = exported[plain];
  if (late !== undefined) {
    const wrapper = (...args: unknown[]): unknown => {
      const callback = args.pop() as (error: unknown, ...results: unknown[]) => void;
      const there = plain === "open" && existed(args[0] as fs.PathLike);
      if (plain === "rm") noteBefore(name, args);
      return late(...args, (error: unknown, ...results: unknown[]) => {
        if (error === null || error === undefined) noteAfter(plain, args, results[0], there);
        callback(error, ...results);
      });
    };
    for (const symbol of Object.getOwnPropertySymbols(late)) {
      const value = (late as unknown as Record<symbol, unknown>)[symbol];
      if (typeof value !== "function") Object.defineProperty(wrapper, symbol, { value });
    }
    exported[plain] = wrapper;
  }
  const promised = promises[plain];
  if (promised !== undefined && plain !== "open") {
    promises[plain] = async (...args) => {
      if (plain === "rm") noteBefore(name, args);
      const result = await promised(...args);
      if (plain !== "rm") noteAfter(plain, args, result, false);
      return result;
    };
  }
}

function noteBefore(name: string, args: readonly unknown[]): void {
  SYNC[name]!(() => undefined, ...(args as never[]));
}

/** As the synchronous form, which finds everything done. */
function noteAfter(plain: string, args: readonly unknown[], result: unknown, there: boolean): void {
  if (plain === "rm") return;
  if (plain === "open") noteOpened(args[0] as fs.PathLike, result as number, there, args[1]);
  else SYNC[`${plain}Sync`]!(() => result, ...(args as never[]));
}

const openHandle = fs.promises.open;
fs.promises.open = async (path, flags, mode) => {
  const there = existed(path);
  const handle = await openHandle(path, flags, mode);
  noteOpened(path, handle.fd, there, flags);
  return handle;
};

const anyHandle = await openHandle("/dev/null");
const handles = Object.getPrototypeOf(anyHandle) as Record<string, (...args: unknown[]) => Promise<unknown>>;
await anyHandle.close();

function wrapHandle(name: string, done: (descriptor: number, args: readonly unknown[], result: unknown) => void): void {
  const real = handles[name]!;
  handles[name] = async function (this: fs.promises.FileHandle, ...args) {
    const result = await real.apply(this, args);
    done(this.fd, args, result);
    return result;
  };
}

wrapHandle("write", (descriptor, [buffer, offset, , position], result) => {
  const { bytesWritten } = result as { readonly bytesWritten: number };
  noteWritten(descriptor, bytesOf(buffer, offset, bytesWritten), position as number | null);
});
wrapHandle("writeFile", (descriptor, [data]) => noteWritten(descriptor, Buffer.from(data as Uint8Array), null));
wrapHandle("truncate", (descriptor, [size]) => {
  const inode = inodeOf(descriptor);
  if (inode !== undefined) note({ change: "truncate", inode, size: Number(size ?? 0) });
});
for (const name of ["sync", "datasync"]) wrapHandle(name, (descriptor) => flushed(() => undefined, descriptor));

const writeOut = process.stdout.write.bind(process.stdout);
process.stdout.write = ((chunk: string | Uint8Array, ...rest: never[]) => {
  if (chunk.length > 0) note({ change: "say" });
  return writeOut(chunk, ...rest);
}) as typeof process.stdout.write;

syncBuiltinESMExports();
