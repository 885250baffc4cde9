/**
 * Runbooks of a restore from real backups: for stacked etcd, for an etcd of its own hosts, for a moment; and clusters
 * that restore themselves.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { kubemend } from "./kubemend.ts";

const SNAPSHOT = join(import.meta.dirname, "fixtures/kubeadm-ha-k136/snapshot.db.gz");

/** As where kubemend is installed on the nodes. */
const THERE = ["--node-command", "kubemend"];

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-runbook-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

async function run(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await kubemend(directory, words);
  expect(code, stderr).toBe(0);
  return stdout;
}

/** The blocks of commands, in their order. */
function blocks(runbook: string): string[] {
  return [...runbook.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1]!);
}

test("a file: its own SHA-256, and a restore for every member", async () => {
  const all = blocks(await run("cluster", "restore", SNAPSHOT, "--runbook"));
  expect(all[0]).toContain(createHash("sha256").update(readFileSync(SNAPSHOT)).digest("hex"));
  expect(all.filter((block) => block.includes("snapshot restore"))).toHaveLength(3);
  expect(all.filter((block) => block.includes("systemctl"))).toEqual([]);
  const two = blocks(await run("cluster", "restore", SNAPSHOT, "--runbook", "--without=m3"));
  const restores = two.filter((block) => block.includes("snapshot restore"));
  expect(restores).toHaveLength(2);
  expect(restores.join("")).not.toContain("m3=");
});

test("a moment of a repository is written to a file first, by a command that works", async () => {
  const at = (name: string) => join(directory, name);
  const signing = ["--signing-key", at("signing.pem")];
  await run("backup", "init", at("repository"), ...signing, "--identity", at("identity"));
  await run("backup", "import", at("repository"), SNAPSHOT, ...signing);
  const moment = `${at("repository")}@latest`;
  const runbook = await run("cluster", "restore", moment, "--runbook", "--identity", at("identity"));
  const [first = "", second = ""] = blocks(runbook);
  expect(first).toContain(`kubemend backup restore ${at("repository")} --to-revision 837`);
  expect(second).toContain("kubemend snapshot verify backup.db");
  const words = first.trim().split(" ").slice(1);
  await run(...words.slice(0, -1), at("backup.db"), "--identity", at("identity"));
  await run("snapshot", "verify", at("backup.db"));
});

test("an etcd of its own hosts is refused with the way, and has a runbook with its members and its service", async () => {
  const external = join(directory, "external.db");
  const members = ["m1", "m2", "m3"].map((node) => `pod/etcd-${node}`);
  await run("snapshot", "edit", SNAPSHOT, external, "--remove", ...members, "-n", "kube-system");
  const refused = await kubemend(directory, ["cluster", "restore", external, "--plan", ...THERE]);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("the runbook of cluster restore has")]);
  const text = await run("cluster", "restore", external, "--runbook");
  const all = blocks(text);
  const at = (part: string) => all.findIndex((block) => block.includes(part));
  expect(text).toContain("On m2 (10.77.0.12)");
  expect(all.find((block) => block.includes("--name m2"))).toContain(
    "--initial-cluster m1=https://10.77.0.11:2380,m2=https://10.77.0.12:2380,m3=https://10.77.0.13:2380",
  );
  expect(text).not.toContain("etcd.yaml");
  const order = ["mv ", "systemctl stop etcd", "snapshot restore", "systemctl start etcd", "etcd health", "cp -p "];
  const places = order.map(at);
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect(places[0]).toBeGreaterThan(0);
  expect(all[at("etcd health")]).toContain("--cert /etc/kubernetes/pki/apiserver-etcd-client.crt");
});

test("a cluster whose own program writes its static pods is refused with that program's way", async () => {
  const node = await run("snapshot", "get", SNAPSHOT, "node", "m1", "-o", "json");
  const object = JSON.parse(node) as { metadata: { annotations: Record<string, string> } };
  object.metadata.annotations["rke2.io/hostname"] = "m1"; // as rke2 server sets it
  writeFileSync(join(directory, "node.yaml"), JSON.stringify(object));
  const rke2 = join(directory, "rke2.db");
  await run("snapshot", "edit", SNAPSHOT, rke2, "--set", join(directory, "node.yaml"));
  for (const words of [
    ["restore", rke2, "--plan", ...THERE],
    ["restore", rke2, "--runbook"],
    ["bundle", rke2],
  ]) {
    const { code, stderr } = await kubemend(directory, ["cluster", ...words]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("the backup is of an RKE2 cluster")]);
    expect(stderr).toContain("rke2 server --cluster-reset --cluster-reset-restore-path=SNAPSHOT");
  }
});
