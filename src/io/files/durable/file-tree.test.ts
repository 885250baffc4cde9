import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Fault, faultyFileSystem } from "../../../../test/faulty-file-system.ts";
import { type FileSystem, realFileSystem } from "./file-system.ts";
import { openFileTree } from "./file-tree.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tree-"));
  path = join(directory, "out");
});
afterEach(() => rmSync(directory, { recursive: true }));

async function write(fileSystem: FileSystem = realFileSystem): Promise<void> {
  using tree = await openFileTree(path, { command: "snapshot export", fileSystem });
  expect(tree.add(["a", "b", "one.yaml"], "one")).toBe(true);
  expect(tree.add(["two.yaml"], "two")).toBe(true);
  expect(tree.add(["two.yaml"], "another")).toBe(false);
  if (readdirSync(directory).includes("out")) expect(readdirSync(path)).toEqual([".kubemend-lock"]);
  await tree.commit();
}

function checkTree(): void {
  expect(readdirSync(directory)).toEqual(["out"]);
  expect(readdirSync(path, { recursive: true }).map(String).sort()).toEqual(["a", "a/b", "a/b/one.yaml", "two.yaml"]);
  expect(readFileSync(join(path, "a/b/one.yaml"), "utf8")).toBe("one");
  expect(statSync(join(path, "a/b")).mode & 0o7777).toBe(0o700);
  expect(statSync(join(path, "two.yaml")).mode & 0o7777).toBe(0o600);
}

test("is there whole", async () => {
  await write();
  checkTree();
});

test("takes the place of an empty directory, and of nothing else", async () => {
  mkdirSync(path);
  await write();
  checkTree();
  await expect(openFileTree(path, { command: "snapshot export" })).rejects.toMatchObject({ code: "not-empty" });
  writeFileSync(join(directory, "file"), "");
  await expect(openFileTree(join(directory, "file"), { command: "snapshot export" })).rejects.toMatchObject({
    code: "not-found",
  });
  rmSync(join(directory, "file"));
  checkTree();
});

describe.each(["fail", "crash"] as const)("%s at each step", (kind) => {
  test.each([false, true])(
    "leaves nothing or the whole, and the next run succeeds: into an empty directory: %s",
    async (isThere) => {
      const whole = faultyFileSystem(kind, Number.POSITIVE_INFINITY);
      if (isThere) mkdirSync(path);
      await write(whole);
      expect(whole.operations()).toBeGreaterThan(8);
      for (let at = 1; at <= whole.operations(); at++) {
        rmSync(directory, { recursive: true });
        mkdirSync(isThere ? path : directory, { recursive: true });
        await expect(write(faultyFileSystem(kind, at))).rejects.toThrow(Fault);
        if (readdirSync(directory).includes("out") && readdirSync(path).length > 0) {
          expect(readFileSync(join(path, "a/b/one.yaml"), "utf8")).toBe("one");
          expect(readFileSync(join(path, "two.yaml"), "utf8")).toBe("two");
          continue;
        }
        await write();
        checkTree();
      }
    },
  );
});

test("a tree with owners and modes appears whole, or not at all", async () => {
  const place = join(directory, "placed");
  const file = {
    type: "file",
    mode: 0o644,
    content: Buffer.from("a"),
    uid: process.getuid!(),
    gid: process.getgid!(),
  } as const;
  {
    using tree = await openFileTree(place, { command: "backup restore" });
    expect(await tree.place("deep/a", file)).toBe(true);
    expect(existsSync(place)).toBe(false);
  }
  expect(readdirSync(directory)).toEqual([]);
  using tree = await openFileTree(place, { command: "backup restore" });
  await tree.place("deep/a", file);
  await tree.place("b", { type: "link", target: "deep/a", uid: file.uid, gid: file.gid });
  await tree.commit();
  expect(readFileSync(join(place, "b"), "utf8")).toBe("a");
  expect(statSync(join(place, "deep/a")).mode & 0o777).toBe(0o644);
  expect(statSync(place).mode & 0o777).toBe(0o700);
});
