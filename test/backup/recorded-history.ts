/**
 * A history of a real etcd, recorded: what it answered at each revision before that revision was compacted, and the
 * repository that an agent wrote meanwhile. Keys are set, deleted, changed in transactions, attached to leases that are
 * revoked or end by themselves; etcd compacts as an API server has it do, the agent is killed, and etcd restarted.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type EtcdClient, openEtcd } from "../../src/io/etcd/etcd-client.ts";
import type { KeyValue } from "../../src/mvcc/key-value.ts";
import { encodeMessage, type FieldWriter } from "../../src/protobuf/message.ts";
import { type EtcdServer, startEtcd } from "../etcd-server.ts";
import { kubemend } from "../kubemend.ts";
import { type BackupPlace, makeRepository, type RunningAgent, startAgent, storedTo } from "./agent.ts";

export interface RecordedHistory {
  readonly place: BackupPlace;
  /** What etcd answered at each revision: a line for each key. */
  readonly answers: ReadonlyMap<number, string>;
  /** Moments at which nothing was being written: milliseconds, and the revision that was current. */
  readonly moments: readonly { readonly time: number; readonly revision: number }[];
  readonly newest: number;
  readonly compactions: number;
}

export interface HistoryOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly writesARound?: number;
  readonly nodeFiles?: readonly string[];
  /** After every so many rounds a full is taken by hand. */
  readonly fullEvery?: number;
}

/** Mulberry32: small, and the same everywhere. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function clientOf(endpoint: string): EtcdClient {
  return openEtcd(endpoint, {
    endpoints: [endpoint],
    tls: { rejectUnauthorized: true },
    user: undefined,
    timeout: 5000,
  });
}

export function lineOf({ key, value, createRevision, modRevision, version, lease }: KeyValue): string {
  const [name, content] = [Buffer.from(key).toString("hex"), Buffer.from(value).toString("base64")];
  return [name, content, createRevision, modRevision, version, lease].join(" ");
}

/** All keys as they were at a revision, in their order. */
export async function answerAt(client: EtcdClient, revision: number): Promise<string> {
  const zero = Buffer.from([0]);
  const { keyValues } = await client.range({ key: zero, end: zero, limit: 100_000, revision, serializable: false });
  return keyValues.map(lineOf).join("\n");
}

/** Adds a repository and a data dir to `directory`. */
export async function recordHistory(directory: string, options: HistoryOptions): Promise<RecordedHistory> {
  const { rounds, seed, writesARound = 25, nodeFiles, fullEvery = Number.POSITIVE_INFINITY } = options;
  const next = random(seed);
  const dataDir = join(directory, "recorded-etcd");
  let server: EtcdServer = await startEtcd({ suite: "trixie", dataDir });
  const ports = [server.endpoint, server.peer].map((url) => Number(new URL(url).port)) as [number, number];
  const place = await makeRepository(join(directory, "recorded"));
  const settings = {
    endpoints: [server.endpoint],
    interval: "200ms",
    fullEvery: "60s",
    ...(nodeFiles === undefined ? {} : { nodeFiles }),
  };
  let agent: RunningAgent = startAgent(place, settings);
  await agent.logged("full stored");
  let client = clientOf(server.endpoint);
  const answers = new Map<number, string>();
  const moments: { time: number; revision: number }[] = [];
  let recorded = 0;
  let compactions = 0;
  const leases: bigint[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < writesARound; i++) await writeOne(client, next, leases);
      if (next() < 0.4 && leases.length > 0) {
        const [lease] = leases.splice(Math.floor(next() * leases.length), 1);
        await client
          .call(
            "Lease/LeaseRevoke",
            encodeMessage((m) => m.varint(1, lease ?? 0n)),
          )
          .catch(() => {}); // it may have ended
      }
      const { header } = await client.status();
      // Leases of a second or two end meanwhile: what a revision holds does not change by that.
      for (let revision = recorded + 1; revision <= header.revision; revision++)
        answers.set(revision, await answerAt(client, revision));
      recorded = header.revision;
      if (next() < 0.5) {
        await storedTo(place, header.revision);
        const { header: now } = await client.status();
        if (now.revision === header.revision) moments.push({ time: Date.now(), revision: header.revision });
        await sleep(50);
      }
      if (next() < 0.15) {
        // What the agent has not stored yet would be a gap.
        await storedTo(place, header.revision);
        const at = header.revision - Math.floor(next() * 20);
        await client
          .call(
            "KV/Compact",
            encodeMessage((m) => m.varint(1, Math.max(1, at))),
          )
          .catch(() => {}); // older than the last one
        compactions++;
      }
      if (round % fullEvery === fullEvery - 1) {
        const flags = ["--signing-key", place.signingKey, "--endpoints", server.endpoint];
        const { code, stderr } = await kubemend(directory, ["backup", "now", place.repository, ...flags]);
        if (code !== 0) throw new Error(stderr);
      }
      if (round % 40 === 20) {
        await agent.stop("SIGKILL");
        agent = startAgent(place, settings);
      }
      if (round % 40 === 35) {
        client.close();
        await server.stop("SIGKILL");
        server = await startEtcd({ suite: "trixie", dataDir, ports });
        client = clientOf(server.endpoint);
      }
    }
    // A change behind the last moment: until then its time is covered.
    await writeOne(client, next, leases);
    const { header } = await client.status();
    for (let revision = recorded + 1; revision <= header.revision; revision++)
      answers.set(revision, await answerAt(client, revision));
    await storedTo(place, header.revision);
    await agent.stop("SIGTERM");
    return { place, answers, moments, newest: header.revision, compactions };
  } finally {
    client.close();
    await agent.stop("SIGKILL");
    await server.stop("SIGKILL");
  }
}

const keyOf = (next: () => number): Buffer => Buffer.from(`/registry/things/${Math.floor(next() * 60)}`);

async function writeOne(client: EtcdClient, next: () => number, leases: bigint[]): Promise<void> {
  const what = next();
  const value = Buffer.alloc(Math.floor(next() * 400), 97 + Math.floor(next() * 26));
  const put = (message: FieldWriter, key: Buffer, lease = 0n): void => {
    message.bytes(1, key);
    message.bytes(2, value);
    if (lease !== 0n) message.varint(3, lease);
  };
  if (what < 0.12) {
    await client.call(
      "KV/DeleteRange",
      encodeMessage((m) => m.bytes(1, keyOf(next))),
    );
  } else if (what < 0.2) {
    // Several changes in one revision: RequestOp 2 is a put, 3 a deletion.
    const [a, b, c] = [0, 20, 40].map((from) => Buffer.from(`/registry/things/${from + Math.floor(next() * 20)}`));
    const body = encodeMessage((txn) => {
      txn.message(2, (op) => op.message(2, (m) => put(m, a!)));
      txn.message(2, (op) => op.message(2, (m) => put(m, b!)));
      txn.message(2, (op) => op.message(3, (m) => m.bytes(1, c!)));
    });
    await client.call("KV/Txn", body);
  } else if (what < 0.24) {
    const id = BigInt(1 + Math.floor(next() * 2 ** 40));
    const ttl = next() < 0.5 ? 2 : 600;
    const grant = encodeMessage((m) => {
      m.varint(1, ttl);
      m.varint(2, id);
    });
    await client.call("Lease/LeaseGrant", grant);
    if (ttl > 2) leases.push(id);
    await client.call(
      "KV/Put",
      encodeMessage((m) => put(m, keyOf(next), id)),
    );
  } else {
    await client.call(
      "KV/Put",
      encodeMessage((m) => put(m, keyOf(next))),
    );
  }
}
