/**
 * `node clean` on directories, killed at every write, run again, and taken back. What it does to a kubelet and to
 * containers is in test/e2e.
 */

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, renameSync, rmdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { input } from "../src/errors/input.ts";
import { openTarget } from "../src/io/files/durable/target.ts";
import { prepareClean } from "../src/operations/clean/clean.ts";
import { prepareUndo } from "../src/operations/clean/undo-clean.ts";
import { CleanWorld, hasOtherDisk } from "./clean-world.ts";
import { Fault, faultyFileSystem } from "./faulty-file-system.ts";
import { kubemend } from "./kubemend.ts";

const SOURCES = ["manifests", "kubelet/pods", "etcd"];
const PLACES: Readonly<Record<string, string>> = {
  manifests: "moved/manifests",
  "kubelet/pods": "moved/pods",
  etcd: "moved/etcd-0",
};

/** Everything that was there is in the clean's directory, unchanged, and nothing is left where it was. */
function expectCleaned(world: CleanWorld, before: Record<string, string>): void {
  const after = world.contents();
  const cleaned = world.cleaned();
  for (const source of SOURCES) {
    for (const [path, content] of Object.entries(before)) {
      if (!path.startsWith(`${source}/`)) continue;
      expect(after[path], path).toBeUndefined();
      expect(cleaned[`${PLACES[source]}${path.slice(source.length)}`], path).toBe(content);
    }
  }
  expect(Object.keys(after).filter((path) => !(path in before))).toEqual([]); // no drafts either
  expect(Object.keys(cleaned).filter((path) => /partial|kubemend-moved|draft/.test(path))).toEqual([]);
  for (const [path, content] of Object.entries(after)) expect(content).toBe(before[path]);
}

test("moves everything, keeps logs and a verified backup, and comes back", async () => {
  using world = new CleanWorld();
  const before = world.contents();
  const result = await world.clean();
  expectCleaned(world, before);
  expect(result.directory).toBe(join(world.keep, "cleaned-20261121T120305Z"));
  expect(result.steps).toEqual(["archive-logs", "back-up-etcd", "move-manifests", "move-pods", "move-etcd"]);
  const [backup] = result.backups;
  expect(backup).toMatchObject({ ok: true, objects: 3, revision: 4 });
  expect(readFileSync(backup!.file)).toEqual(readFileSync(join(result.directory, "moved/etcd-0/member/snap/db")));
  expect(statSync(result.directory).mode & 0o777).toBe(0o700);
  expect(statSync(backup!.file).mode & 0o777).toBe(0o600);

  const tar = (...words: string[]) => execFileSync("tar", ["-xzf", result.logs!, ...words], { encoding: "utf8" });
  expect(tar("-O", "containers/web_default_web-1.log")).toBe("2026-11-21T11:00:00Z stdout F hello\n");
  const listed = execFileSync("tar", ["-tvzf", result.logs!], { encoding: "utf8" });
  expect(listed).toContain(`containers/leads-out.log -> ${world.path("elsewhere/secret")}`);
  expect(listed).toContain("containers/gone.log -> /var/log/pods/gone");

  const again = await prepareClean(world.options());
  expect(again.plan.steps).toEqual([]);
  const undone = await world.undo();
  expect(undone.back).toHaveLength(5);
  expect(world.contents()).toEqual(before);
  await expect(prepareUndo(world.options())).rejects.toMatchObject({ code: "not-found" });
});

test("backs up each of several members, under names of their own", async () => {
  using world = new CleanWorld();
  const members = ["etcd", "etcd/main", "etcd/a-b", "etcd/a/b"];
  for (const [i, member] of members.entries()) {
    if (i > 0) cpSync(world.path("etcd/member"), world.path(member, "member"), { recursive: true });
  }
  const { backups } = await world.clean();
  expect(backups.map(({ database }) => database).sort()).toEqual(
    members.map((member) => world.path(member, "member/snap/db")).sort(),
  );
  const name = (member: string) => `${world.path(member).slice(1).replaceAll("/", "-")}`;
  expect(backups.map(({ file }) => basename(file)).sort()).toEqual(
    [`${name("etcd")}.db`, `${name("etcd/main")}.db`, `${name("etcd/a-b")}.db`, `${name("etcd/a-b")}~2.db`].sort(),
  );
  for (const { file, bytes } of backups) expect(statSync(file).size).toBe(bytes);
});

test("purges what was moved, and keeps logs and backup", async () => {
  using world = new CleanWorld();
  const result = await world.clean(undefined, { purge: true });
  expect(Object.keys(world.cleaned()).sort()).toEqual([
    "containerlogs.tgz",
    "etcd-backup",
    `etcd-backup/${world.path("etcd").slice(1).replaceAll("/", "-")}.db`,
    "manifest.json",
  ]);
  expect(result.purged).toBe(true);
  await expect(prepareUndo({ ...world.options(), name: result.directory })).rejects.toMatchObject({
    message: `what "${result.directory}" had moved was purged`,
  });
});

describe.each([
  ["on the same disk", false],
  ["to another disk", true],
] as const)("killed at each write, %s", (_, otherDisk) => {
  async function operationsOf(run: (world: CleanWorld, fs: ReturnType<typeof faultyFileSystem>) => Promise<unknown>) {
    using world = new CleanWorld(otherDisk);
    const counting = faultyFileSystem("crash", Number.POSITIVE_INFINITY);
    await run(world, counting);
    return counting.operations();
  }

  test.skipIf(otherDisk && !hasOtherDisk)("and run again, or taken back", { timeout: 600_000 }, async () => {
    const operations = await operationsOf((world, fs) => world.clean(fs));
    expect(operations).toBeGreaterThan(20);
    for (let at = 1; at <= operations; at++) {
      // Both ways out at every write take a minute: each write has one here and the other one on the other disk.
      const thens = hasOtherDisk ? [at % 2 === (otherDisk ? 0 : 1) ? "again" : "undo"] : ["again", "undo"];
      for (const then of thens) {
        using world = new CleanWorld(otherDisk);
        const before = world.contents();
        await expect(world.clean(faultyFileSystem("crash", at)), `crash at ${at}`).rejects.toThrow(Fault);
        if (then === "again") {
          await world.clean();
          expectCleaned(world, before);
        } else {
          await world.undo().catch((error) => expect(error).toMatchObject({ code: "not-found" }));
          expect(world.contents(), `crash at ${at}`).toEqual(before);
        }
      }
    }
  });

  test.skipIf(otherDisk && !hasOtherDisk)("while it is taken back", { timeout: 600_000 }, async () => {
    let cleaned = 0;
    const operations = await operationsOf(async (world, fs) => {
      await world.clean();
      await world.undo(fs);
    });
    for (let at = 1; at <= operations; at++) {
      using world = new CleanWorld(otherDisk);
      const before = world.contents();
      await world.clean();
      await expect(world.undo(faultyFileSystem("crash", at))).rejects.toThrow(Fault);
      await world.undo().catch((error) => expect(error).toMatchObject({ code: "not-found" })); // it was over
      expect(world.contents(), `crash at ${at}`).toEqual(before);
      cleaned++;
    }
    expect(cleaned).toBe(operations);
  });
});

test("a disk that fills up: nothing is lost, and the next run continues", { timeout: 600_000 }, async () => {
  for (let at = 1; ; at++) {
    using world = new CleanWorld();
    const before = world.contents();
    const failing = faultyFileSystem("fail", at);
    const failed = await world.clean(failing).catch((error: unknown) => error);
    if (!(failed instanceof Fault)) {
      expect(at).toBeGreaterThan(20);
      return;
    }
    await world.clean();
    expectCleaned(world, before);
  }
});

test("refuses etcd data that does not verify, before anything goes", async () => {
  using world = new CleanWorld();
  const path = world.path("etcd/member/snap/db");
  const bytes = readFileSync(path);
  bytes.fill(0xff, 8192);
  writeFileSync(path, bytes);
  const before = world.contents();
  await expect(world.clean()).rejects.toMatchObject({
    code: "snapshot-damaged",
    message: expect.stringContaining(`etcd's database in "${world.path("etcd")}" does not verify`),
  });
  expect(world.contents()).toEqual(before);
  const result = await world.clean(undefined, { allowDamagedEtcd: true });
  expect(result.backups[0]!.ok).toBe(false);
  expect(readFileSync(result.backups[0]!.file)).toEqual(bytes);
  expectCleaned(world, before);
});

test("refuses directories that are links, and follows none inside", async () => {
  using world = new CleanWorld();
  renameSync(world.path("manifests"), world.path("elsewhere/manifests"));
  symlinkSync(world.path("elsewhere/manifests"), world.path("manifests"));
  await expect(world.clean()).rejects.toMatchObject({
    code: "usage",
    message: `"${world.path("manifests")}" leads to "${world.path("elsewhere/manifests")}" by a symbolic link, which is not followed`,
    hint: `if that is the place, pass ${input("podManifestPath")} ${world.path("elsewhere/manifests")}`,
  });
});

test("nothing goes back through a directory that has become a link", async () => {
  using world = new CleanWorld();
  await world.clean();
  rmdirSync(world.path("manifests"));
  symlinkSync(world.path("elsewhere"), world.path("manifests"));
  const cleaned = world.cleaned();
  await expect(world.undo()).rejects.toMatchObject({
    code: "usage",
    message: `"${world.path("manifests")}" leads to "${world.path("elsewhere")}" by a symbolic link, which is not followed`,
  });
  expect(world.cleaned()).toEqual(cleaned);
  expect(world.contents()["elsewhere/kube-apiserver.yaml"]).toBeUndefined();
});

test.each([
  [
    "etcd's data in a directory of other things",
    { etcd: ["."] },
    '"ROOT" holds what is not etcd\'s: "elsewhere", "kubelet", "log", and 1 more',
  ],
  ["nothing of etcd's", { etcd: ["kubelet"] }, '"ROOT/kubelet" holds what is not etcd\'s: "pods"'],
  [
    "manifests a level too high",
    { manifests: "." },
    '"ROOT/elsewhere" would be moved, and "ROOT/elsewhere/log" with it',
  ],
  [
    "what was moved below pods",
    { keep: "kubelet/pods/u1/keep" },
    '"ROOT/kubelet/pods/u1" would be moved, and "ROOT/kubelet/pods/u1/keep" with it',
  ],
  [
    "what was moved in etcd's data",
    { keep: "etcd/member/keep" },
    '"ROOT/etcd/member" would be moved, and "ROOT/etcd/member/keep" with it',
  ],
] as const)("refuses directories that lie in each other or are others': %s", async (_, places, text) => {
  using world = new CleanWorld();
  const before = world.contents();
  const at = Object.entries(places).map(([name, path]) => [
    name,
    typeof path === "string" ? world.path(path) : (path as readonly string[]).map((each) => world.path(each)),
  ]);
  const wanted = { logs: world.path("elsewhere/log"), ...Object.fromEntries(at) };
  await expect(world.clean(undefined, wanted)).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining(text.replaceAll("ROOT", world.root)),
  });
  expect(world.contents()).toEqual(before);
});

test("of a directory that was named, only what etcd writes is moved; also when it continues", async () => {
  using world = new CleanWorld();
  world.write("etcd/notes.txt", "not etcd's");
  const before = world.contents();
  const whole = faultyFileSystem("crash", Number.POSITIVE_INFINITY);
  {
    using other = new CleanWorld();
    await other.clean(whole);
  }
  // As the record begins to be saved that says that all is done.
  const last = faultyFileSystem("crash", whole.operations() - 6);
  await expect(world.clean(last)).rejects.toThrow(Fault);
  const { backups } = await world.clean();
  expect(backups).toHaveLength(1);
  const after = world.contents();
  expect(after["etcd/notes.txt"]).toBe(before["etcd/notes.txt"]);
  expect(after["etcd/member"]).toBeUndefined();
});

test("what has come after the clean is not overwritten", async () => {
  using world = new CleanWorld();
  await world.clean();
  world.write("manifests/etcd.yaml", "another\n");
  await expect(world.undo()).rejects.toMatchObject({
    code: "already-exists",
    message: `"${world.path("manifests/etcd.yaml")}" would be replaced, which came after the clean`,
  });
  renameSync(world.path("manifests/etcd.yaml"), world.path("elsewhere/etcd.yaml"));
  world.write("kubelet/pods/u1/new", "the kubelet made it again");
  const undone = await world.undo();
  expect(undone.replaced).toHaveLength(1);
  expect(readFileSync(join(undone.replaced[0]!.to, "new"), "utf8")).toBe("the kubelet made it again");
  expect(world.contents()["kubelet/pods/u1/new"]).toBeUndefined();
});

test("asks once, naming the node and what is deleted; and shows what comes back", async () => {
  using world = new CleanWorld();
  const before = world.contents();
  const places = [
    "--keep-in",
    world.keep,
    "--pod-manifest-path",
    world.path("manifests"),
    "--log-dir",
    world.path("log"),
  ];
  const more = ["--kubelet-dir", world.path("kubelet"), "--etcd-data-dir", world.path("etcd"), "--skip-containers"];
  const command = ["node", "clean", ...places, ...more, "--no-start-kubelet"];
  const asked: string[] = [];
  const answering = (answer: string) => ({
    ask: async (question: string) => {
      asked.push(question);
      return answer;
    },
  });
  const declined = await kubemend("/", [...command, "--purge"], {}, answering("n"));
  expect(declined.code).toBe(0);
  expect(declined.stderr).toMatch(/nothing was changed\n$/);
  expect(world.contents()).toEqual(before);
  expect(asked).toEqual([expect.stringMatching(/^Clean node ".+"\? What is removed is deleted for good\. \[y\/N\] $/)]);

  const cleaned = await kubemend("/", command, {}, answering("y"));
  expect(cleaned.code, cleaned.stderr).toBe(0);
  expect(cleaned.stdout).toMatch(/^moved .*\/moved +2 manifests, the state of 2 pods, etcd's data$/m);
  const preview = await kubemend("/", ["node", "clean", "--undo", "--dry-run", "--keep-in", world.keep]);
  expect(preview.stdout).toMatch(/: 5 things, \d+ kB, go back to where they were\n$/);
  const wrong = await kubemend("/", ["node", "clean", "--undo", "cleaned-1", "--keep-in", world.keep]);
  expect(wrong.stderr).toMatch(/^error: there is no "cleaned-1"\nwhere: .*\nhint: there are "cleaned-\d{8}T\d{6}Z"\n$/);
});

test("two cleans with something new in between are two directories, and the newest is taken back", async () => {
  using world = new CleanWorld();
  const first = await world.clean();
  world.write("manifests/new.yaml", "new\n");
  const second = await world.clean(undefined, { time: Date.UTC(2026, 10, 22) });
  expect(second.directory).not.toBe(first.directory);
  expect(second.moves.map(({ what }) => what)).toEqual(["manifests"]);
  expect((await world.undo()).directory).toBe(second.directory);
  expect((await world.undo()).directory).toBe(first.directory);
});

test("an interruption says how to continue", async () => {
  using world = new CleanWorld();
  const before = world.contents();
  const interruption = new AbortController();
  const report = (text: string): void => {
    world.reported.push(text);
    if (text.startsWith("moved 2 static")) interruption.abort(new Error("interrupted"));
  };
  await expect(world.clean(undefined, { signal: interruption.signal, report })).rejects.toThrow("interrupted");
  expect(world.reported.at(-1)).toBe(
    `not finished: kubemend node clean continues, kubemend node clean ${input("undo")} takes back what was moved`,
  );
  await world.clean();
  expectCleaned(world, before);
});

test("one at a time, and a record that is none is said", async () => {
  using world = new CleanWorld();
  mkdirSync(world.keep, { recursive: true });
  const other = openTarget(join(world.keep, "cleaned"), { command: "node clean", kind: "tree" });
  await expect(world.clean()).rejects.toMatchObject({
    code: "target-locked",
    message: expect.stringContaining(`is being written by process ${process.pid} on `),
  });
  other[Symbol.dispose]();
  const { directory } = await world.clean();
  writeFileSync(join(directory, "manifest.json"), "{}");
  await expect(world.undo()).rejects.toMatchObject({ code: "config-invalid" });
});
