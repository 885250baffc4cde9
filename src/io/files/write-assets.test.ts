import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Fault, faultyFileSystem } from "../../../test/faulty-file-system.ts";
import { memorySource } from "../../bolt/byte-source.ts";
import type { Asset } from "../../bootstrap/asset.ts";
import { RECORD_NAME } from "./asset-record.ts";
import { type FileSystem, realFileSystem } from "./durable/file-system.ts";
import { checkAssetDir, writeAssets } from "./write-assets.ts";

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "kubemend-assets-"));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const asset = (path: string, text: string, mode = 0o600): Asset => ({ path, mode, content: Buffer.from(text) });
const OLD = [asset("a.txt", "old a"), asset("tls/key", "old key")];
const NEW = [asset("a.txt", "new a"), asset("tls/deep/key", "new key"), asset("tls/run", "#!", 0o700)];
const write = (assets: readonly Asset[], more = {}) =>
  writeAssets(join(base, "out"), assets, { command: "recover", ...more });

/** Every file below a directory with its text, without our record; undefined when the directory is not there. */
function tree(directory: string): Record<string, string> | undefined {
  if (!statSync(directory, { throwIfNoEntry: false })) return undefined;
  const files: Record<string, string> = {};
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = relative(directory, join(entry.parentPath, entry.name));
    if (entry.isFile() && path !== RECORD_NAME) files[path] = readFileSync(join(directory, path), "utf8");
  }
  return files;
}
const textOf = (assets: readonly Asset[]) =>
  Object.fromEntries(assets.map((each) => [each.path, Buffer.from(each.content as Uint8Array).toString()]));

test("files are for root only, in directories for root only, and staging is gone", async () => {
  const written = await write(NEW);
  expect(tree(join(base, "out"))).toEqual(textOf(NEW));
  expect(readdirSync(base)).toEqual(["out"]);
  expect(written).toMatchObject({ replaced: false, changed: [], keptAt: undefined });
  const modes = ["", "tls", "tls/deep", "a.txt", "tls/run", RECORD_NAME].map(
    (path) => lstatSync(join(base, "out", path)).mode & 0o777,
  );
  expect(modes).toEqual([0o700, 0o700, 0o700, 0o600, 0o700, 0o600]);
});

test("parents are made; an empty directory is taken, also behind a symbolic link", async () => {
  const deep = join(base, "x/y/out");
  await writeAssets(deep, OLD, { command: "recover" });
  expect(tree(deep)).toEqual(textOf(OLD));
  mkdirSync(join(base, "real"));
  symlinkSync("real", join(base, "link"));
  const { directory } = await writeAssets(join(base, "link"), OLD, { command: "recover" });
  expect(directory).toBe(join(base, "real"));
  expect(lstatSync(join(base, "link")).isSymbolicLink()).toBe(true);
  expect(tree(join(base, "real"))).toEqual(textOf(OLD));
});

test("a source that is larger than memory is copied in parts", async () => {
  const content = memorySource(new Uint8Array(3_000_000).fill(7));
  await write([{ path: "backup.db", mode: 0o600, content }]);
  expect(readFileSync(join(base, "out/backup.db")).equals(Buffer.alloc(3_000_000, 7))).toBe(true);
});

describe("what is in the way", () => {
  const rejects = async (code: string, message: string, options = {}) => {
    const before = tree(base);
    const error = { code, message: expect.stringContaining(message) };
    await expect(write(NEW, options)).rejects.toMatchObject(error);
    expect(() => checkAssetDir(join(base, "out"), { command: "recover", ...options })).toThrow(
      expect.objectContaining(error),
    );
    expect(tree(base)).toEqual(before);
  };

  test("somebody's directory, with and without force", async () => {
    mkdirSync(join(base, "out"));
    writeFileSync(join(base, "out/notes.txt"), "mine");
    await rejects("not-empty", '"notes.txt"');
    await rejects("not-empty", '"notes.txt"', { force: true });
  });

  test("a file", async () => {
    writeFileSync(join(base, "out"), "mine");
    await rejects("already-exists", "is not a directory", { force: true });
  });

  test("earlier output without force; another command's with it", async () => {
    await write(OLD);
    await rejects("already-exists", "holds the output of an earlier run");
    await rejects("not-empty", "is not empty", { force: true, command: "render" });
  });

  test("earlier output among which somebody put a file, a directory or a link", async () => {
    await write(OLD);
    for (const [name, make] of [
      ["tls/mine", (path: string) => writeFileSync(path, "")],
      ["mine", (path: string) => mkdirSync(path)],
      ["link", (path: string) => symlinkSync("/etc/passwd", path)],
    ] as const) {
      make(join(base, "out", name));
      await rejects("not-empty", `"${name}`, { force: true });
      rmSync(join(base, "out", name), { recursive: true });
    }
  });

  test("a record that is not ours makes nothing ours", async () => {
    mkdirSync(join(base, "out"));
    for (const text of [
      "",
      "{}",
      '{"madeBy":"kubemend","format":1,"command":"recover","files":[]}',
      '{"madeBy":"other","format":1}',
    ]) {
      writeFileSync(join(base, "out", RECORD_NAME), text);
      await rejects("not-empty", RECORD_NAME, { force: true });
    }
  });
});

test("force replaces earlier output; what was deleted from it is no matter", async () => {
  await write(OLD);
  rmSync(join(base, "out/a.txt"));
  expect(await write(NEW, { force: true })).toMatchObject({ replaced: true, changed: [], keptAt: undefined });
  expect(tree(join(base, "out"))).toEqual(textOf(NEW));
  expect(readdirSync(base)).toEqual(["out"]);
});

test("earlier output that somebody changed is kept beside, each time under another name", async () => {
  for (const kept of ["out.before", "out.before-2"]) {
    await write(OLD, { force: true });
    writeFileSync(join(base, "out/a.txt"), "edited");
    const written = await write(NEW, { force: true });
    expect(written).toMatchObject({ changed: ["a.txt"], keptAt: join(base, kept) });
    expect(tree(join(base, kept))).toEqual({ "a.txt": "edited", "tls/key": "old key" });
    expect(tree(join(base, "out"))).toEqual(textOf(NEW));
  }
});

test("an interruption leaves what was there", async () => {
  await write(OLD);
  const controller = new AbortController();
  const slow = {
    name: "slow",
    size: 2 << 20,
    read(target: Uint8Array) {
      controller.abort();
      return target.length;
    },
  };
  const assets: Asset[] = [...NEW, { path: "z", mode: 0o600, content: slow }];
  await expect(write(assets, { force: true, signal: controller.signal })).rejects.toMatchObject({ name: "AbortError" });
  expect(tree(join(base, "out"))).toEqual(textOf(OLD));
  expect(readdirSync(base)).toEqual(["out"]);
});

test("a disk that loses what was written is noticed before anything is replaced", async () => {
  await write(OLD);
  const lossy: FileSystem = {
    ...realFileSystem,
    create(path, mode) {
      const file = realFileSystem.create(path, mode);
      return path.endsWith("run") ? { ...file, write: () => {} } : file;
    },
  };
  await expect(write(NEW, { force: true, fileSystem: lossy })).rejects.toMatchObject({
    code: "io",
    message: expect.stringContaining("reads back other"),
  });
  expect(tree(join(base, "out"))).toEqual(textOf(OLD));
  expect(readdirSync(base)).toEqual(["out"]);
});

describe.each([
  ["a failure", "fail"],
  ["a crash", "crash"],
] as const)("%s at any write", (_, kind) => {
  test.each([
    ["where nothing was", "absent"],
    ["over earlier output", "pristine"],
    ["over earlier output that was changed", "changed"],
  ])("%s leaves the old state or the new one", async (_name, before) => {
    const out = join(base, "out");
    const prepare = async () => {
      rmSync(base, { recursive: true, force: true });
      mkdirSync(base);
      if (before === "absent") return;
      await write(OLD);
      if (before === "changed") writeFileSync(join(out, "a.txt"), "edited");
    };
    await prepare();
    const old = tree(out);
    const fresh = textOf(NEW);
    const dry = faultyFileSystem(kind, Number.POSITIVE_INFINITY);
    await write(NEW, { force: true, fileSystem: dry });
    expect(dry.operations()).toBeGreaterThan(18);
    for (let n = 1; n <= dry.operations(); n++) {
      await prepare();
      await expect(write(NEW, { force: true, fileSystem: faultyFileSystem(kind, n) })).rejects.toThrow(Fault);
      const found = tree(out);
      const between = kind === "crash" && found === undefined && before !== "absent";
      if (between) {
        const [staging] = readdirSync(base).filter((name) => name.startsWith(".out.kubemend-"));
        expect(tree(join(base, staging!, "old"))).toEqual(old);
      } else expect([old, fresh]).toContainEqual(found);
      // The next run puts everything right, and what somebody changed is still there.
      await write(NEW, { force: true });
      expect(tree(out)).toEqual(fresh);
      const beside = readdirSync(base).filter((name) => name !== "out");
      expect(beside.every((name) => name.startsWith("out.before"))).toBe(true);
      if (before === "changed") expect(beside.map((name) => tree(join(base, name))?.["a.txt"])).toContain("edited");
    }
  });
});
