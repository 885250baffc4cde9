/** The commands of backups: against what stands where their store should, and where the etcd should that they save. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kubemend } from "../kubemend.ts";
import { startHostileApi } from "./hostile-api.ts";
import { HOSTILE_ETCD, startHostileEtcd } from "./hostile-etcd.ts";
import { HOSTILE_SSH, hostileSsh, STAYING } from "./hostile-ssh.ts";
import { HOSTILE_STORE, startHostileStore } from "./hostile-store.ts";
import { type Attacked, attack, attackWith, expectCleanText, expectTrueEnd } from "./matrix.ts";
import { AT, AZURE, onStore, S3, SAVING_COMMANDS, SFTP, STORE_COMMANDS } from "./store-commands.ts";

/** A repository on the disk, for its keys. */
let home: string;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "kubemend-attack-backup-"));
  const keys = ["--signing-key", join(home, "signing"), "--identity", join(home, "identity")];
  const { code, stderr } = await kubemend(home, ["backup", "init", join(home, "repository"), ...keys]);
  expect(code, stderr).toBe(0);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** What the agent does, until it is interrupted. `%` and `@` as above. */
const agentFile = (repository: string, endpoint: string): string => `repository: ${repository}
signingKeyFile: %/signing
name: m1
etcd: {endpoints: ["${endpoint}"], timeout: 1s}
interval: 200ms
heartbeat: 1s
nodeFiles: false
metricsAddress: none
spool: {directory: %/spool}
`;

const placed = (attacked: Attacked): Attacked => ({
  ...attacked,
  argv: attacked.argv.map((word) => word.replace("%", home)),
});
/** What ends in its time only, after half a minute: one command is enough, the others are interrupted. */
const SLOW = ["silent", "headers-only", "drip", "headers without end", "a length that cannot be"];
/** Of what any HTTP server may answer, what differs for a store. */
const QUICK = [
  "endless",
  "login page",
  "load balancer without servers",
  "not found page",
  "redirect",
  "redirect that keeps the method",
  "no content",
  "empty",
  "deep objects",
  "cut short",
  "cut between chunks",
  "too busy",
  "server error",
  "forbidden by somebody",
  "garbage",
  "closes at once",
  "huge headers",
];
const WAITERS = ["backup list", "backup now", "backup init"];

function expectNoClaim(attacked: Attacked, outcome: Awaited<ReturnType<typeof attack>>): void {
  const rows = outcome.stdout.trimEnd().split("\n").slice(1);
  const isReport = attacked.isReport === true || (attacked.name === "backup status" && rows.length > 0);
  expectTrueEnd({ ...attacked, isReport }, outcome);
  if (!isReport) expect(outcome.stdout).toBe("");
}

describe.concurrent.each(SLOW)("a store that answers with: %s", (mode) => {
  test("ends in its time", async () => {
    const [attacked] = STORE_COMMANDS.filter(({ name }) => name === "backup list");
    expectNoClaim(attacked!, await attackWith(() => startHostileApi(mode), placed(attacked!)));
  });

  test.each(STORE_COMMANDS.filter(({ name }) => WAITERS.includes(name)))("$name is interrupted", async (attacked) => {
    const outcome = await attackWith(() => startHostileApi(mode), placed(attacked), { interrupted: true });
    if (outcome.code !== 130) expectNoClaim(attacked, outcome);
  });
});

describe.concurrent.each(QUICK)("a store that answers with: %s", (mode) => {
  test.each(STORE_COMMANDS)("$name", async (attacked) => {
    expectNoClaim(attacked, await attackWith(() => startHostileApi(mode), placed(attacked)));
  });
});

describe.concurrent.each(HOSTILE_STORE)("a store with: %s", (mode) => {
  test.each(STORE_COMMANDS)("$name", async (attacked) => {
    expectNoClaim(attacked, await attackWith(() => startHostileStore(mode), placed(attacked)));
  });
});

/** One that lists, one that reads, one that creates and one that adds: all others ask the same of a store. */
const KINDS = STORE_COMMANDS.filter(({ name }) =>
  ["backup list", "backup init", "backup prune", "snapshot keys"].includes(name),
);

describe.concurrent.each([...QUICK, ...HOSTILE_STORE])("an Azure store that answers with: %s", (mode) => {
  test.each(KINDS)("$name", async (attacked) => {
    const on = placed(onStore(attacked, "azblob://container/prefix", AZURE));
    const start = () => (HOSTILE_STORE.includes(mode) ? startHostileStore(mode) : startHostileApi(mode));
    expectNoClaim(on, await attackWith(start, on));
  });
});

describe.concurrent.each(SLOW)("an Azure store that answers with: %s", (mode) => {
  test.each(KINDS)("$name is interrupted", async (attacked) => {
    const on = placed(onStore(attacked, "azblob://container/prefix", AZURE));
    const outcome = await attackWith(() => startHostileApi(mode), on, { interrupted: true });
    if (outcome.code !== 130) expectNoClaim(on, outcome);
  });
});

describe.concurrent.each(HOSTILE_SSH)("an SFTP store behind an ssh with: %s", (mode) => {
  test.each(KINDS)("$name", async (attacked) => {
    const place = mkdtempSync(join(home, "ssh-"));
    const on = placed(onStore(attacked, "sftp://host/prefix", SFTP));
    const outcome = await attack(on, hostileSsh(place, mode), { interrupted: STAYING.has(mode) });
    if (outcome.code !== 130) expectNoClaim(on, outcome);
  });
});

describe.concurrent.each(HOSTILE_ETCD)("an etcd that answers with: %s", (mode) => {
  test.each(SAVING_COMMANDS)("$name", async (attacked) => {
    expectNoClaim(attacked, await attackWith(() => startHostileEtcd(mode), placed(attacked)));
  });
});

describe.concurrent("the agent continues, stores nothing and ends when it is interrupted", () => {
  const runAgent = async (
    repository: string,
    endpoint: string,
    server: Awaited<ReturnType<typeof startHostileApi>>,
  ) => {
    const directory = mkdtempSync(join(tmpdir(), "kubemend-attack-agent-"));
    try {
      const config = join(directory, "config");
      writeFileSync(config, agentFile(repository, endpoint).replaceAll("%", home).replace(`${home}/spool`, directory));
      const attacked: Attacked = { name: "backup run", argv: ["backup", "run", "--config", config], env: S3 };
      const outcome = await attack(attacked, server, { interrupted: true });
      const all = `${outcome.code}\n${outcome.stderr}`;
      expect([0, 1, 130], all).toContain(outcome.code);
      expectCleanText(all);
      expect(all).not.toMatch(/"msg":"(?:full|the node's files are) stored/);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };

  test.each([...QUICK, ...SLOW])("with a store that answers with: %s", async (mode) => {
    const server = await startHostileApi(mode);
    try {
      await runAgent(AT, "http://127.0.0.1:1", server);
    } finally {
      server.close();
    }
  });

  test.each(HOSTILE_ETCD)("with an etcd that answers with: %s", async (mode) => {
    const server = await startHostileEtcd(mode);
    try {
      await runAgent("%/repository", server.url, server);
    } finally {
      server.close();
    }
  });
});
