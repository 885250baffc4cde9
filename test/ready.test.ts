/** `ready` with a real repository, and nodes that an `ssh` reaches which runs everything on this machine. */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { judgeReadiness } from "../src/diagnosis/readiness.ts";
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
case "$host:$*" in *bare:*kubemend*|10.0.0.13:*kubemend*) echo "kubemend: not found" >&2; exit 127;; esac
exec sh -c "$*"
`,
);
chmodSync(SSH, 0o755);
const PROGRAM = join(DIRECTORY, "kubemend");
writeFileSync(join(DIRECTORY, "agent.json"), "");
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
case "$1" in
  --version) echo 9.9.9;;
  checkpoint) cat "${join(DIRECTORY, "agent.json")}"; exit 1;;
  *) echo '${list}';;
esac
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

test.each([
  [{ answers: true, looks: 3, protects: "mend" }, "ready", "it runs on cp1, and puts lost static pods back"],
  [{ answers: true, looks: 3, protects: "notice" }, "not-ready", "it does not protect static pods on cp1"],
  [{ answers: true, looks: 3, protects: null }, "not-ready", "it does not protect static pods on cp1"],
  [{ answers: false, looks: 0 }, "not-ready", "no node agent answers on cp1"],
  [{ answers: true, looks: 3 }, "unknown", "not known for cp1"], // an older one, which does not say
])("the node agent: %j", async (agent, state, text) => {
  writeFileSync(join(DIRECTORY, "agent.json"), JSON.stringify({ agent, checkpoints: [] }));
  const { checks } = await ready(REPOSITORY, "--node", "cp1=here");
  expect(checks.get("node-agent")).toMatchObject({ state, text });
});

test("names that DNS has to answer are not counted as known", async () => {
  const named = await ready(REPOSITORY, "--node", "cp1=here");
  expect(named.checks.get("node-names")).toMatchObject({ state: "unknown", text: expect.stringMatching(/^here: /) });
  const cluster = await ready(REPOSITORY, "--node", "cp1=here", "--node", "cp2=bastion.ops.svc.cluster.local");
  expect(cluster.checks.get("node-names")).toMatchObject({ state: "not-ready" });
  const numbers = await ready(REPOSITORY, "--node", "cp1=127.0.0.1");
  expect(numbers.checks.get("node-names")).toMatchObject({ state: "ready", todo: null });
});

test("files that changed after they were kept", () => {
  const node = {
    ...{ name: "cp1", address: "10.0.0.11", version: "1", reached: true, error: undefined, certificates: [] },
    ...{ addressBy: "number" as const, agent: "protects" as const },
  };
  const backup = {
    ...{ repository: "r", encrypted: true, newest: 0, verified: 0, drilled: 0, gaps: 0 },
    ...{ isEmpty: false, opens: true, files: [{ node: "cp1", time: 0 }] },
    ...{ place: "elsewhere" as const },
  };
  const judged = (changedFiles: readonly string[] | undefined) =>
    judgeReadiness({
      ...{ now: 7_200_000, backup, nodes: [{ ...node, changedFiles }] },
      limits: { maxLagMs: 1, maxCheckMs: 1 },
    }).checks.find(({ code }) => code === "node-files-kept");
  expect(judged([])).toMatchObject({ state: "ready", text: "cp1: kept 2 h ago, and unchanged since" });
  expect(judged(["/etc/kubernetes/admin.conf"])).toMatchObject({
    state: "not-ready",
    text: "cp1: /etc/kubernetes/admin.conf changed since they were kept 2 h ago",
  });
  expect(judged(undefined)).toMatchObject({ state: "unknown" });
});

test("docs/before-the-night.md shows what it prints", async () => {
  const now = Date.parse("2026-11-29T10:00:00Z");
  const at = (seconds: number) => ({ now: () => now + seconds * 1000 });
  const cwd = join(DIRECTORY, "cwd");
  mkdirSync(cwd);
  cpSync(REPOSITORY, join(cwd, "backup"), { recursive: true });
  cpSync(IDENTITY, join(cwd, "identity.txt"));
  const verified = await kubemend(
    cwd,
    ["backup", "verify", "backup", "--identity", join(cwd, "identity.txt")],
    {},
    at(0),
  );
  expect(verified).toMatchObject({ code: 0 });
  const agent = { answers: true, looks: 3, protects: "mend" };
  writeFileSync(join(DIRECTORY, "agent.json"), JSON.stringify({ agent, checkpoints: [] }));
  const nodes = [1, 2, 3].flatMap((i) => ["--node", `cp${i}=10.0.0.1${i}`]);
  const typed = ["ready", "backup", "--identity", "identity.txt", ...nodes];
  const path = process.env.PATH;
  process.env.PATH = `${DIRECTORY}:${path}`; // its ssh, and what that finds as kubemend
  try {
    const argv = typed.map((word) => (word === "identity.txt" ? join(cwd, word) : word));
    const { code, stdout } = await kubemend(cwd, argv, {}, at(3 * 3600));
    expect(code).toBe(1);
    const text = `# by test/ready.test.ts\n$ kubemend ${typed.join(" ")}\n${stdout}`;
    const file = join(ROOT, "test/recorded/ready.txt");
    if (process.env.UPDATE_TRANSCRIPTS) writeFileSync(file, text);
    else expect(text).toBe(readFileSync(file, "utf8"));
  } finally {
    process.env.PATH = path;
  }
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
  expect(stdout).toContain("0 of 13 ready");
});

test("an address where no repository is", async () => {
  const { code, checks } = await ready(join(DIRECTORY, "nowhere"), "--node", "cp1=here");
  expect(code).toBe(1);
  expect(checks.get("backup-fresh")?.state).toBe("not-ready");
});
