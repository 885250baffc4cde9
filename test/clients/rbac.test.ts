/**
 * What `kubemend rbac` prints is enough: each command, as a user who has just that, does what an administrator's run
 * does, and a real API server with RBAC refuses it nothing.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkpointerManifests } from "../../src/bootstrap/cluster/checkpointer-manifests.ts";
import { API_RULES } from "../../src/cli/permissions/api-rules.ts";
import { roleManifests } from "../../src/cli/permissions/role-manifests.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { changeLines, expectAudited } from "../audited.ts";
import { makeRepository } from "../backup/agent.ts";
import { FIXTURES } from "../kubectl-tables.ts";
import { kubemend } from "../kubemend.ts";
import { HAS_API_SERVER, type RealApiServer, startRealApiServer } from "./real-api-server.ts";
import { startRuntime } from "./stand-in-runtime.ts";

const SNAPSHOT = join(FIXTURES, "k120-broad/snapshot.db.gz");
const NODE = "bare-node";
/** Nothing else touches it. */
const AGENTS_NODE = "agents-node";

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
  "backup restore": ["ROOT/backups/repository", "--identity=ROOT/backups/identity", "--data-dir=DIR/restored"],
  "backup run": ["--config=DIR/backup.json"],
  "checkpoint run": [
    ...["--lock-file=DIR/agent.lock", "--kubernetes-directory=DIR/kubernetes", "--metrics-address=none"],
    ...["--container-runtime-endpoint=unix://ROOT/runtime.sock", "--refresh-interval=1s", "--log-level=debug"],
  ],
};

/** The agents end when a test ends them: once the API server was asked all of this, or the agent has named what it lacks. */
const AGENTS: Readonly<Record<string, readonly string[]>> = {
  "backup run": ["create events"],
  "checkpoint run": ["watch pods", "get secrets", "get configmaps"],
};
const LACKS = /(list|get|patch)[^\n]*(nodes|pods|daemonsets|deployments|configmaps|secrets)|forbidden/;

/** What test/audit-lines.test.ts leaves to this file. */
const MUST_CHANGE: ReadonlySet<string> = new Set([
  ...["node cordon", "node uncordon", "node drain", "node evict"],
  ...["objects restore", "objects undo"],
]);

/** What they could not learn is part of their result. */
const REPORTS: ReadonlySet<string> = new Set([
  ...["diagnose", "support-bundle", "snapshot restore", "backup restore"],
  ...Object.keys(AGENTS),
]);

interface AuditEvent {
  readonly user: { readonly username: string };
  readonly verb: string;
  readonly requestURI: string;
  readonly objectRef?: { readonly resource?: string };
  readonly stage: string;
  readonly responseStatus?: { readonly code?: number };
}

test("there is a run for each command that has rules", () => {
  expect(Object.keys(RUNS).sort()).toEqual(Object.keys(API_RULES).sort());
});

test("the node agent's roles are those that it is deployed with", () => {
  const deployed = checkpointerManifests({ image: "i", nodeLabel: "l", kubeconfigMap: "m" });
  const rulesOf = (kind: string, manifests: readonly JsonObject[]): unknown =>
    manifests.filter((each) => each.kind === kind).map(({ rules }) => rules);
  const printed = roleManifests("n", API_RULES["checkpoint run"] ?? [], []).map(({ manifest }) => manifest);
  for (const kind of ["Role", "ClusterRole"])
    expect(rulesOf(kind, printed)).toEqual(rulesOf(kind, Object.values(deployed)));
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

/** A pod that the node agent copies, with all that it mounts. */
function parentOfCheckpoint(): unknown {
  const annotations = { "checkpointer.alpha.coreos.com/checkpoint": "true" };
  const volumes = [
    { name: "secret", secret: { secretName: "parents-key" } },
    { name: "config", configMap: { name: "parents-config" } },
  ];
  const containers = [{ name: "main", image: "example.com/pause" }];
  const tolerations = [{ operator: "Exists" }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "parent", namespace: "kube-system", annotations },
    spec: { nodeName: AGENTS_NODE, containers, volumes, tolerations, automountServiceAccountToken: false },
  };
}

describe.skipIf(!HAS_API_SERVER)("with a real API server", () => {
  const directory = mkdtempSync(join(tmpdir(), "rbac-"));
  const audit = join(directory, "audit.log");
  const backups = join(directory, "backups");
  let real: RealApiServer;
  let runtime: { close(): void } | undefined;
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
    const roles: string[] = [];
    for (const command of Object.keys(RUNS)) {
      const { stdout } = await kubemend(directory, ["rbac", ...command.split(" "), "--user", userOf(command)]);
      roles.push(stdout);
    }
    const apply = ["--kubeconfig", real.kubeconfig, "apply", "-f", "-"];
    execFileSync(real.kubectl, apply, { input: roles.join("---\n") });
    const parent = JSON.stringify(parentOfCheckpoint());
    const create = ["--kubeconfig", real.kubeconfig, "create", "-f", "-", "-o", "jsonpath={.metadata.uid}"];
    const uid = execFileSync(real.kubectl, create, { input: parent, encoding: "utf8" });
    runtime = await startRuntime(join(directory, "runtime.sock"), { namespace: "kube-system", name: "parent", uid });
    const { repository, signingKey } = await makeRepository(backups);
    const imported = await kubemend(directory, [
      ...["backup", "import", repository, SNAPSHOT, "--file-time", "--signing-key", signingKey],
    ]);
    if (imported.code !== 0) throw new Error(imported.stderr);
  }, 180_000);
  afterAll(async () => {
    runtime?.close();
    await real?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** An agent whose etcd is not there: that is a fault, and faults become events. */
  function writeAgentConfig(path: string, kubeconfig: string): void {
    const config = {
      repository: join(backups, "repository"),
      signingKeyFile: join(backups, "signing.pem"),
      etcd: { endpoints: ["http://127.0.0.1:1"], timeout: "1s" },
      spool: { directory: join(directory, "spool") },
      nodeFiles: false,
      metricsAddress: "none",
      events: { kubeconfig },
    };
    writeFileSync(path, JSON.stringify(config));
  }

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
  const run = async (command: string, user: string, place = "") => {
    const own = join(directory, place);
    const kubeconfig = kubeconfigOf(user);
    const asked = AGENTS[command];
    if (command === "backup run") writeAgentConfig(join(own, "backup.json"), kubeconfig);
    const args = [
      ...command.split(" "),
      ...RUNS[command]!.map((each) =>
        each
          .replace("DIR", own)
          .replace("ROOT", directory)
          .replace("--timeout=1s", user === "nobody" ? "--timeout=1m" : "$&"),
      ),
      ...(command === "backup run" ? [] : ["--kubeconfig", kubeconfig]),
    ];
    const env = { KUBEMEND_AUDIT_LOG: logOf(command), ...(asked !== undefined && { NODE_NAME: AGENTS_NODE }) };
    const end = new AbortController();
    let written = "";
    const outcome = kubemend(directory, args, env, { signal: end.signal }, (all) => {
      written = all;
    });
    if (asked === undefined) return await outcome;
    const isOver = (): boolean => {
      if (user === "nobody") return LACKS.test(written);
      const answered = eventsOf(user).filter(({ stage, verb }) => stage !== "RequestReceived" || verb === "watch");
      const seen = answered.map((event) => `${event.verb} ${event.objectRef?.resource}`);
      return asked.every((each) => seen.includes(each));
    };
    while (!isOver()) if ((await Promise.race([outcome, sleep(100)])) !== undefined) break;
    end.abort();
    return await outcome;
  };

  test.each(Object.keys(RUNS))("%s is refused nothing", async (command) => {
    const user = userOf(command);
    if (command === "objects undo") copyFileSync(join(directory, "undo.jsonl"), join(directory, "kept.jsonl"));
    const { stdout, stderr } = await run(command, user);
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
    const { code, stdout, stderr } = await run(command, "nobody", "nobody");
    if (!REPORTS.has(command)) expect(code).not.toBe(0);
    expect(stdout + stderr).toMatch(LACKS);
  });
});
