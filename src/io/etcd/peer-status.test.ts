import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeNode } from "../../../test/kubeadm-nodes.ts";
import { askPeer, type PeerTls, servePeerStatus } from "./peer-status.ts";

const SECRET = "11".repeat(32);
const signal = new AbortController().signal;
const status = { id: "restore-1", node: "m1", state: "prepared" };

let directory: string;
const tlsOf = new Map<string, PeerTls>();
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-peers-"));
  for (const node of ["m1", "m2"] as const) {
    const { kubernetesDir } = writeNode(node, directory);
    const pem = (name: string) => readFileSync(join(kubernetesDir, "pki/etcd", name), "utf8");
    tlsOf.set(node, { ca: pem("ca.crt"), cert: pem("peer.crt"), key: pem("peer.key") });
  }
});
afterAll(() => rmSync(directory, { recursive: true }));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe.each([
  ["http", undefined, undefined],
  ["https", "m1", "m2"],
] as const)("over %s", (scheme, serving, asking) => {
  test("a peer says how far it has come, and nobody else can", async () => {
    const url = `${scheme}://127.0.0.1:${await freePort()}`;
    const [ofServer, ofClient] = [tlsOf.get(serving ?? ""), tlsOf.get(asking ?? "")];
    const server = await servePeerStatus(url, ofServer, SECRET, () => status);
    try {
      expect(await askPeer(url, ofClient, SECRET, signal)).toEqual({ kind: "kubemend", status });
      const other = await askPeer(url, ofClient, "22".repeat(32), signal);
      expect(other).toEqual({ kind: "silent", why: "something else answers" });
      await expect(servePeerStatus(url, ofServer, SECRET, () => status)).rejects.toMatchObject({ code: "port-taken" });
    } finally {
      await server.close();
    }
    expect(await askPeer(url, ofClient, SECRET, signal)).toEqual({ kind: "silent", why: "ECONNREFUSED" });
  });
});

test("a machine without a certificate of etcd's authority gets no answer", async () => {
  const url = `https://127.0.0.1:${await freePort()}`;
  const server = await servePeerStatus(url, tlsOf.get("m1"), SECRET, () => status);
  try {
    const answer = await askPeer(url, { ca: tlsOf.get("m1")!.ca, cert: "", key: "" }, SECRET, signal);
    expect(answer.kind).toBe("silent");
  } finally {
    await server.close();
  }
});
