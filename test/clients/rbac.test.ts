/**
 * What `kubemend rbac` prints is enough: each command, as a user who has just that, does what an administrator's run
 * does, and a real API server with RBAC refuses it nothing.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { API_RULES } from "../../src/cli/permissions/api-rules.ts";
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

interface AuditEvent {
  readonly user: { readonly username: string };
  readonly verb: string;
  readonly requestURI: string;
  readonly responseStatus?: { readonly code?: number };
}

test("there is a run for each command that has rules", () => {
  expect(Object.keys(RUNS).sort()).toEqual(Object.keys(API_RULES).sort());
});

describe.skipIf(!HAS_API_SERVER)("with a real API server", () => {
  const directory = mkdtempSync(join(tmpdir(), "rbac-"));
  const audit = join(directory, "audit.log");
  let real: RealApiServer;
  const userOf = (command: string) => `only-${command.replaceAll(" ", "-")}`;
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

  const refused = (user: string): string[] =>
    readFileSync(audit, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as AuditEvent)
      .filter((event) => event.user.username === user && event.responseStatus?.code === 403)
      .map(({ verb, requestURI }) => `${verb} ${requestURI}`);

  const run = (command: string, kubeconfig: string) =>
    kubemend(directory, [
      ...command.split(" "),
      ...RUNS[command]!.map((each) => each.replace("DIR", directory)),
      ...["--kubeconfig", kubeconfig],
    ]);

  test.each(Object.keys(RUNS))("%s is refused nothing", async (command) => {
    const user = userOf(command);
    const { stdout, stderr } = await run(command, kubeconfigOf(user));
    expect(refused(user)).toEqual([]);
    expect(stdout + stderr).not.toMatch(/forbidden|api-denied/i);
    const asked = readFileSync(audit, "utf8").includes(`"username":"${user}"`);
    expect(asked, `${command} asked the API server: ${stderr}`).toBe(true);
  });

  test.each(["node status", "node cordon", "node drain", "node evict", "recover", "objects diff"])(
    "%s names what it lacks",
    async (command) => {
      const { code, stdout, stderr } = await run(command, kubeconfigOf("nobody"));
      expect(code).not.toBe(0);
      expect(stdout + stderr).toMatch(
        /(list|get|patch)[^\n]*(nodes|pods|daemonsets|deployments|configmaps|secrets)|forbidden/,
      );
    },
  );
});
