/** Nodes that keep step by etcd's peer port: real servers on loopback, of which one turns into etcd when its wait is over. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { NodeJournal } from "../../cluster/node-facts.ts";
import { notPrepared } from "../../cluster/peer-barrier.ts";
import { newMembership } from "../../wal/membership.ts";
import { parseInitialCluster } from "../../wal/peer-urls.ts";
import { type PeerWait, waitForPeers } from "./wait-for-peers.ts";

const TOKEN = "restore-1";
let ports: readonly number[];
let plan: PeerWait["plan"];
let order: string[];
let etcds: Server[];

beforeEach(async () => {
  const holders = await Promise.all([1, 2, 3].map(() => listening(createServer(), 0)));
  ports = holders.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(holders.map((server) => new Promise((resolve) => server.close(resolve))));
  const members = ports.map((port, i) => ({ node: `cp${i + 1}`, peerUrl: `http://127.0.0.1:${port}` }));
  const initialCluster = members.map(({ node, peerUrl }) => `${node}=${peerUrl}`).join(",");
  plan = { id: "restore-1", initialCluster, token: TOKEN, members };
  order = [];
  etcds = [];
});
afterEach(() => {
  for (const server of etcds) server.close().closeAllConnections();
});

function listening(server: Server, port: number): Promise<Server> {
  return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(server)));
}

async function node(name: string, more: Partial<PeerWait> = {}): Promise<void> {
  const state: NodeJournal["state"] = "prepared";
  const wait = { plan, node: name, secret: "11".repeat(32), tls: undefined, isInTurn: true, state: () => state };
  const times = { poll: 5, linger: 200, report: () => {}, signal: new AbortController().signal };
  await waitForPeers({ ...wait, ...times, ...more }, notPrepared);
  order.push(name);
}

/** The node's wait, and then its etcd on the same port. */
async function startsEtcd(name: string, more: Partial<PeerWait> = {}): Promise<void> {
  await node(name, more);
  const clusterId = newMembership(parseInitialCluster(plan.initialCluster), TOKEN).clusterId.toString(16);
  const answer = createServer((_, response) => response.setHeader("x-etcd-cluster-id", clusterId).end("[]"));
  etcds.push(await listening(answer, ports[Number(name.slice(2)) - 1] ?? 0));
}

test("members that check their peers' data start in the order of the plan, each when those before it serve", async () => {
  const reports: string[] = [];
  const report = (text: string): void => void reports.push(text);
  await Promise.all([startsEtcd("cp3", { report }), startsEtcd("cp2"), startsEtcd("cp1")]);
  expect(order).toEqual(["cp1", "cp2", "cp3"]);
  expect(reports).toContain("waiting: etcd on cp1 starts first; etcd on cp2 starts first");
});

test("a member that does not serve in time is left to the proof of etcd", async () => {
  const stop = new AbortController();
  const late = node("cp1", { linger: 600_000, signal: stop.signal }).catch(() => order.push("cp1 never"));
  await Promise.all([startsEtcd("cp2", { patience: 1 }), startsEtcd("cp3", { patience: 1 })]);
  stop.abort();
  await late;
  expect(order.sort()).toEqual(["cp1 never", "cp2", "cp3"]);
});

test("members that check nothing start at the same time", async () => {
  const reports: string[] = [];
  const more = { isInTurn: false, report: (text: string) => void reports.push(text) };
  await Promise.all([startsEtcd("cp1", more), startsEtcd("cp2", more), startsEtcd("cp3", more)]);
  expect(reports.filter((text) => text.includes("starts first"))).toEqual([]);
});

test("a node that the plan does not know is refused", async () => {
  await expect(node("cp9")).rejects.toMatchObject({ code: "config-invalid" });
});
