import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
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
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Fault, faultyFileSystem } from "../../../../test/faulty-file-system.ts";
import { type FileSystem, realFileSystem } from "./file-system.ts";
import { openReplacement, replaceFile } from "./replace-file.ts";
import { openTarget } from "./target.ts";
import { writeFile } from "./write-file.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "write-"));
  path = join(directory, "file");
});
afterEach(() => rmSync(directory, { recursive: true }));

const COMMAND = "snapshot save";
const isRoot = process.geteuid?.() === 0;
/** Root in a container may not. */
const canMount = isRoot && spawnSync("unshare", ["--mount", "true"]).status === 0;

async function write(text: string, fs: FileSystem = realFileSystem): Promise<void> {
  using target = openTarget(path, { command: COMMAND, kind: "file" });
  await writeFile(fs, target, COMMAND, (file) => {
    file.write(Buffer.from(text.slice(0, 3)), 0);
    file.write(Buffer.from(text.slice(3)), 3);
  });
}

async function replace(text: string, fs: FileSystem = realFileSystem): Promise<string> {
  using target = openReplacement(path, "certificate renew");
  return await replaceFile(fs, target, text, "before", "certificate renew");
}

test("a new file is ours alone, and one that is replaced keeps its owner, group and mode", async () => {
  await write("first one");
  expect(statSync(path).mode & 0o7777).toBe(0o600);
  chmodSync(path, 0o640);
  if (isRoot) chownSync(path, 1000, 1001);
  await write("second one");
  expect(readFileSync(path, "utf8")).toBe("second one");
  const { mode, uid, gid } = statSync(path);
  expect(mode & 0o7777).toBe(0o640);
  if (isRoot) expect([uid, gid]).toEqual([1000, 1001]);
  expect(readdirSync(directory)).toEqual(["file"]);
});

describe.each(["fail", "crash"] as const)("%s at each step", (kind) => {
  test("of a write leaves the old file or the new one, and the next run finds what was left", async () => {
    const whole = faultyFileSystem(kind, Number.POSITIVE_INFINITY);
    await write("something", whole);
    expect(whole.log).toEqual(
      ["create", "write", "write", "own", "sync", "rename", "syncDirectory"].filter((step) => step !== "own"),
    );
    for (let at = 1; at <= 7; at++) {
      writeFileSync(path, "the old one");
      const faulty = faultyFileSystem(kind, at);
      await expect(write("the new one", faulty)).rejects.toThrow(Fault);
      expect(["the old one", "the new one"]).toContain(readFileSync(path, "utf8"));
      if (kind === "fail") expect(readdirSync(directory)).toEqual(["file"]);
      await write("the next one");
      expect(readFileSync(path, "utf8")).toBe("the next one");
      expect(readdirSync(directory)).toEqual(["file"]);
    }
  });

  test("of a replacement leaves both, or the old one alone", async () => {
    const steps = ["create", "write", "own", "sync", "rename", "syncDirectory"];
    const whole = faultyFileSystem(kind, Number.POSITIVE_INFINITY);
    writeFileSync(path, "the old one");
    expect(await replace("the new one", whole)).toBe(`${path}.before`);
    expect(readFileSync(`${path}.before`, "utf8")).toBe("the old one");
    expect(whole.log).toEqual([...steps, ...steps]);
    for (let at = 1; at <= 2 * steps.length; at++) {
      rmSync(directory, { recursive: true });
      mkdirSync(directory);
      writeFileSync(path, "the old one");
      await expect(replace("the new one", faultyFileSystem(kind, at))).rejects.toThrow(Fault);
      if (existsSync(`${path}.before`)) expect(readFileSync(`${path}.before`, "utf8")).toBe("the old one");
      expect(["the old one", "the new one"]).toContain(readFileSync(path, "utf8"));
      await replace("the next one");
      expect(readFileSync(path, "utf8")).toBe("the next one");
      expect(readdirSync(directory).filter((name) => name.startsWith("."))).toEqual([]);
    }
  });
});

test("what is kept is never written over", async () => {
  writeFileSync(path, "1");
  expect(await replace("2")).toBe(`${path}.before`);
  expect(await replace("3")).toBe(`${path}.before-2`);
  expect([path, `${path}.before`, `${path}.before-2`].map((each) => readFileSync(each, "utf8"))).toEqual([
    "3",
    "1",
    "2",
  ]);
});

test("a link is replaced, or followed where that is asked for", async () => {
  mkdirSync(join(directory, "store"));
  writeFileSync(join(directory, "store/real"), "old");
  symlinkSync("store/real", path);
  await replace("new");
  expect(readFileSync(join(directory, "store/real"), "utf8")).toBe("new");
  await write("a file");
  expect(readFileSync(join(directory, "store/real"), "utf8")).toBe("new");
  expect(readFileSync(path, "utf8")).toBe("a file");
});

test.each([
  ["a directory", (): void => mkdirSync(path)],
  ["a pipe", (): void => void execFileSync("mkfifo", [path])],
  ...(isRoot ? [["a device", (): void => void execFileSync("mknod", [path, "c", "1", "3"])] as const] : []),
] as const)("%s is not replaced", async (what, make) => {
  make();
  await expect(write("text")).rejects.toMatchObject({ code: "not-a-file", message: `"${path}" is ${what}` });
  expect(readdirSync(directory)).toEqual(["file"]);
});

test("what dead runs staged for other files of the directory is removed, and nothing else", async () => {
  const nonce = "0123456789abcdef";
  const names = [`.file.kubemend-${nonce}`, `.yesterday.db.kubemend-${nonce}`];
  for (const name of names) writeFileSync(join(directory, name), "secrets");
  const others = [`.file.kubemend-${nonce}0`, "file.kubemend-x", `.busy.kubemend-${nonce}`];
  for (const name of others) writeFileSync(join(directory, name), "others'");
  if (isRoot) {
    others.push(`.theirs.kubemend-${nonce}`);
    writeFileSync(join(directory, others.at(-1)!), "theirs");
    chownSync(join(directory, others.at(-1)!), 1000, 1000);
  }
  using _busy = openTarget(join(directory, "busy"), { command: COMMAND, kind: "file" });
  await write("text");
  expect(readdirSync(directory).sort()).toEqual([...others, ".busy.kubemend-lock", "file"].sort());
});

describe.runIf(canMount)("a small disk", () => {
  let disk: string;
  beforeEach(() => {
    disk = join(directory, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k,mode=0700", "none", disk]);
  });
  afterEach(() => void execFileSync("umount", [disk]));

  test("that is full leaves the file as it was, and nothing else", async () => {
    path = join(disk, "file");
    await write("old");
    await expect(write("x".repeat(300_000))).rejects.toMatchObject({ code: "no-space" });
    expect(readdirSync(disk)).toEqual(["file"]);
    expect(readFileSync(path, "utf8")).toBe("old");
    await write("new");
    expect(readFileSync(path, "utf8")).toBe("new");
  });
});
