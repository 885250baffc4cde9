/** `ready` with a real repository, and nodes that an `ssh` reaches which runs everything on this machine. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { kubemend, type Outcome } from "./kubemend.ts";

const ROOT = join(import.meta.dirname, "..");
const DIRECTORY = mkdtempSync(join(tmpdir(), "kubemend-ready-"));
afterAll(() => rmSync(DIRECTORY, { recursive: true }));
const REPOSITORY = join(DIRECTORY, "repository");
const IDENTITY = join(DIRECTORY, "identity");
const SIGNING = join(DIRECTORY, "signing.pem");

/** Everything before `--` is ssh's, the rest runs here; `dead` cannot be reached, and `bare` has no kubemend. */
const SSH = join(DIRECTORY, "ssh");
writeFileSync(
  SSH,
  `#!/bin/sh
while [ "$1" != "--" ]; do host="$1"; shift; done; shift
case "$host" in *dead*) echo "connection refused" >&2; exit 255;; esac
case "$host:$*" in *bare:*kubemend*) echo "kubemend: not found" >&2; exit 127;; esac
exec sh -c "$*"
`,
);
chmodSync(SSH, 0o755);
const PROGRAM = join(DIRECTORY, "kubemend");
const ACCESS = ["--ssh-command", SSH, "--node-command", PROGRAM];

interface Check {
  readonly code: string;
  readonly state: string;
  readonly text: string;
  readonly todo: string | null;
}

const run = (...argv: readonly string[]): Promise<Outcome> => kubemend(DIRECTORY, argv);

async function ready(...argv: readonly string[]): Promise<{ code: number; checks: Map<string, Check> }> {
  const { code, stdout } = await run("ready", ...argv, ...ACCESS, "-o", "json");
  const { checks } = JSON.parse(stdout) as { checks: readonly Check[] };
  return { code, checks: new Map(checks.map((each) => [each.code, each])) };
}

beforeAll(async () => {
  const list = JSON.stringify({ certificates: [{ name: "admin.conf", state: "expires" }] });
  writeFileSync(
    PROGRAM,
    `#!/bin/sh
if [ "$1" = --version ]; then echo 9.9.9; else echo '${list}'; fi
`,
  );
  chmodSync(PROGRAM, 0o755);
  const made = await run("backup", "init", REPOSITORY, "--signing-key", SIGNING, "--identity", IDENTITY);
  expect(made).toMatchObject({ code: 0 });
  const snapshot = join(ROOT, "test/fixtures/kubeadm-k120/snapshot.db.gz");
  const imported = await run("backup", "import", REPOSITORY, snapshot, "--signing-key", SIGNING);
  expect(imported).toMatchObject({ code: 0 });
});

test("what was seen is ready or not, and what was not seen is unknown", async () => {
  const { code, checks } = await ready(REPOSITORY, "--identity", IDENTITY, "--node", "cp1=here");
  expect(code).toBe(1);
  expect(checks.get("backup-opens")).toMatchObject({ state: "ready", todo: null });
  expect(checks.get("backup-verified")).toMatchObject({ state: "not-ready", text: "never verified" });
  expect(checks.get("backup-node-files")).toMatchObject({ state: "not-ready" });
  expect(checks.get("node-access")).toMatchObject({ state: "ready" });
  expect(checks.get("node-executable")).toMatchObject({ state: "ready", text: "kubemend 9.9.9 is on cp1" });
  expect(checks.get("node-certificates")).toMatchObject({ state: "not-ready", text: "cp1: admin.conf (expires)" });
});

test("an identity of another repository does not open it, and none is unknown", async () => {
  const other = join(DIRECTORY, "other");
  await run("backup", "init", join(DIRECTORY, "second"), "--signing-key", `${SIGNING}2`, "--identity", other);
  const { checks } = await ready(REPOSITORY, "--identity", other, "--node", "cp1=here");
  expect(checks.get("backup-opens")).toMatchObject({ state: "not-ready" });
  const none = await ready(REPOSITORY, "--node", "cp1=here");
  expect(none.checks.get("backup-opens")).toMatchObject({ state: "unknown" });
});

test("a node that cannot be reached, and one without the executable", async () => {
  const { checks } = await ready(REPOSITORY, "--node", "cp1=here", "--node", "cp2=dead", "--node-command", "kubemend");
  expect(checks.get("node-access")).toMatchObject({
    state: "not-ready",
    text: expect.stringMatching(/^cp2: .*connection refused/),
    todo: "ssh dead sudo -n true",
  });
  expect(checks.get("node-certificates")?.state).not.toBe("ready");
  const argv = ["ready", REPOSITORY, "--node", "cp3=bare", "--ssh-command", SSH, "--node-command", "kubemend"];
  const { stdout } = await run(...argv);
  expect(stdout).toMatch(/^NOT READY {2}node-executable +not on cp3$/m);
});

test("nothing named, nothing judged", async () => {
  const { code, stdout } = await run("ready", "--node-command", "kubemend");
  expect(code).toBe(3);
  expect(stdout.match(/->/g)).toHaveLength(2);
  expect(stdout).toContain("0 of 10 ready");
});

test("an address where no repository is", async () => {
  const { code, checks } = await ready(join(DIRECTORY, "nowhere"), "--node", "cp1=here");
  expect(code).toBe(1);
  expect(checks.get("backup-fresh")?.state).toBe("not-ready");
});
