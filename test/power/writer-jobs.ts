/** More commands whose writes are cut off at every point: certificates, keys, saved snapshots, undo files, a cleaned node. */
import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { continueAppendLog } from "../../src/io/files/durable/append-log.ts";
import { Authority } from "../../testbed/pki.ts";
import { CleanWorld } from "../clean-world.ts";
import { type EtcdServer, startEtcd } from "../etcd-server.ts";
import { writeNode } from "../kubeadm-nodes.ts";
import { findProgram } from "../programs.ts";
import { LINES } from "./append-lines.ts";
import { cleanNode } from "./clean-node.ts";
import { checkEither, expectNoLeftovers, MAIN, run } from "./job-steps.ts";
import type { PowerJob } from "./power-job.ts";

function checkPair(certificate: string, key: string): void {
  assert.ok(
    new X509Certificate(readFileSync(certificate)).checkPrivateKey(createPrivateKey(readFileSync(key))),
    `"${certificate}" does not match its key`,
  );
}

/** Whether a file below the directory has this content. */
function holds(directory: string, content: string): boolean {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).some(
    (entry) => entry.isFile() && readFileSync(join(entry.parentPath, entry.name), "latin1") === content,
  );
}

const renewArguments = (directory: string): string[] => [
  "certificate",
  "renew",
  join(directory, "pki/apiserver.crt"),
  "--days=400",
];
const issueArguments = (directory: string): string[] => [
  "certificate",
  "issue",
  `--kubernetes-dir=${join(directory, "m1/etc/kubernetes")}`,
  `--kubelet-dir=${join(directory, "m1/var/lib/kubelet")}`,
];
const renderArguments = (directory: string): string[] => [
  "render",
  `--asset-dir=${join(directory, "out")}`,
  "--api-servers=https://10.0.0.1:6443",
];
let etcd: EtcdServer | undefined;
const saveArguments = (directory: string): string[] => [
  "snapshot",
  "save",
  join(directory, "saved.db"),
  `--endpoints=${etcd?.endpoint ?? "http://127.0.0.1:1"}`,
];

const SAVE: PowerJob = {
  name: "snapshot save",
  async prepare(directory, inputs) {
    etcd = await startEtcd({ suite: "bookworm", dataDir: join(inputs, "etcd") });
    for (let i = 0; i < 10; i++) await etcd.etcdctl("put", `key-${i}`, "x".repeat(500));
    await run(directory, ["snapshot", "save", join(directory, "saved.db"), `--endpoints=${etcd.endpoint}`]);
    await etcd.etcdctl("put", "one-more", "value");
  },
  argv: (directory) => [MAIN, ...saveArguments(directory)],
  check: (directory, context) => checkEither("saved.db", directory, context),
  async again(directory) {
    await run(directory, saveArguments(directory));
    await run(directory, ["snapshot", "status", join(directory, "saved.db")]);
    expectNoLeftovers(directory);
  },
  close: () => etcd?.stop("SIGKILL"),
};

export const WRITER_JOBS: readonly PowerJob[] = [
  {
    name: "render",
    prepare: () => {},
    argv: (directory) => [MAIN, ...renderArguments(directory)],
    check: (directory, context) => checkEither("out", directory, context),
    async again(directory) {
      const isDone = existsSync(join(directory, "out"));
      await run(directory, renderArguments(directory), isDone ? [1] : [0]);
      if (!isDone) expectNoLeftovers(directory);
    },
  },
  {
    name: "certificate renew",
    async prepare(directory) {
      const ca = await Authority.create(join(directory, "pki"), "kubernetes");
      await ca.issue("apiserver", { commonName: "kube-apiserver", use: "server", names: ["10.0.0.1"] });
    },
    argv: (directory) => [MAIN, ...renewArguments(directory)],
    check(directory, { before, hasSpoken }) {
      const place = "pki/apiserver.crt";
      checkPair(join(directory, place), join(directory, "pki/apiserver.key"));
      const old = readFileSync(join(before, place), "latin1");
      assert.ok(holds(directory, old), "the certificate that was there is gone");
      if (hasSpoken) assert.notEqual(readFileSync(join(directory, place), "latin1"), old, "it was said to be renewed");
    },
    async again(directory) {
      await run(directory, renewArguments(directory));
      checkPair(join(directory, "pki/apiserver.crt"), join(directory, "pki/apiserver.key"));
      expectNoLeftovers(directory);
    },
  },
  {
    name: "certificate issue",
    prepare(directory) {
      writeNode("m1", directory);
      const lost = ["pki/apiserver.crt", "pki/apiserver.key", "admin.conf"];
      for (const file of lost) rmSync(join(directory, "m1/etc/kubernetes", file));
    },
    argv: (directory) => [MAIN, ...issueArguments(directory)],
    check(directory, { hasSpoken }) {
      const at = (file: string): string => join(directory, "m1/etc/kubernetes", file);
      const pair = [at("pki/apiserver.crt"), at("pki/apiserver.key")] as const;
      // Each file is whole or absent: what exists of the pair can be read.
      if (existsSync(pair[0])) new X509Certificate(readFileSync(pair[0]));
      if (existsSync(pair[1])) createPrivateKey(readFileSync(pair[1]));
      if (!hasSpoken) return;
      checkPair(...pair);
      assert.ok(existsSync(at("admin.conf")), "admin.conf was said to be made");
    },
    async again(directory) {
      await run(directory, issueArguments(directory));
      const pki = join(directory, "m1/etc/kubernetes/pki");
      checkPair(join(pki, "apiserver.crt"), join(pki, "apiserver.key"));
      assert.ok(existsSync(join(directory, "m1/etc/kubernetes/admin.conf")));
      expectNoLeftovers(directory);
    },
  },
  {
    name: "undo file of objects restore",
    prepare: () => {},
    argv: (directory) => [join(import.meta.dirname, "append-lines.ts"), join(directory, "undo")],
    check(directory, { hasSpoken }) {
      const path = join(directory, "undo");
      if (!existsSync(path)) return assert.ok(!hasSpoken, "the undo file is lost");
      if (hasSpoken) assert.equal(readFileSync(path, "utf8"), `${LINES.join("\n")}\n`);
    },
    async again(directory) {
      const path = join(directory, "undo");
      if (!existsSync(path)) return;
      const log = continueAppendLog(path);
      await log.append("more");
      await log.close();
      assert.match(readFileSync(path, "utf8"), /(?:^|\n)more\n$/);
    },
  },
  {
    name: "node clean",
    prepare: (directory) => void new CleanWorld(false, directory),
    argv: (directory) => [join(import.meta.dirname, "clean-node.ts"), directory],
    check(directory, { before, hasSpoken }) {
      const [was, is] = [CleanWorld.at(before), CleanWorld.at(directory)];
      const now = new Set([...Object.values(is.contents()), ...Object.values(is.everythingKept())]);
      for (const [path, content] of Object.entries(was.contents()))
        if (!content.endsWith("/")) assert.ok(now.has(content), `"${path}" is lost`);
      if (hasSpoken) assert.deepEqual(readdirSync(join(directory, "manifests")), []);
    },
    async again(directory) {
      await cleanNode(directory);
      const world = CleanWorld.at(directory);
      assert.deepEqual(readdirSync(join(directory, "manifests")), []);
      const left = Object.keys(world.everythingKept()).filter((path) => /partial|kubemend-moved|draft/.test(path));
      assert.deepEqual(left, []);
    },
  },
  ...(findProgram("bookworm", "etcd") === undefined ? [] : [SAVE]),
];
