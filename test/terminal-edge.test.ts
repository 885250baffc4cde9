/**
 * A snapshot made to take over the terminal of whoever looks at it: every command that reads it prints it escaped, and
 * JSON has it exactly.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { kubemend } from "./kubemend.ts";
import { clusterEntries, madeSnapshot } from "./made-snapshot.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-terminal-"));
afterAll(() => rmSync(directory, { recursive: true }));

const HOSTILE = "a\u001b]0;owned\u0007\u009b31m\u202egnp\u2066\rb\nerror: all is lost";
const SECOND = "b\u001b[2J\u0085\u2028c";
const NAMES = { apiVersion: "v1", metadata: { name: HOSTILE, namespace: SECOND, labels: { app: HOSTILE } } };
const FILE = join(directory, "hostile\u001b[31m.db");

writeFileSync(
  FILE,
  madeSnapshot([
    ...clusterEntries([
      { ...NAMES, kind: "Pod", spec: { nodeName: HOSTILE, containers: [] }, status: { phase: HOSTILE } } as never,
      { ...NAMES, kind: "ConfigMap", data: { [HOSTILE]: HOSTILE } } as never,
      { ...NAMES, kind: "Secret", type: HOSTILE, data: {} } as never,
      { apiVersion: "v1", kind: "Node", metadata: { name: HOSTILE } } as never,
    ]),
    [`/registry/pods/${SECOND}/${HOSTILE}-broken`, '{"apiVersion": "\u001b[31m'],
    [`/registry/configmaps/${SECOND}/${HOSTILE}-sealed`, `k8s:enc:${HOSTILE}:v1:${SECOND}:xyz`],
    [`/${HOSTILE}/${SECOND}`, HOSTILE],
  ]),
);

/** Anything but a line feed, and what has no business in a line. */
const STEERS = /[^\P{Cc}\n]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

test.each([
  ["snapshot", "status", FILE],
  ["snapshot", "verify", FILE],
  ["snapshot", "stats", FILE],
  ["snapshot", "keys", FILE],
  ["snapshot", "get", FILE, "pods,configmaps,secrets,nodes", "-A", "--show-labels"],
  ["snapshot", "get", FILE, "pods", "-A", "-o", "wide", "-L", HOSTILE],
  ["snapshot", "get", FILE, "pods", "-A", "-o", "name"],
  ["snapshot", "get", FILE, "pods,configmaps", "-A", "-o", "yaml"],
  ["snapshot", "get", FILE, "pods,configmaps", "-A", "-o", "json"],
  ["snapshot", "get", FILE, HOSTILE],
  ["snapshot", "get", FILE, "pods", HOSTILE],
  ["snapshot", "get", FILE, "pods", "-l", HOSTILE],
  ["snapshot", "export", FILE, "-o", "jsonl"],
  ["snapshot", "export", FILE, "--dir", join(directory, HOSTILE.replace("\n", ""))],
  ["snapshot", "restore", FILE, "--data-dir", join(directory, `${SECOND}.etcd`), "--name", SECOND],
  ["recover", "--etcd-backup-file", FILE, "--recovery-dir", join(directory, "recovered"), "--dry-run"],
  [
    "etcd",
    "salvage",
    join(directory, SECOND),
    "--data-dir",
    "out",
    "--name",
    "a",
    "--initial-advertise-peer-urls",
    "http://a:1",
  ],
  [HOSTILE],
  ["snapshot", "status", `--${SECOND}`],
])("%j", async (...argv) => {
  const { stdout, stderr } = await kubemend(directory, argv);
  expect(stdout + stderr).not.toBe("");
  expect(stdout).not.toMatch(STEERS);
  expect(stderr).not.toMatch(STEERS);
  // No line of a name poses as one of ours. What is typed is the person's own.
  if (argv.includes(FILE) && !argv.includes("yaml")) expect(stdout + stderr).not.toMatch(/^error: all is lost/m);
});

test("JSON has every name as it is", async () => {
  const get = await kubemend(directory, ["snapshot", "get", FILE, "configmaps", "-A", "-o", "json"]);
  expect(JSON.parse(get.stdout).items[0]).toMatchObject({ ...NAMES, data: { [HOSTILE]: HOSTILE } });
  const keys: string[] = JSON.parse((await kubemend(directory, ["snapshot", "keys", FILE, "-o", "json"])).stdout);
  expect(keys).toContain(`/registry/pods/${SECOND}/${HOSTILE}`);
  const lines = (await kubemend(directory, ["snapshot", "export", FILE, "-o", "jsonl"])).stdout.trim().split("\n");
  expect(lines.map((line) => JSON.parse(line).key)).toEqual(keys);
  const stats = JSON.parse((await kubemend(directory, ["snapshot", "stats", FILE, "-o", "json"])).stdout);
  expect(stats.namespaces.map(({ namespace }: { namespace: string }) => namespace)).toContain(SECOND);
});
