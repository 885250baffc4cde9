import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { untilServesPeers } from "./serves-peers.ts";

let kept: string;
let server: Server;
/** How often it was asked; it answers as etcd does from the third time on. */
let asked: number;
let url: string;
beforeEach(async () => {
  kept = mkdtempSync(join(tmpdir(), "serves-peers-"));
  mkdirSync(kept, { recursive: true });
  asked = 0;
  server = createServer((_, response) => {
    asked++;
    if (asked < 3) response.destroy();
    else response.setHeader("x-etcd-cluster-id", "1").end("[]");
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.close();
  rmSync(kept, { recursive: true });
});

function journalWith(...flags: string[]): Parameters<typeof untilServesPeers>[0] {
  const command = ["etcd", `--initial-advertise-peer-urls=${url}`, ...flags].map((flag) => JSON.stringify(flag));
  const text = `kind: Pod\nmetadata: {name: etcd}\nspec: {containers: [{name: etcd, command: [${command.join(", ")}]}]}\n`;
  writeFileSync(join(kept, "etcd.yaml"), text);
  return { manifests: { from: kept, kept, names: ["etcd.yaml"], spare: [] } };
}

test("an etcd that checks its peers' data is waited for until it answers them", async () => {
  await untilServesPeers(journalWith("--feature-gates=InitialCorruptCheck=true"));
  expect(asked).toBe(3);
});

test("one that does not check, and a node without etcd, are not waited for", async () => {
  await untilServesPeers(journalWith());
  await untilServesPeers({ manifests: null });
  expect(asked).toBe(0);
});

test("one whose certificates were lost before the operation is not waited for, and an undo does not fail of it", async () => {
  const files = ["trusted-ca", "cert", "key"].map((name) => `--peer-${name}-file=${join(kept, "lost", name)}`);
  await untilServesPeers(journalWith("--experimental-initial-corrupt-check=true", ...files));
  expect(asked).toBe(0);
});

test("one that never answers is left to the proof", async () => {
  server.close();
  await untilServesPeers(journalWith("--experimental-initial-corrupt-check=true"), undefined, 1);
  expect(asked).toBe(0);
});
