/**
 * Nothing below `cli` knows a flag of kubemend: a text names an input (`src/errors/input.ts`), and the command line
 * writes its flag in place of it. This test reads the texts of all files below, and checks that the flags of
 * `INPUT_FLAGS` exist.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { checkpointerManifests } from "../src/bootstrap/cluster/checkpointer-manifests.ts";
import { INPUT_FLAGS, withFlags } from "../src/cli/options/input-flags.ts";
import { createProgram } from "../src/cli/program.ts";
import { input, plainText } from "../src/errors/input.ts";

const SRC = join(import.meta.dirname, "../src");

/** Command lines and configurations of other programs, whose flags have names that ours have too. */
const OTHERS: Readonly<Record<string, readonly string[]>> = {
  "bootstrap/bootstrap-etcd.ts": [
    "--name",
    "--data-dir",
    "--endpoints",
    "--initial-cluster",
    "--initial-cluster-token",
    "--initial-advertise-peer-urls",
    "--skip-hash-check",
  ], // etcd's and etcdctl's
  "bootstrap/cluster/checkpointer-manifests.ts": ["--lock-file", "--kubeconfig", "--checkpoint-grace-period"], // below
  "bootstrap/cluster/node-manifests.ts": ["--kubeconfig"], // kube-proxy's
  "bootstrap/dial-boot-etcd.ts": ["--etcd-servers"], // the API server's
  "bootstrap/give-kubeconfig.ts": ["--kubeconfig"], // the scheduler's and the controller manager's
  "cluster/etcd-manifest.ts": ["--wal-dir"], // etcd's
  "diagnosis/command-line.ts": ["--kubeconfig", "--context"], // kubectl's
  "diagnosis/missing-manifests.ts": ["--initial-cluster"], // etcd's
  "io/etcd/member-directory.ts": ["--data-dir"], // etcd's
  "nodes/eviction-due.ts": ["--pod-eviction-timeout"], // the controller manager's
  "operations/backup/drill.ts": ["--name", "--data-dir"], // etcd's
  "operations/cluster/node/join-node.ts": ["--node-name", "--apiserver-advertise-address", "--certificate-key"], // kubeadm's
  "operations/cluster/node/prepare-node.ts": ["--container-runtime-endpoint"], // the kubelet's
  "rescue/permanent.ts": ["--as"], // kubectl's
};

async function commandTree(): Promise<Command> {
  const context = { host: {} as never, exit() {}, commandTree: () => Promise.reject(new Error("not asked for")) };
  return createProgram(context, {}, undefined);
}

function flagsOf(command: Command): string[] {
  const own = command.options.flatMap(({ long }) => (long == null ? [] : [long]));
  return [...own, ...command.commands.flatMap(flagsOf)];
}

/** The text without comments: those may say what a flag of the command line is for. */
function code(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}

test("no text below cli names a flag of kubemend", async () => {
  const known = new Set(flagsOf(await commandTree()));
  known.delete("--version"); // every program's
  const files = globSync("**/*.ts", { cwd: SRC }).filter(
    (file) => !file.startsWith("cli/") && !file.endsWith(".test.ts"),
  );
  const found = files.flatMap((file) =>
    [...code(readFileSync(join(SRC, file), "utf8")).matchAll(/--[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?![\w-])/g)]
      .map(([flag]) => flag)
      .filter((flag) => known.has(flag) && !OTHERS[file]?.includes(flag))
      .map((flag) => `${file} names ${flag}: write input("...") of errors/input.ts`),
  );
  expect(files.length).toBeGreaterThan(300);
  expect(found).toEqual([]);
});

test("what the exceptions name is there", () => {
  const missing = Object.entries(OTHERS).flatMap(([file, flags]) => {
    const text = code(readFileSync(join(SRC, file), "utf8"));
    return flags.filter((flag) => !text.includes(flag)).map((flag) => `${file}: ${flag}`);
  });
  expect(missing).toEqual([]);
});

test("every input has a flag that a command declares", async () => {
  const known = flagsOf(await commandTree());
  expect(Object.values(INPUT_FLAGS).filter((flag) => !known.includes(flag))).toEqual([]);
});

test("a text is written in the flags of the command that is typed", () => {
  const text = `pass ${input("cacert")}, ${input("etcdPrefix")}`;
  expect(withFlags(text)).toBe("pass --cacert, --etcd-prefix");
  expect(withFlags(text, "recover")).toBe("pass --etcd-ca-path, --etcd-prefix");
  expect(plainText(text)).toBe("pass cacert, etcdPrefix");
  expect(withFlags("\ufdd0nothing\ufdd1")).toBe("\ufdd0nothing\ufdd1");
});

test("the agent's manifest has flags of checkpoint run", async () => {
  const checkpoint = (await commandTree()).commands.find((each) => each.name() === "checkpoint");
  const run = checkpoint?.commands.find((each) => each.name() === "run");
  const manifests = JSON.stringify(
    checkpointerManifests({ image: "i", nodeLabel: "l", kubeconfigMap: "m", flags: [] }),
  );
  const used = [...manifests.matchAll(/"(--[a-z-]+)=/g)].map((match) => match[1]);
  expect(used).toContain("--lock-file");
  expect(used.filter((flag) => !flagsOf(run!).includes(flag!))).toEqual([]);
});
