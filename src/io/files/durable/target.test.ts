import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { nativeFlock, tryLock } from "./flock.ts";
import { openTarget, remoteFileSystem, type TargetOptions } from "./target.ts";

let directory: string;
let path: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "target-"));
  path = join(directory, "out");
});
afterEach(async () => {
  for (const child of children.splice(0)) await end(child);
  rmSync(directory, { recursive: true });
});

const TREE: TargetOptions = { command: "snapshot restore", kind: "tree" };
const isRoot = process.geteuid?.() === 0;

/** Another process that has the target open, until it is ended. */
async function hold(): Promise<ChildProcess> {
  const module = join(import.meta.dirname, "target.ts");
  const text = `
    import { openTarget } from ${JSON.stringify(module)};
    openTarget(${JSON.stringify(path)}, { command: "etcd salvage", kind: "tree" });
    process.stdout.write("held\\n");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", text], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  await once(child.stdout!, "data");
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

describe("flock", () => {
  const ways = [
    ["by a call", nativeFlock()],
    ["by the program", null],
  ] as const;
  test.each(ways.filter(([name, flock]) => name !== "by a call" || flock !== null))("%s", (_, flock) => {
    const file = join(directory, "lock");
    const [one, other] = [openSync(file, "a"), openSync(file, "a")];
    expect([tryLock(one, flock), tryLock(other, flock), tryLock(one, flock)]).toEqual(["ours", "others", "ours"]);
    closeSync(one);
    expect(tryLock(other, flock)).toBe("ours");
    closeSync(other);
  });

  test("both ways are one lock", () => {
    if (nativeFlock() === null) return;
    const file = join(directory, "lock");
    const [one, other] = [openSync(file, "a"), openSync(file, "a")];
    expect([tryLock(one, null), tryLock(other)]).toEqual(["ours", "others"]);
    closeSync(one);
    closeSync(other);
  });
});

describe("a target", () => {
  test("leaves nothing when it is closed, and can be opened again", () => {
    for (let i = 0; i < 2; i++) {
      using target = openTarget(path, TREE);
      expect(target.path).toBe(path);
      expect(readdirSync(directory)).toEqual([".out.kubemend-lock"]);
    }
    expect(readdirSync(directory)).toEqual([]);
  });

  test.each(["absent", "a directory"])("that another process has open is named with that process: %s", async (what) => {
    if (what !== "absent") mkdirSync(path);
    const holder = await hold();
    expect(() => openTarget(path, TREE)).toThrow(
      expect.objectContaining({
        code: "target-locked",
        message: expect.stringMatching(
          new RegExp(`being written by process ${holder.pid} on "${hostname()}" \\(kubemend etcd salvage\\), since 2`),
        ),
      }),
    );
    await end(holder);
    // What it left locks nothing.
    expect(readdirSync(directory)).toContain(".out.kubemend-lock");
    openTarget(path, TREE)[Symbol.dispose]();
    expect(readdirSync(directory)).toEqual(what === "absent" ? [] : ["out"]);
  });

  test("that has another name by now is given back all the same", () => {
    mkdirSync(path);
    const target = openTarget(path, TREE);
    renameSync(path, `${path}.before`);
    mkdirSync(path);
    target[Symbol.dispose]();
    expect(readdirSync(`${path}.before`)).toEqual([]);
    expect(readdirSync(path)).toEqual([]);
  });

  test("that came after this run had begun is another run's", () => {
    const startedAt = Date.now() - 1000;
    mkdirSync(path);
    expect(() => openTarget(path, { ...TREE, startedAt })).toThrow(
      expect.objectContaining({
        code: "target-locked",
        message: expect.stringContaining("was changed by another run"),
      }),
    );
    openTarget(path, { ...TREE, startedAt: Date.now() + 1000 })[Symbol.dispose]();
  });

  test("is not locked by what is no lock, nor written through a link", () => {
    writeFileSync(join(directory, "precious"), "precious");
    symlinkSync("precious", join(directory, ".out.kubemend-lock"));
    expect(() => openTarget(path, TREE)).toThrow(expect.objectContaining({ code: "already-exists" }));
    expect(readFileSync(join(directory, "precious"), "utf8")).toBe("precious");
    rmSync(join(directory, ".out.kubemend-lock"));
    mkdirSync(join(directory, ".out.kubemend-lock"));
    expect(() => openTarget(path, TREE)).toThrow(expect.objectContaining({ code: "already-exists" }));
  });

  test("tells nothing that a holder may have made up", () => {
    const lock = join(directory, ".out.kubemend-lock");
    writeFileSync(lock, JSON.stringify({ pid: 1, host: "\u001b[2J", command: "etcd salvage", since: "now" }));
    const descriptor = openSync(lock, "r+");
    expect(tryLock(descriptor)).toBe("ours");
    expect(() => openTarget(path, TREE)).toThrow(
      expect.objectContaining({ message: `"${path}" is being written by another run` }),
    );
    closeSync(descriptor);
  });

  test.runIf(isRoot)("is not kept from root by a file of another user's", () => {
    const lock = join(directory, ".out.kubemend-lock");
    writeFileSync(lock, "");
    chownSync(lock, 1000, 1000);
    const descriptor = openSync(lock, "r");
    openTarget(path, TREE)[Symbol.dispose](); // nobody holds it: ours takes its place
    expect(readdirSync(directory)).toEqual([]);
    writeFileSync(lock, "");
    chownSync(lock, 1000, 1000);
    const held = openSync(lock, "r");
    expect(tryLock(held)).toBe("ours");
    expect(() => openTarget(path, TREE)).toThrow(/being written by another run of user 1000/);
    for (const each of [descriptor, held]) closeSync(each);
  });

  test("lies where a link leads, if that is asked for", () => {
    mkdirSync(join(directory, "disk"));
    mkdirSync(join(directory, "disk/real"));
    symlinkSync("disk/real", path);
    using target = openTarget(path, { ...TREE, followLinks: true });
    expect(target.path).toBe(join(directory, "disk/real"));
  });
});

describe.runIf(isRoot)("the directory that it lies in", () => {
  const untrusted = (text: RegExp) =>
    expect.objectContaining({ code: "directory-untrusted", message: expect.stringMatching(text) });

  test("belongs to root, to us, or to whom sudo was called by", () => {
    chownSync(directory, 1000, 1000);
    expect(() => openTarget(path, TREE)).toThrow(untrusted(/it belongs to user 1000/));
    expect(readdirSync(directory)).toEqual([]);
    process.env.SUDO_UID = "1000";
    try {
      openTarget(path, TREE)[Symbol.dispose]();
    } finally {
      delete process.env.SUDO_UID;
    }
    openTarget(path, { ...TREE, alsoOwner: (uid) => uid === 1000 })[Symbol.dispose]();
  });

  test("and so does every directory above it", () => {
    mkdirSync(join(directory, "theirs/ours"), { recursive: true });
    chownSync(join(directory, "theirs"), 1000, 1000);
    const options = { ...TREE, alsoOwner: () => true };
    expect(() => openTarget(join(directory, "theirs/ours/out"), options)).toThrow(
      untrusted(/theirs" cannot be trusted/),
    );
    symlinkSync("theirs/ours", join(directory, "link"));
    expect(() => openTarget(join(directory, "link/out"), options)).toThrow(untrusted(/theirs" cannot be trusted/));
  });

  test("is not found through a link that anybody could make", () => {
    chmodSync(directory, 0o1777);
    mkdirSync(join(directory, "ours"));
    symlinkSync("ours", join(directory, "link"));
    openTarget(join(directory, "link/out"), TREE)[Symbol.dispose]();
    symlinkSync("ours", join(directory, "theirs"));
    lchownSync(join(directory, "theirs"), 1000, 1000);
    expect(() => openTarget(join(directory, "theirs/out"), TREE)).toThrow(untrusted(/the link belongs to user 1000/));
  });

  test("is nobody else's to write to, where that is asked for", () => {
    const strict = { ...TREE, strict: true };
    chmodSync(directory, 0o777);
    openTarget(path, TREE)[Symbol.dispose]();
    expect(() => openTarget(path, strict)).toThrow(untrusted(/everybody may write to it \(mode 0777\)/));
    chmodSync(directory, 0o770);
    openTarget(path, strict)[Symbol.dispose](); // root's group
    chownSync(directory, 0, 1000);
    expect(() => openTarget(path, strict)).toThrow(untrusted(/group 1000 may write to it/));
    chmodSync(directory, 0o1777);
    openTarget(path, strict)[Symbol.dispose]();
  });
});

test("file systems whose locks another machine may not see have a name", () => {
  expect(remoteFileSystem(0x6969)).toBe("NFS");
  expect(remoteFileSystem(0xff534d42 | 0)).toBe("SMB"); // statfs(2) may give it as a negative number
  expect(remoteFileSystem(0xef53)).toBeUndefined(); // ext4
});
