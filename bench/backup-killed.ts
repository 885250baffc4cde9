/**
 * `npm run backup:killed -- --runs 100 --seed 1 [--record]`: agent, etcd or store killed with SIGKILL at random moments under 500
 * writes a second, and what was stored compared with the live keyspace, key by key. Each run prints its seed; the same
 * seed kills the same things after the same times.
 */
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type EtcdClient, openEtcd } from "../src/io/etcd/etcd-client.ts";
import type { KeyValue } from "../src/mvcc/key-value.ts";
import { encodeMessage } from "../src/protobuf/message.ts";
import { openSnapshot } from "../src/snapshot/open-snapshot.ts";
import { readKeyspace } from "../src/snapshot/read-keyspace.ts";
import { listed, makeRepository, type RunningAgent, startAgent, storedTo } from "../test/backup/agent.ts";
import { type EtcdServer, startEtcd } from "../test/etcd-server.ts";
import { kubemend } from "../test/kubemend.ts";
import { recordBackups } from "../test/reliability.ts";

const WRITES_A_SECOND = 500;
const RUN_MS = 6000;
const KILLS = 3;

/** Mulberry32: small, and the same everywhere. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const accessOf = (endpoint: string) => ({
  endpoints: [endpoint],
  tls: { rejectUnauthorized: true },
  user: undefined,
  timeout: 3000,
});

/** Writes until told to stop, at the pace that is asked for. Returns how many writes were acknowledged. */
function startWrites(endpoint: () => string, seed: number): { stop(): Promise<number> } {
  const next = random(seed);
  let running = true;
  let acknowledged = 0;
  const work = async (): Promise<void> => {
    while (running) {
      const client = openEtcd(endpoint(), accessOf(endpoint()));
      try {
        while (running) {
          const key = Buffer.from(`/registry/things/${Math.floor(next() * 300)}`);
          if (next() < 0.1)
            await client.call(
              "KV/DeleteRange",
              encodeMessage((m) => m.bytes(1, key)),
            );
          else {
            const value = Buffer.alloc(Math.floor(next() * 1500), 97 + (acknowledged % 26));
            await client.call("KV/Put", encodePut(key, value));
          }
          acknowledged++;
          await sleep(8_000 / WRITES_A_SECOND);
        }
      } catch {
        await sleep(50); // etcd was killed
      } finally {
        client.close();
      }
    }
  };
  const workers = Array.from({ length: 8 }, work);
  return {
    async stop() {
      running = false;
      await Promise.all(workers);
      return acknowledged;
    },
  };
}

function encodePut(key: Uint8Array, value: Uint8Array): Uint8Array {
  return encodeMessage((message) => {
    message.bytes(1, key);
    message.bytes(2, value);
  });
}

async function live(client: EtcdClient, revision: number): Promise<string[]> {
  const answer = await client.range({
    key: Buffer.from([0]),
    end: Buffer.from([0]),
    limit: 100_000,
    revision,
    serializable: false,
  });
  return answer.keyValues.map(textOf);
}

async function stored(file: string): Promise<string[]> {
  using snapshot = await openSnapshot(file);
  const keyspace = await readKeyspace(snapshot);
  return Array.from(keyspace.entries(), textOf);
}

function textOf({ key, value, createRevision, modRevision, version, lease }: KeyValue): string {
  return [
    Buffer.from(key).toString("hex"),
    Buffer.from(value).toString("base64"),
    createRevision,
    modRevision,
    version,
    lease,
  ].join(" ");
}

/** The first few lines that only one of them has. */
function differences(found: readonly string[], expected: readonly string[]): string {
  const describe = (line: string): string => {
    const [key = "", , ...rest] = line.split(" ");
    return `${Buffer.from(key, "hex").toString()} ${rest.join(" ")}`;
  };
  const [inFound, inExpected] = [new Set(found), new Set(expected)];
  const missing = expected.filter((line) => !inFound.has(line)).map((line) => `missing ${describe(line)}`);
  const extra = found.filter((line) => !inExpected.has(line)).map((line) => `extra ${describe(line)}`);
  return [...missing, ...extra].slice(0, 8).join("; ");
}

async function runOnce(seed: number): Promise<string> {
  const next = random(seed);
  const directory = mkdtempSync(join(tmpdir(), `kubemend-killed-${seed}-`));
  const dataDir = join(directory, "etcd");
  let server: EtcdServer = await startEtcd({ suite: "trixie", dataDir });
  const ports = [server.endpoint, server.peer].map((url) => Number(new URL(url).port)) as [number, number];
  const place = await makeRepository(join(directory, "place"));
  const settings = { endpoints: [server.endpoint], interval: "300ms" };
  let agent: RunningAgent = startAgent(place, settings);
  await agent.logged("full stored");
  const writes = startWrites(() => server.endpoint, seed);
  const killed: string[] = [];
  try {
    for (let i = 0; i < KILLS; i++) {
      await sleep((RUN_MS / KILLS) * (0.3 + 0.7 * next()));
      const victim = ["agent", "etcd", "store"][Math.floor(next() * 3)]!;
      killed.push(victim);
      if (victim === "agent") {
        await agent.stop("SIGKILL");
        await sleep(300 * next());
        agent = startAgent(place, settings);
      } else if (victim === "etcd") {
        await server.stop("SIGKILL");
        await sleep(300 * next());
        server = await startEtcd({ suite: "trixie", dataDir, ports });
      } else {
        const away = `${place.repository}-away`;
        renameSync(place.repository, away);
        writeFileSync(place.repository, "");
        chmodSync(place.repository, 0o600);
        await sleep(200 + 1500 * next());
        rmSync(place.repository);
        renameSync(away, place.repository);
      }
    }
    await sleep(500);
    const acknowledged = await writes.stop();
    const client = openEtcd(server.endpoint, accessOf(server.endpoint));
    try {
      const { header } = await client.status();
      const before = (await listed(place)).spans.at(-1)?.toRevision ?? 0;
      try {
        await storedTo(place, header.revision);
      } catch (error) {
        throw new Error(`${String(error).slice(0, 200)}\n${agent.reported.slice(-1500)}`);
      }
      const list = await listed(place);
      if (list.gaps.length > 0 || list.spans.length !== 1) throw new Error(`gaps: ${JSON.stringify(list)}`);
      for (const revision of [
        header.revision,
        before,
        2 + Math.floor(next() * (header.revision - 2)),
        2 + Math.floor(next() * (header.revision - 2)),
      ]) {
        const file = join(directory, `at-${revision}.db`);
        rmSync(file, { force: true });
        const outcome = await kubemend(directory, [
          ...[
            "backup",
            "restore",
            place.repository,
            String(revision),
            "--identity",
            place.identity,
            "--output-file",
            file,
          ],
        ]);
        if (outcome.code !== 0) throw new Error(`revision ${revision}: ${outcome.stderr}`);
        const [found, expected] = [await stored(file), await live(client, revision)];
        if (found.join("\n") !== expected.join("\n"))
          throw new Error(`revision ${revision} is not what etcd has: ${differences(found, expected)}`);
        rmSync(file);
      }
      const verdict = await kubemend(directory, ["backup", "verify", place.repository, "--identity", place.identity]);
      if (verdict.code !== 0) throw new Error(verdict.stdout);
      rmSync(directory, { recursive: true, force: true });
      return (
        `killed ${killed.join(", ")}; ${acknowledged} writes, revision ${header.revision}, ` +
        `${header.revision - before} not stored when the writes ended`
      );
    } finally {
      client.close();
    }
  } finally {
    await writes.stop();
    await agent.stop("SIGKILL");
    await server.stop("SIGKILL");
  }
}

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    record: { type: "boolean", default: false },
  },
});
let failed = 0;
for (let i = 0; i < Number(values.runs); i++) {
  const seed = Number(values.seed) + i;
  try {
    console.log(`seed ${seed}: ${await runOnce(seed)}`);
  } catch (error) {
    failed++;
    console.log(`seed ${seed}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
  }
}
console.log(`${Number(values.runs) - failed} passed, ${failed} failed`);
if (values.record) {
  recordBackups(
    "agent, etcd or store killed at random moments under writes",
    `npm run backup:killed -- --runs ${values.runs} --seed ${values.seed}`,
    `${values.runs} seeds: ${failed === 0 ? "no" : failed} failure${failed > 1 ? "s" : ""}`,
  );
}
process.exitCode = failed === 0 ? 0 : 1;
