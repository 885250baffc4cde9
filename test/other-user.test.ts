/**
 * What another user of the machine prepares where we write: nothing is written, removed or believed there, and it is
 * said why. The other user is number 65534.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  linkSync,
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
import { createAppendLog } from "../src/io/files/durable/append-log.ts";
import { openAuditFile } from "../src/io/files/durable/audit-file.ts";
import { makeTemporaryDirectory } from "../src/io/files/durable/temporary-directory.ts";
import { openOwnDirectory } from "../src/io/files/durable/trusted-directory.ts";
import { openSpool } from "../src/io/repository/spool.ts";
import { openDirectoryStore } from "../src/io/stores/directory-store.ts";
import { RECORD_NAME } from "../src/nodes/clean-record.ts";
import { setOwner } from "../src/operations/cluster/node/place-data.ts";
import { CleanWorld } from "./clean-world.ts";
import { kubemend } from "./kubemend.ts";
import { appendLinks } from "./power/append-links.ts";

const OTHER = 65534;

let directory: string;
/** A directory of the other user's. */
let theirs: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "other-user-"));
  chmodSync(directory, 0o755);
  theirs = join(directory, "theirs");
  mkdirSync(theirs);
  chownSync(theirs, OTHER, OTHER);
});
afterEach(() => rmSync(directory, { recursive: true }));

const untrusted = { code: "directory-untrusted", message: expect.stringContaining(`belongs to user ${OTHER}`) };

describe.runIf(process.geteuid?.() === 0)("a directory of another user's", () => {
  test("gets no undo file", () => {
    expect(() => createAppendLog(join(theirs, "undo"))).toThrow(expect.objectContaining(untrusted));
    expect(() => createAppendLog(join(theirs, "deeper/undo"))).toThrow(expect.objectContaining(untrusted));
    expect(readdirSync(theirs)).toEqual([]);
  });

  test("gets no temporary directory", () => {
    expect(() => makeTemporaryDirectory("kubemend-", theirs)).toThrow(expect.objectContaining(untrusted));
    expect(readdirSync(theirs)).toEqual([]);
  });

  test("gets no audit log, and no file of theirs is one", () => {
    expect(() => openAuditFile(join(theirs, "audit.log"))).toThrow(expect.objectContaining(untrusted));
    expect(readdirSync(theirs)).toEqual([]);
    const planted = join(directory, "audit.log");
    writeFileSync(planted, "", { mode: 0o666 });
    chownSync(planted, OTHER, OTHER);
    expect(() => openAuditFile(planted)).toThrow(expect.objectContaining({ code: "not-a-file" }));
    rmSync(planted);
    writeFileSync(join(directory, "file-of-root"), "content");
    linkSync(join(directory, "file-of-root"), planted);
    expect(() => openAuditFile(planted)).toThrow(expect.objectContaining({ code: "not-a-file" }));
    expect(readFileSync(join(directory, "file-of-root"), "utf8")).toBe("content");
  });

  test("gets no files of a node", async () => {
    const repository = join(directory, "repository");
    const keys = ["--signing-key", join(directory, "signing"), "--identity", join(directory, "identity")];
    expect((await kubemend(directory, ["backup", "init", repository, ...keys])).code).toBe(0);
    await appendLinks(directory, join(directory, "signing"));
    const restore = (to: string) =>
      kubemend(directory, ["backup", "restore", repository, ...keys.slice(2), "--node=node-1", `--files-dir=${to}`]);
    const { code, stderr } = await restore(theirs);
    expect([code, stderr]).toEqual([1, expect.stringContaining("cannot be trusted")]);
    expect(await restore(join(directory, "ours"))).toMatchObject({ code: 0 });
    expect(statSync(join(directory, "ours")).mode & 0o777).toBe(0o700);
  });
});

describe.runIf(process.geteuid?.() === 0)("a store in a directory of another user's", () => {
  const ours = (): string => {
    const path = join(directory, "ours");
    mkdirSync(path);
    writeFileSync(join(path, "kept"), "kept");
    return path;
  };
  const linkTo = (target: string, path: string): void => {
    symlinkSync(target, path);
    lchownSync(path, OTHER, OTHER);
  };

  test("is written, as a bucket is, but not through links of theirs", async () => {
    const store = openDirectoryStore(theirs);
    expect(await store.create("chain/1", Buffer.from("link"))).toBe(true);
    const target = ours();
    linkTo(target, join(theirs, "objects"));
    const refused = { code: "directory-untrusted", message: expect.stringContaining(`link belongs to user ${OTHER}`) };
    await expect(store.create("objects/1", Buffer.from("x"))).rejects.toMatchObject(refused);
    await expect(store.create("objects/deeper/1", Buffer.from("x"))).rejects.toMatchObject(refused);
    await expect(store.remove("objects/kept")).rejects.toMatchObject(refused);
    expect(readdirSync(target)).toEqual(["kept"]);
  });

  test("a pipe in place of an object holds nobody up", async () => {
    expect(spawnSync("mkfifo", [join(theirs, "repository.json")]).status).toBe(0);
    const store = openDirectoryStore(theirs);
    await expect(store.read("repository.json")).rejects.toMatchObject({ code: "not-a-file" });
    await expect(store.stream("repository.json")[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: "not-a-file",
    });
  });

  test("nothing is signed that they have put into the agent's spool", async () => {
    await expect(openSpool(theirs)).rejects.toMatchObject(untrusted);
    const spool = join(directory, "spool");
    mkdirSync(spool);
    chmodSync(spool, 0o777);
    const draft = join(spool, "0000000001.delta");
    writeFileSync(draft, "{}\n");
    await openSpool(spool);
    chownSync(draft, OTHER, OTHER);
    await expect(openSpool(spool)).rejects.toMatchObject({ code: "directory-untrusted" });
    rmSync(draft);
    linkTo(join(ours(), "kept"), draft);
    await expect(openSpool(spool)).rejects.toMatchObject({ code: "io" });
  });
});

describe.runIf(process.geteuid?.() === 0)("node clean, where everybody may make directories", () => {
  test("neither continues, removes nor takes back what another user has planted", async () => {
    using world = new CleanWorld();
    mkdirSync(world.keep);
    chmodSync(world.keep, 0o1777);
    await world.clean();
    const [own] = readdirSync(world.keep).filter((name) => name.startsWith("cleaned-"));
    const record = JSON.parse(readFileSync(join(world.keep, own!, RECORD_NAME), "utf8"));
    const plant = (name: string, text?: string): string => {
      const path = join(world.keep, name);
      mkdirSync(path);
      if (text !== undefined) writeFileSync(join(path, RECORD_NAME), text);
      chownSync(path, OTHER, OTHER);
      return path;
    };
    const target = world.path("elsewhere/secret");
    const moves = [{ what: "manifests", from: world.path("manifests/evil.yaml"), to: target }];
    const planted = plant("cleaned-20991231-000000", JSON.stringify({ ...record, state: "begun", moves }));
    const empty = plant("cleaned-20991231-000001");
    await world.undo();
    expect(readFileSync(target, "utf8")).toBe("not to be touched");
    expect(readdirSync(world.path("manifests")).sort()).toEqual(["etcd.yaml", "kube-apiserver.yaml"]);
    await world.clean(undefined, { time: Date.UTC(2027, 1, 1) });
    for (const path of [planted, empty]) expect(existsSync(path)).toBe(true);
    expect(readFileSync(target, "utf8")).toBe("not to be touched");
  });
});

describe.runIf(process.geteuid?.() === 0)("a directory that was just made in another user's", () => {
  test("is used only while it is that one", () => {
    const made = join(theirs, "made");
    mkdirSync(made, { mode: 0o700 });
    openOwnDirectory(made)[Symbol.dispose]();
    chownSync(made, OTHER, OTHER);
    expect(() => openOwnDirectory(made)).toThrow(expect.objectContaining({ code: "directory-untrusted" }));
    rmSync(made, { recursive: true });
    mkdirSync(join(directory, "ours"), { mode: 0o700 });
    symlinkSync(join(directory, "ours"), made);
    expect(() => openOwnDirectory(made)).toThrow();
  });

  test("is given away with what is in it, and with nothing that a link in it leads to", () => {
    const made = join(directory, "made");
    mkdirSync(join(made, "member"), { recursive: true });
    writeFileSync(join(directory, "file-of-root"), "");
    writeFileSync(join(made, "member/db"), "");
    symlinkSync(join(directory, "file-of-root"), join(made, "member/link"));
    setOwner(made, OTHER, OTHER);
    for (const name of [".", "member", "member/db"]) expect(statSync(join(made, name)).uid).toBe(OTHER);
    expect(statSync(join(directory, "file-of-root")).uid).toBe(0);
  });
});
