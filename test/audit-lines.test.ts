/**
 * Each command that changes something leaves a line in the audit log, and it is one that docs/audit-lines.md names. A new
 * command fails here until it is in that list, or in docs/risks.md among those that change nothing, and until a run of
 * it is looked at.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { AUDIT_LINES } from "../src/cli/permissions/audit-lines.ts";
import { type Change, withAuditTrail } from "../src/io/audit/audit-trail.ts";
import { changeLines, expectAudited } from "./audited.ts";
import { allCommands } from "./docs/commands.ts";
import { readPage } from "./docs/markdown.ts";
import { startEtcd } from "./etcd-server.ts";
import { kubemend } from "./kubemend.ts";
import { cleanNode } from "./power/clean-node.ts";
import { POWER_JOBS } from "./power/jobs.ts";
import { runBackupAgent } from "./power/run-backup-agent.ts";
import { saveCheckpoint } from "./power/save-checkpoint.ts";
import { START_FOLDERS, startCluster } from "./power/start-cluster.ts";
import { findProgram, PROGRAMS_MISSING } from "./programs.ts";

const run = promisify(execFile);
const ROOT = mkdtempSync(join(tmpdir(), "audit-lines-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));
const MAIN = join(import.meta.dirname, "../src/cli/main.ts");
const SNAPSHOT = join(import.meta.dirname, "../examples/self-hosted-cluster.db.gz");
const HA_SNAPSHOT = join(import.meta.dirname, "fixtures/kubeadm-ha-k136/snapshot.db.gz");

/** Commands of `test/power`: what is there before, and the command line. */
const JOBS = [
  "snapshot save",
  "snapshot edit",
  "snapshot restore",
  "etcd salvage",
  "recover",
  "render",
  "certificate renew",
  "certificate issue",
  "backup import",
  "backup init",
  "backup prune",
  "backup rotate",
  "backup restore",
] as const;

/** Whose lines another test looks at, with a real server or the real system beside. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["add", "remove", "update", "promote"].map((name) => [`etcd member ${name}`, "test/etcd-members.test.ts"]),
  ),
  ...Object.fromEntries(
    ["move-leader", "compact", "defrag", "alarm disarm"].map((name) => [`etcd ${name}`, "test/etcd-members.test.ts"]),
  ),
  ...Object.fromEntries(
    ["cordon", "uncordon", "drain", "evict"].map((name) => [`node ${name}`, "test/clients/rbac.test.ts"]),
  ),
  "node rebalance": "test/node-other-versions.test.ts",
  rescue: "test/rescue-old-api-server.test.ts",
  "objects restore": "test/clients/rbac.test.ts",
  "objects undo": "test/clients/rbac.test.ts",
};

/** They change nodes by `cluster node` there; what is done here needs several machines: test/e2e. */
const BY_NODES: ReadonlySet<string> = new Set([
  "cluster restore",
  "cluster salvage",
  "cluster replace-node",
  "cluster undo",
  "cluster apply",
]);

/** Run in this file. */
const HERE = [
  ...JOBS,
  "snapshot export",
  "support-bundle",
  "backup verify",
  "backup drill",
  "backup run",
  "backup now",
  "start",
  "node clean",
  "checkpoint run",
  "cluster bundle",
  "cluster node",
];

test("the list has each command that changes something, and no other", async () => {
  const { text } = readPage("docs/risks.md");
  const harmless = new Set(
    [.../^## Commands that change nothing\n\n(.*?)\n\n/ms.exec(text)![1]!.matchAll(/`([^`]+)`/g)].map(
      ([, each]) => each,
    ),
  );
  const writing = (await allCommands()).map(({ words }) => words).filter((words) => !harmless.has(words));
  expect(Object.keys(AUDIT_LINES).toSorted()).toEqual(writing.toSorted());
});

test("a run of each is looked at", () => {
  const seen = [...HERE, ...Object.keys(ELSEWHERE), ...BY_NODES];
  expect(seen.toSorted()).toEqual(Object.keys(AUDIT_LINES).toSorted());
  for (const file of new Set(Object.values(ELSEWHERE)))
    expect(/expectAudited\(/.test(readFileSync(join(import.meta.dirname, "..", file), "utf8")), file).toBe(true);
});

function places(): { readonly directory: string; readonly inputs: string; readonly log: string } {
  const root = mkdtempSync(join(ROOT, "run-"));
  const [directory, inputs] = [join(root, "directory"), join(root, "inputs")];
  for (const each of [directory, inputs]) mkdirSync(each);
  return { directory, inputs, log: join(root, "audit.log") };
}

describe("by the program", { timeout: 120_000 }, () => {
  const jobs = POWER_JOBS.filter(({ name }) => (JOBS as readonly string[]).includes(name));

  test.each(jobs)("$name", async ({ name, prepare, argv, close }) => {
    const { directory, inputs, log } = places();
    await prepare(directory, inputs);
    try {
      const [program, ...words] = argv(directory, inputs);
      expect(program).toBe(MAIN);
      const { code, stderr } = await kubemend(directory, words, { KUBEMEND_AUDIT_LOG: log });
      expect(code, stderr).toBe(0);
    } finally {
      await close?.();
    }
    const lines = changeLines(log);
    expect(new Set(lines.map(({ command }) => command))).toEqual(new Set([name]));
    expectAudited(name, lines);
  });

  test.each([
    ["snapshot export", ["snapshot", "export", SNAPSHOT, "--dir", "out"], [0]],
    ["support-bundle", ["support-bundle", "--yes", "--probe-timeout=1s", "--out=bundle.json"], [0]],
    ["cluster bundle", ["cluster", "bundle", HA_SNAPSHOT, "--out", "out"], [0]],
  ] as const)("%s", async (command, words, codes) => {
    const { directory, log } = places();
    const { code, stderr } = await kubemend(directory, words, { KUBEMEND_AUDIT_LOG: log });
    expect(codes, stderr).toContain(code);
    expectAudited(command, changeLines(log));
  });

  const KEYS = ["--signing-key=signing", "--identity=identity"];

  test("backup verify, backup drill", async () => {
    const { directory, log } = places();
    for (const words of [
      ["backup", "init", "repository", ...KEYS],
      ["backup", "import", "repository", SNAPSHOT, "--signing-key=signing"],
    ])
      expect(await kubemend(directory, words)).toMatchObject({ code: 0 });
    for (const command of ["verify", "drill"]) {
      const words = ["backup", command, "repository", "--identity=identity"];
      const { code, stderr } = await kubemend(directory, words, { KUBEMEND_AUDIT_LOG: log });
      expect(code, stderr).toBe(0);
    }
    for (const name of ["backup verify", "backup drill"])
      expectAudited(
        name,
        changeLines(log).filter(({ command }) => command === name),
      );
  });

  test.skipIf(!findProgram("bookworm", "etcd"))(`backup run, backup now (${PROGRAMS_MISSING})`, async () => {
    const { directory, inputs, log } = places();
    const at = (name: string): string => join(directory, name);
    expect(await kubemend(directory, ["backup", "init", "repository", ...KEYS])).toMatchObject({ code: 0 });
    const etcd = await startEtcd({ suite: "bookworm", dataDir: join(inputs, "etcd") });
    try {
      await etcd.etcdctl("put", "key", "value");
      const config = {
        repository: at("repository"),
        signingKeyFile: at("signing"),
        name: "m1",
        etcd: { endpoints: [etcd.endpoint], timeout: "30s" },
        interval: "200ms",
        nodeFiles: false,
        metricsAddress: "none",
        spool: { directory: at("spool") },
      };
      writeFileSync(at("agent.yaml"), JSON.stringify(config));
      await runBackupAgent(at("agent.yaml"), etcd.endpoint, at("repository"), { KUBEMEND_AUDIT_LOG: log });
      expectAudited("backup run", changeLines(log));

      const now = ["backup", "now", "repository", "--signing-key=signing", `--endpoints=${etcd.endpoint}`];
      const nowLog = at("now.log");
      const { code, stderr } = await kubemend(directory, now, { KUBEMEND_AUDIT_LOG: nowLog });
      expect(code, stderr).toBe(0);
      expectAudited("backup now", changeLines(nowLog));
    } finally {
      await etcd.stop("SIGKILL");
    }
  });
});

/** What an operation reports that the command line would record. */
async function recorded(operate: () => Promise<void>): Promise<readonly Change[]> {
  const changes: Change[] = [];
  await withAuditTrail({ change: (change) => void changes.push(change), evidence: () => {} }, operate);
  return changes;
}

describe("on the files of a machine", () => {
  test("start", async () => {
    const { directory } = places();
    for (const name of START_FOLDERS) mkdirSync(join(directory, name));
    expectAudited("start", await recorded(() => startCluster(directory)));
  });

  test("node clean", async () => {
    const { directory, inputs } = places();
    await POWER_JOBS.find(({ name }) => name === "node clean")!.prepare(directory, inputs);
    expectAudited("node clean", await recorded(() => cleanNode(directory)));
  });

  test("checkpoint run: a pod's checkpoint", async () => {
    const { directory } = places();
    expectAudited("checkpoint run", await recorded(() => saveCheckpoint(directory, 1, "a secret")));
  });
});

const isRoot = process.platform === "linux" && process.geteuid?.() === 0;

describe.skipIf(!isRoot)("a step on a node", () => {
  test("is recorded in that node's log, with the operation", { timeout: 60_000 }, async () => {
    const { directory, inputs } = places();
    const id = "restore-20261129-104217-3f9c2a";
    writeFileSync(join(inputs, "request"), `${JSON.stringify({ step: "begin", id, digest: "d" })}\n`);
    // As ssh runs it: by the program, as root, with nothing of the environment of who leads.
    const script = [
      "mount -t tmpfs tmpfs /var/lib && mount -t tmpfs tmpfs /var/log",
      `env -i PATH="$PATH" "${process.execPath}" "${MAIN}" cluster node < "${inputs}/request"`,
      `cp /var/log/kubemend/audit.log "${directory}/audit.log"`,
    ].join("\n");
    await run("unshare", ["--mount", "bash", "-ec", script]);
    const lines = changeLines(join(directory, "audit.log"));
    expectAudited("cluster node", lines);
    expect(lines[0]).toMatchObject({
      command: "cluster node",
      actor: { uid: 0 },
      evidence: [{ step: "begin", operation: id }],
    });
  });
});
