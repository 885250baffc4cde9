/**
 * What `kubemend rbac` prints is enough: each command, as a user who has just that, does what an administrator's run
 * does, and a real API server with RBAC refuses it nothing.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { API_RULES } from "../../src/cli/permissions/api-rules.ts";
import { changeLines, expectAudited } from "../audited.ts";
import { FIXTURES } from "../kubectl-tables.ts";
import { kubemend } from "../kubemend.ts";
import { HAS_API_SERVER, type RealApiServer, startRealApiServer } from "./real-api-server.ts";

const SNAPSHOT = join(FIXTURES, "k120-broad/snapshot.db.gz");
const NODE = "bare-node";

/** A run of each command that has rules. `DIR` is a folder of its own. */
const RUNS: Readonly<Record<string, readonly string[]>> = {
  diagnose: [],
  "support-bundle": [],
  "node status": [],
  "node cordon": [NODE],
  "node uncordon": [NODE],
  "node drain": [
    ...["hollow-2", "--force", "--ignore-daemonsets", "--delete-emptydir-data"],
    ...["--wait-for-replacements", "--allow-control-plane-loss", "--timeout=4s"],
  ],
  "node evict": [NODE, "--force", "--force-delete-pods", "--yes"],
  "node rebalance": ["--ready-timeout=1s"],
  rescue: ["scheduler", "--timeout=1s"],
  recover: ["--recovery-dir=DIR/recovered"],
  "objects diff": [SNAPSHOT, "live"],
  "objects restore": [
    ...[SNAPSHOT, "deployments", "-n", "shop", "--into-namespace=other", "--with-dependents"],
    ...["--undo-file=DIR/undo.jsonl", "--yes"],
  ],
  "objects undo": ["DIR/undo.jsonl", "--yes", "--wait=1s"],
  "snapshot restore": [SNAPSHOT, "--data-dir=DIR/data"],
};

/** What test/audit-lines.test.ts leaves to this file. */
const MUST_CHANGE: ReadonlySet<string> = new Set([
  ...["node cordon", "node uncordon", "node drain", "node evict"],
  ...["objects restore", "objects undo"],
]);

/** What they could not learn is part of their result. */
const REPORTS: ReadonlySet<string> = new Set(["diagnose", "support-bundle", "snapshot restore"]);

interface AuditEvent {
  readonly user: { readonly username: string };
  readonly verb: string;
  readonly requestURI: string;
  readonly stage: string;
  readonly responseStatus?: { readonly code?: number };
}

test("there is a run for each command that has rules", () => {
  expect(Object.keys(RUNS).sort()).toEqual(Object.keys(API_RULES).sort());
});

/** Those that a real API server carried out, sorted: `patch /api/v1/nodes/n1`. */
function changesServed(events: readonly AuditEvent[]): string[] {
  return events
    .filter(({ stage, verb, requestURI, responseStatus }) => {
      const isDone = stage === "ResponseComplete" && (responseStatus?.code ?? 0) < 300;
      const isChange = /^(create|update|patch|delete)$/.test(verb) && !/accessreviews|dryRun=All/.test(requestURI);
      return isDone && isChange;
    })
    .map(({ verb, requestURI }) => `${verb} ${requestURI.split("?")[0]}`)
    .sort();
}

/** The same by kubemend's own audit log. What is created has its name behind the path of the request. */
function changesRecorded(path: string): string[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { action?: string; target?: string; by?: string })
    .filter(({ by }) => by?.startsWith("https://"))
    .map(({ action, target = "" }) => {
      const isItem = action === "create" && !/\/(eviction|binding|token)$/.test(target);
      return `${action} ${isItem ? target.slice(0, target.lastIndexOf("/")) : target}`;
    })
    .sort();
}

describe.skipIf(!HAS_API_SERVER)("with a real API server", () => {
  const directory = mkdtempSync(join(tmpdir(), "rbac-"));
  const audit = join(directory, "audit.log");
  let real: RealApiServer;
  const userOf = (command: string) => `only-${command.replaceAll(" ", "-")}`;
  const recorded = new Set<string>();
  const kubeconfigOf = (user: string) => join(directory, `${user}.json`);

  beforeAll(async () => {
    const policy = join(directory, "policy.yaml");
    writeFileSync(
      policy,
      JSON.stringify({ apiVersion: "audit.k8s.io/v1", kind: "Policy", rules: [{ level: "Metadata" }] }),
    );
    const users = [...Object.keys(RUNS).map(userOf), "nobody"];
    real = await startRealApiServer(
      SNAPSHOT,
      { "authorization-mode": "RBAC", "audit-policy-file": policy, "audit-log-path": audit },
      users,
    );
    const config = JSON.parse(readFileSync(real.kubeconfig, "utf8"));
    for (const user of users)
      writeFileSync(
        kubeconfigOf(user),
        JSON.stringify({ ...config, users: [{ name: "reader", user: { token: user } }] }),
      );
    for (const command of Object.keys(RUNS)) {
      const { stdout } = await kubemend(directory, ["rbac", ...command.split(" "), "--user", userOf(command)]);
      execFileSync(real.kubectl, ["--kubeconfig", real.kubeconfig, "apply", "-f", "-"], { input: stdout });
    }
  }, 180_000);
  afterAll(async () => {
    await real?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const eventsOf = (user: string): AuditEvent[] =>
    readFileSync(audit, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as AuditEvent)
      .filter((event) => event.user.username === user);
  const refused = (user: string): string[] =>
    eventsOf(user)
      .filter((event) => event.responseStatus?.code === 403)
      .map(({ verb, requestURI }) => `${verb} ${requestURI}`);

  const logOf = (command: string) => join(directory, `${command}.audit.jsonl`);
  const run = (command: string, kubeconfig: string, place = "") =>
    kubemend(
      directory,
      [
        ...command.split(" "),
        ...RUNS[command]!.map((each) => each.replace("DIR", join(directory, place))),
        ...["--kubeconfig", kubeconfig],
      ],
      { KUBEMEND_AUDIT_LOG: logOf(command) },
    );

  test.each(Object.keys(RUNS))("%s is refused nothing", async (command) => {
    const user = userOf(command);
    if (command === "objects undo") copyFileSync(join(directory, "undo.jsonl"), join(directory, "kept.jsonl"));
    const { stdout, stderr } = await run(command, kubeconfigOf(user));
    expect(refused(user)).toEqual([]);
    expect(stdout + stderr).not.toMatch(/forbidden|api-denied/i);
    const asked = readFileSync(audit, "utf8").includes(`"username":"${user}"`);
    expect(asked, `${command} asked the API server: ${stderr}`).toBe(true);
    const served = changesServed(eventsOf(user));
    expect(changesRecorded(logOf(command)), `${command}'s own audit log`).toEqual(served);
    for (const change of served) recorded.add(change.split(" ")[0] ?? "");
    if (served.length > 0 || MUST_CHANGE.has(command)) expectAudited(command, changeLines(logOf(command)));
  });

  test("the runs recorded creations, patches and deletions", () => {
    expect([...recorded].sort()).toEqual(expect.arrayContaining(["create", "delete", "patch"]));
  });

  test.each(Object.keys(RUNS))("%s names what it lacks", async (command) => {
    const own = join(directory, "nobody");
    mkdirSync(own, { recursive: true });
    if (command === "objects undo") copyFileSync(join(directory, "kept.jsonl"), join(own, "undo.jsonl"));
    const { code, stdout, stderr } = await run(command, kubeconfigOf("nobody"), "nobody");
    if (!REPORTS.has(command)) expect(code).not.toBe(0);
    expect(stdout + stderr).toMatch(
      /(list|get|patch)[^\n]*(nodes|pods|daemonsets|deployments|configmaps|secrets)|forbidden/,
    );
  });
});
