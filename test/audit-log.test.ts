/** The audit log: what a run leaves in it, and that nothing that changes something can be forgotten. */
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { withAuditTrail } from "../src/io/audit/audit-trail.ts";
import { realFileSystem } from "../src/io/files/durable/file-system.ts";
import { makeTemporaryDirectory } from "../src/io/files/durable/temporary-directory.ts";
import { openJournal } from "../src/io/network/journal-stream.ts";
import { kubemend } from "./kubemend.ts";

const ROOT = mkdtempSync(join(tmpdir(), "audit-log-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));
const SNAPSHOT = join(import.meta.dirname, "../examples/self-hosted-cluster.db.gz");

interface Line {
  readonly run: string;
  readonly command: string;
  readonly event: string;
  readonly action?: string;
  readonly target?: string;
  readonly outcome?: string;
  readonly exitCode?: number;
  readonly error?: string;
  readonly changes?: number;
  readonly actor: { readonly pid: number; readonly uid?: number; readonly sudoUser?: string; readonly pod?: string };
  readonly evidence?: readonly Readonly<Record<string, unknown>>[];
}

function folder(): string {
  return mkdtempSync(join(ROOT, "run-"));
}

function linesOf(path: string): Line[] {
  const text = readFileSync(path, "utf8");
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

describe("a run", () => {
  test("leaves who changed what, on which evidence, and how it ended", async () => {
    const cwd = folder();
    const env = { KUBEMEND_AUDIT_LOG: "log/audit.log", SUDO_USER: "alice", POD_NAME: "p", POD_NAMESPACE: "n" };
    const { code } = await kubemend(cwd, ["snapshot", "restore", SNAPSHOT, "--data-dir", join(cwd, "data")], env);
    expect(code).toBe(0);
    const [change, end, ...more] = linesOf(join(cwd, "log/audit.log"));
    expect(more).toEqual([]);
    expect(change).toMatchObject({
      command: "snapshot restore",
      event: "change",
      action: "write",
      target: join(cwd, "data"),
      actor: { pid: process.pid, sudoUser: "alice", pod: "n/p" },
      evidence: [{ snapshot: SNAPSHOT, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
    });
    expect(end).toMatchObject({ run: change?.run, event: "end", outcome: "done", exitCode: 0, changes: 1 });
    expect(statSync(join(cwd, "log/audit.log")).mode & 0o777).toBe(0o600);
  });

  test("that only reads leaves nothing", async () => {
    const cwd = folder();
    for (const argv of [["snapshot", "status", SNAPSHOT], ["--help"], ["snapshot", "restore"]])
      await kubemend(cwd, argv, { KUBEMEND_AUDIT_LOG: "audit.log" });
    expect(globSync("*", { cwd })).toEqual([]);
  });

  test("that fails before it has changed anything leaves nothing", async () => {
    const cwd = folder();
    mkdirSync(join(cwd, "data/member"), { recursive: true });
    writeFileSync(join(cwd, "data/member/x"), "");
    const { code } = await kubemend(cwd, ["snapshot", "restore", SNAPSHOT, "--data-dir", join(cwd, "data")], {
      KUBEMEND_AUDIT_LOG: "audit.log",
    });
    expect(code).toBe(1);
    expect(globSync("*", { cwd })).toEqual(["data"]);
  });

  test("adds to what is there, also behind half a line", async () => {
    const cwd = folder();
    writeFileSync(join(cwd, "audit.log"), '{"half":');
    await kubemend(cwd, ["snapshot", "restore", SNAPSHOT, "--data-dir", join(cwd, "data")], {
      KUBEMEND_AUDIT_LOG: "audit.log",
    });
    const lines = readFileSync(join(cwd, "audit.log"), "utf8").split("\n");
    expect(lines[0]).toBe('{"half":');
    expect(JSON.parse(lines[1] ?? "")).toMatchObject({ event: "change" });
  });

  test.each([
    ["a full disk", () => "/dev/full", /no space left/],
    [
      "a link in its place",
      (cwd: string) => {
        symlinkSync("elsewhere", join(cwd, "link"));
        return "link";
      },
      /too many symbolic links/,
    ],
  ])("is not held up by %s, and says so once", async (_, placeIn, why) => {
    const cwd = folder();
    const { code, stderr } = await kubemend(cwd, ["snapshot", "restore", SNAPSHOT, "--data-dir", join(cwd, "data")], {
      KUBEMEND_AUDIT_LOG: placeIn(cwd),
    });
    expect(code).toBe(0);
    expect(stderr.match(/the audit log is not written/g)).toHaveLength(1);
    expect(stderr).toMatch(why);
    // One line, however many changes there are.
    expect(stderr).not.toContain('{"time"');
  });

  test.each([
    ["behind the command", (restore: readonly string[]) => [...restore, "--audit-log", "here.log"]],
    ["in front of it", (restore: readonly string[]) => ["--audit-log=here.log", ...restore]],
  ])("goes where --audit-log says, %s, whatever the environment says", async (_, argv) => {
    const cwd = folder();
    const restore = ["snapshot", "restore", SNAPSHOT, "--data-dir", join(cwd, "data")];
    expect(await kubemend(cwd, argv(restore), { KUBEMEND_AUDIT_LOG: "there.log" })).toMatchObject({ code: 0 });
    const lines = linesOf(join(cwd, "here.log"));
    expect(lines.map(({ event, command }) => `${command}: ${event}`)).toEqual([
      "snapshot restore: change",
      "snapshot restore: end",
    ]);
    expect(globSync("*", { cwd }).sort()).toEqual(["data", "here.log"]);
  });

  test("an --audit-log without a place is wrong usage, and off records nothing", async () => {
    const cwd = folder();
    const argv = ["snapshot", "restore", SNAPSHOT, "--data-dir", join(cwd, "data"), "--audit-log"];
    expect(await kubemend(cwd, argv)).toMatchObject({ code: 2, stderr: expect.stringContaining("--audit-log") });
    expect(await kubemend(cwd, [...argv, "off"], { KUBEMEND_AUDIT_LOG: "there.log" })).toMatchObject({ code: 0 });
    expect(globSync("*", { cwd })).toEqual(["data"]);
  });

  test("writes to stderr, for pods", async () => {
    const cwd = folder();
    const { stderr } = await kubemend(cwd, ["snapshot", "restore", SNAPSHOT, "--data-dir", join(cwd, "data")], {
      KUBEMEND_AUDIT_LOG: "stderr",
    });
    expect(stderr).toMatch(/"event":"change".*\n(.*\n)*.*"event":"end"/);
    expect(stderr).not.toContain("warning: the audit log");
  });
});

test("repositories: objects that are added once, each that is removed", async () => {
  const cwd = folder();
  const env = { KUBEMEND_AUDIT_LOG: join(cwd, "audit.log") };
  const store = join(cwd, "store");
  const init = ["backup", "init", store, "--signing-key", join(cwd, "key"), "--identity", join(cwd, "identity")];
  expect(await kubemend(cwd, init, env)).toMatchObject({ code: 0 });
  const actions = linesOf(join(cwd, "audit.log")).map(({ action, target }) => `${action} ${target}`);
  expect(actions).toContain(`add objects ${store}`);
});

test("files: what gets a name, what loses it, and nothing that is staged", async () => {
  const cwd = folder();
  const seen: string[] = [];
  const trail = {
    change: ({ action, target, from }: { action: string; target: string; from?: string }) =>
      seen.push(
        [action, target, from]
          .filter((each) => each !== undefined)
          .join(" ")
          .replaceAll(`${cwd}/`, ""),
      ),
    evidence: () => {},
  };
  await withAuditTrail(trail, async () => {
    const make = (name: string) => realFileSystem.create(join(cwd, name), 0o600).close();
    make("a");
    make(".b.kubemend-0123456789abcdef");
    realFileSystem.rename(join(cwd, ".b.kubemend-0123456789abcdef"), join(cwd, "b"));
    make("c.draft");
    realFileSystem.rename(join(cwd, "c.draft"), join(cwd, "c"));
    realFileSystem.rename(join(cwd, "c"), join(cwd, "d"));
    realFileSystem.rename(join(cwd, "d"), join(cwd, ".d.kubemend-moved"));
    realFileSystem.remove(join(cwd, ".d.kubemend-moved"));
    realFileSystem.remove(join(cwd, "a"));
    realFileSystem.remove(join(cwd, "never"));
    // Names like ours of somebody else: only what this run has made is its own.
    mkdirSync(join(cwd, "kubemend-work.part"));
    make("kubemend-work.part/e");
    using temporary = makeTemporaryDirectory("kubemend-test-", cwd);
    realFileSystem.create(join(temporary.path, "f"), 0o600).close();
  });
  const expected = ["create a", "write b", "write c", "write d c", "move aside d", "remove a"];
  expect(seen).toEqual([...expected, "create kubemend-work.part/e"]);
});

test("the journal gets a header, then a line a message", async () => {
  const path = join(folder(), "socket");
  const got: Buffer[] = [];
  const ended = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    socket.on("data", (chunk) => got.push(chunk));
    socket.on("end", () => ended.resolve());
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const journal = openJournal("kubemend", path);
  await journal.append("one");
  await journal.append("two");
  await journal.close();
  await ended.promise;
  server.close();
  expect(Buffer.concat(got).toString()).toBe("kubemend\n\n6\n0\n0\n0\n0\none\ntwo\n");
  await expect(openJournal("kubemend", join(ROOT, "none")).append("x")).rejects.toMatchObject({ code: "unsupported" });
});

/**
 * Whatever starts a program or ends a process may change something: each such file records it, or is named here with
 * why it changes nothing that lasts.
 */
const CHANGES_NOTHING: Readonly<Record<string, string>> = {
  "cli/main.ts": "hands Ctrl-C to itself",
  "operations/backup/drill.ts": "an etcd in a folder of its own, gone when the drill is over",
  "operations/cluster/node/place-data.ts": "tar, into a folder that the durable writer gives its name",
  "operations/cluster/gather-survivors.ts": "tar, into a temporary folder",
  "io/ssh/ssh.ts": "kubemend on another machine, which records there what it changes",
  "io/stores/sftp-connection.ts": "an SFTP store, whose changes are recorded as a store's",
  "io/files/durable/flock.ts": "flock, for a lock of this run",
  "io/files/durable/file-system.ts": "cp, into a folder that gets its name by a rename",
  "io/api-server/exec-credential.ts": "a plugin that prints credentials",
};

test("whatever starts or ends programs records it", () => {
  const src = join(import.meta.dirname, "../src");
  const found = globSync("**/*.ts", { cwd: src }).filter((path) => {
    const text = readFileSync(join(src, path), "utf8");
    return !path.endsWith(".test.ts") && /node:child_process|process\.kill\(/.test(text);
  });
  expect(found.length).toBeGreaterThan(8);
  const silent = found.filter((path) => !readFileSync(join(src, path), "utf8").includes("recordChange("));
  const known = Object.keys(CHANGES_NOTHING).filter((path) => silent.includes(path));
  expect(silent.filter((path) => CHANGES_NOTHING[path] === undefined)).toEqual([]);
  expect(known.sort()).toEqual(Object.keys(CHANGES_NOTHING).sort());
});
