/** What a cluster holds, as its own etcdctl tells it: to compare a restored cluster with the one that the snapshot was taken of. */
import { join } from "node:path";
import { type EtcdServer, ready, startEtcd } from "./etcd-server.ts";
import { freePorts } from "./free-ports.ts";
import type { Suite } from "./programs.ts";

export interface KeyspaceView {
  readonly revision: number;
  /** etcd's own hash over all revisions of all keys. */
  readonly hash: number;
  readonly keys: readonly unknown[];
  readonly leases: readonly string[];
}

/** Everything but what belongs to the cluster itself. */
export async function viewKeyspace(server: EtcdServer): Promise<KeyspaceView> {
  const json = async (...args: string[]): Promise<Record<string, unknown>> =>
    JSON.parse(bigIdsAsText(await server.etcdctl(...args, "-w", "json"))) as Record<string, unknown>;
  const hashes = (await json("endpoint", "hashkv")) as unknown as [{ HashKV: { hash: number } }];
  const all = (await json("get", "", "--prefix")) as { header: { revision: number }; kvs?: unknown[] };
  const leases = ((await json("lease", "list")) as { leases?: { id: string }[] }).leases ?? [];
  const ids = leases.map((lease) => String(lease.id)).sort();
  return { revision: all.header.revision, hash: hashes[0].HashKV.hash, keys: all.kvs ?? [], leases: ids };
}

export async function memberNames(server: EtcdServer): Promise<Record<string, string>> {
  const text = bigIdsAsText(await server.etcdctl("member", "list", "-w", "json"));
  const { members } = JSON.parse(text) as { members: { ID: string; name: string }[] };
  return Object.fromEntries(members.map((member) => [BigInt(member.ID).toString(16), member.name]));
}

/** JSON.parse would round 64-bit ids. */
function bigIdsAsText(json: string): string {
  return json.replace(/"(ID|id|lease|member_id|cluster_id|leader|raft_term)":(\d+)/g, '"$1":"$2"');
}

export interface PlannedMember {
  readonly name: string;
  readonly ports: readonly [number, number];
  readonly peer: string;
}

/** Names and free ports for a cluster, and what `--initial-cluster` says of it. */
export async function planMembers(count: number): Promise<{ members: PlannedMember[]; initialCluster: string }> {
  const ports = await freePorts(2 * count);
  const members = Array.from({ length: count }, (_, i): PlannedMember => {
    const pair = [ports[2 * i]!, ports[2 * i + 1]!] as const;
    return { name: `m${i + 1}`, ports: pair, peer: `http://127.0.0.1:${pair[1]}` };
  });
  return { members, initialCluster: members.map((member) => `${member.name}=${member.peer}`).join(",") };
}

/** Starts each planned member on `DIRECTORY/NAME` and waits until all serve. */
export async function startMembers(
  suite: Suite,
  directory: string,
  members: readonly PlannedMember[],
  initialCluster: string,
  flags: readonly string[] = [],
): Promise<EtcdServer[]> {
  const servers: EtcdServer[] = [];
  try {
    for (const { name, ports } of members) {
      const all = ["--initial-cluster", initialCluster, ...flags];
      servers.push(await startEtcd({ suite, dataDir: join(directory, name), name, ports, flags: all }, false));
    }
    for (const server of servers) await ready(server);
    return servers;
  } catch (error) {
    await Promise.all(servers.map((server) => server.stop("SIGKILL")));
    throw error;
  }
}
