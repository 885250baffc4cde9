/** What `kubemend rbac` says of etcd's users is so: on a real etcd with authentication, with a user of each kind. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ETCD_NEEDS, type EtcdNeed } from "../src/cli/permissions/etcd-needs.ts";
import { type EtcdServer, startEtcd } from "./etcd-server.ts";
import { kubemend } from "./kubemend.ts";

const directory = mkdtempSync(join(tmpdir(), "etcd-permissions-"));
let etcd: EtcdServer;
let member: string;
beforeAll(async () => {
  etcd = await startEtcd({ suite: "trixie", dataDir: join(directory, "data") });
  [member = ""] = (await etcd.etcdctl("member", "list")).split(",");
  await etcd.etcdctl(
    "put",
    "/registry/namespaces/default",
    '{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"default"}}',
  );
  await etcd.etcdctl("role", "add", "kubemend-read");
  await etcd.etcdctl("role", "grant-permission", "kubemend-read", "--prefix=true", "read", "/");
  for (const [user, role] of [
    ["root", "root"],
    ["read", "kubemend-read"],
    ["none", undefined],
  ] as const) {
    await etcd.etcdctl("user", "add", `${user}:secret`);
    if (role !== undefined) await etcd.etcdctl("user", "grant-role", user, role);
  }
  await etcd.etcdctl("auth", "enable");
}, 60_000);
afterAll(async () => {
  await etcd?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const RUNS: Readonly<Record<string, readonly string[]>> = {
  "snapshot save": ["DIR/USER.db"],
  "etcd health": [],
  "etcd members": [],
  "etcd member list": [],
  "etcd move-leader": ["MEMBER"],
  "etcd compact": ["1"],
  "etcd defrag": ["--force"],
  "etcd alarm list": [],
  "etcd alarm disarm": [],
  "etcd member add": ["other", "--peer-urls=http://127.0.0.1:1"],
  "etcd member promote": ["MEMBER"],
  "etcd member update": ["MEMBER", "--peer-urls=PEER"],
  "etcd member remove": ["MEMBER"],
};

/**
 * With one member, health compares no hashes, and promote and remove are refused beforehand: what is left to know is
 * that root may.
 */
const ONLY_ROOT: ReadonlySet<string> = new Set(["etcd health", "etcd member promote", "etcd member remove"]);

const KINDS: readonly EtcdNeed[] = ["none", "read", "root"];

test.each(
  Object.keys(RUNS).flatMap((command) =>
    KINDS.filter((user) => user === "root" || !ONLY_ROOT.has(command)).map((user) => [command, user] as const),
  ),
)("%s as %s", async (command, user) => {
  const args = RUNS[command]!.map((each) =>
    each.replace("DIR", directory).replace("USER", user).replace("MEMBER", member).replace("PEER", etcd.peer),
  );
  const { stdout, stderr, code } = await kubemend(directory, [
    ...command.split(" "),
    ...args,
    ...["--endpoints", etcd.endpoint, "--user", `${user}:secret`],
  ]);
  const isEnough = KINDS.indexOf(user) >= KINDS.indexOf(ETCD_NEEDS[command]!);
  const isRefused = /permission denied|not have the permission|denied|PermissionDenied/i.test(stdout + stderr);
  expect({ isRefused, text: isRefused === isEnough ? [code, stdout, stderr] : "" }).toEqual({
    isRefused: !isEnough,
    text: "",
  });
});
