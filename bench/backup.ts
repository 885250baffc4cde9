/**
 * `npm run bench:backup -- [--only keep-up,bytes,restore] [--seconds 20] [--writes 5000] [--scale 1] [--runs 3] [--json FILE]`: the
 * backup agent beside an etcd that is written to, what a day of changes takes in a repository, and a restore of a full
 * with an hour of changes beside a plain restore of the same state. `--scale 5` divides the 1.5 GB, and the hour, by 5.
 * CPU time counts; the clock is that of a machine with whatever else it does.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openRepository } from "../src/io/repository/repository.ts";
import { sealBytes, sealStream } from "../src/io/repository/seal.ts";
import { createBundler } from "../src/io/repository/write-bundles.ts";
import { openDirectoryStore } from "../src/io/stores/directory-store.ts";
import { encodeKeyValue } from "../src/mvcc/key-value.ts";
import { openForWriting } from "../src/operations/backup/open-for-writing.ts";
import { encodeMessage } from "../src/protobuf/message.ts";
import { type Change, encodeDelta } from "../src/repository/delta.ts";
import { openForReading } from "../src/snapshot/open-moment.ts";
import { openSnapshot } from "../src/snapshot/open-snapshot.ts";
import { readKeyspace } from "../src/snapshot/read-keyspace.ts";
import { makeRepository, startAgent } from "../test/backup/agent.ts";
import { clientOf } from "../test/backup/recorded-history.ts";
import { startEtcd } from "../test/etcd-server.ts";
import { kubemend } from "../test/kubemend.ts";
import { generateSnapshot, LARGE } from "./generate-snapshot.ts";
import { recordTable } from "./record.ts";
import { inTurns } from "./turns.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "keep-up,bytes,restore" },
    seconds: { type: "string", default: "20" },
    writes: { type: "string", default: "5000" },
    scale: { type: "string", default: "1" },
    runs: { type: "string", default: "3" },
    json: { type: "string" },
  },
});
const directory = mkdtempSync(join(tmpdir(), "kubemend-bench-backup-"));
const scale = Number(values.scale);
const MAIN = join(import.meta.dirname, "../src/cli/main.ts");
const record = recordTable(["what", "CPU s", "wall s", "peak MiB", "other"], { file: values.json });
const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** Seconds of CPU time that a process has taken, and the most memory that it had, in MiB. */
function usage(pid: number): { readonly cpu: number; readonly peak: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
  return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, peak: Number(peak) / 1024 };
}

const PUTS = 20;
const VALUE = 1024;

/** Writes in transactions of 20 at the pace that is asked for. Returns how many were acknowledged, and in how many seconds. */
async function load(endpoint: string): Promise<{ readonly written: number; readonly seconds: number }> {
  const began = performance.now();
  const until = began + 1000 * Number(values.seconds);
  let started = 0;
  let written = 0;
  const work = async (worker: number): Promise<void> => {
    const client = clientOf(endpoint);
    for (let i = 0; performance.now() < until; i++) {
      const due = began + (started / Number(values.writes)) * 1000;
      started += PUTS;
      const wait = due - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      const body = encodeMessage(
        (txn) => {
          for (let put = 0; put < PUTS; put++) {
            txn.message(2, (op) =>
              op.message(2, (m) => {
                m.bytes(1, Buffer.from(`/registry/pods/load/${worker}-${(i * PUTS + put) % 5000}`));
                m.bytes(2, Buffer.alloc(VALUE, 97 + (i % 26)));
              }),
            );
          }
        },
        PUTS * (VALUE + 100),
      );
      await client.call("KV/Txn", body, 30_000);
      written += PUTS;
    }
    client.close();
  };
  await Promise.all(Array.from({ length: 8 }, (_, i) => work(i)));
  return { written, seconds: (performance.now() - began) / 1000 };
}

async function keepUp(withAgent: boolean): Promise<void> {
  const root = mkdtempSync(join(directory, "keep-up-"));
  const server = await startEtcd({
    suite: "trixie",
    dataDir: join(root, "etcd"),
    flags: ["--quota-backend-bytes", String(8 * 1024 ** 3)],
  });
  const place = await makeRepository(join(root, "place"));
  const agent = withAgent
    ? startAgent(place, { endpoints: [server.endpoint], interval: "1s", hashEvery: "1h" })
    : undefined;
  const client = clientOf(server.endpoint);
  try {
    await agent?.logged("writing");
    const before = usage(server.pid).cpu;
    const beforeAgent = agent === undefined ? 0 : usage(agent.pid).cpu;
    const { written, seconds } = await load(server.endpoint);
    const ended = performance.now();
    const etcd = usage(server.pid).cpu - before;
    const { header } = await client.status();
    const access = { env: {}, cwd: root, now: Date.now };
    let behind = 0;
    for (let reached = 0; agent !== undefined && reached < header.revision; ) {
      const { links, repository } = await openForReading(place.repository, access);
      await repository.store.close();
      for (const { head } of links.map(({ signed }) => signed))
        if (head.kind === "delta" || head.kind === "full") reached = Math.max(reached, head.revisions.to);
      behind = (performance.now() - ended) / 1000;
    }
    const cost = agent === undefined ? undefined : usage(agent.pid);
    const pace = `${Math.round(written / seconds)} writes a second of ${VALUE} bytes`;
    const each = `${((etcd / written) * 1e6).toFixed(0)} us a write`;
    record.add(
      `etcd ${withAgent ? "with" : "without"} the agent, ${pace}`,
      etcd.toFixed(1),
      seconds.toFixed(0),
      "",
      each,
    );
    if (cost !== undefined) {
      const late = `all was stored ${behind.toFixed(1)} s after the last write`;
      record.add("the agent", (cost.cpu - beforeAgent).toFixed(1), seconds.toFixed(0), cost.peak.toFixed(0), late);
    }
  } finally {
    client.close();
    await agent?.stop("SIGKILL");
    await server.stop("SIGKILL");
    rmSync(root, { recursive: true, force: true });
  }
}

function snapshot(): string {
  const path = join(directory, "snapshot.db");
  const shape = { ...LARGE, pods: Math.round(LARGE.pods / scale), history: Math.round(LARGE.history / scale) };
  if (statSync(path, { throwIfNoEntry: false }) === undefined) generateSnapshot(path, shape);
  return path;
}

/** An object in fifty changes once a day, spread over the flushes of ten seconds. */
async function bytesADay(): Promise<void> {
  const path = snapshot();
  const { size } = statSync(path);
  const recipient = "age1zmpv5zj90q57rh8uyxj9gv6dfnagp3p7a4h9mgdsdrwp8jra8gdq3krs6s";
  const { createReadStream } = await import("node:fs");
  const seal = sealStream(createReadStream(path, { highWaterMark: 1 << 20 }), [recipient]);
  for await (const _ of seal.stored);
  const full = seal.content(null).size;
  using opened = await openSnapshot(path);
  const keyspace = await readKeyspace(opened);
  const flushes = Math.round(8640 / scale);
  const changed: Uint8Array[] = [];
  let i = 0;
  for (const entry of keyspace.entries()) if (i++ % 50 === 0) changed.push(encodeKeyValue(entry));
  let [deltas, events, revision] = [0, 0, 1];
  for (let flush = 0; flush < flushes; flush++) {
    const from = Math.floor((flush * changed.length) / flushes);
    const to = Math.floor(((flush + 1) * changed.length) / flushes);
    const changes: Change[] = changed
      .slice(from, to)
      .map((keyValue) => ({ revision: ++revision, sub: 0, deletion: false, keyValue }));
    if (changes.length === 0 && flush % 6 !== 0) continue; // a heartbeat a minute
    events += changes.length;
    const { bytes } = await sealBytes(
      encodeDelta({ changes, marks: [{ revision, time: 1, late: false }], leases: [] }),
      [recipient],
    );
    deltas += bytes.length + HEAD_BYTES;
  }
  const stored = (what: string, bytes: number): void => record.add(what, "", "", "", mb(bytes));
  stored("a database, of which an object in 50 changes in a day", size);
  stored("a full of it", full);
  stored(`a day of deltas, ${events} changes`, deltas);
  stored("a day of deltas with bundles that nobody prunes", 3 * deltas);
  stored("24 fulls", 24 * full);
  stored("24 files of etcdctl", 24 * size);
}

/** What heads of deltas have. */
const HEAD_BYTES = 1000;

async function restore(): Promise<void> {
  const path = snapshot();
  const place = await makeRepository(join(directory, "restore"));
  const imported = await kubemend(directory, [
    ...["backup", "import", place.repository, path, "--signing-key", place.signingKey, "--file-time"],
  ]);
  if (imported.code !== 0) throw new Error(imported.stderr);
  const access = { env: {}, cwd: directory, now: Date.now, signingKeyFile: place.signingKey, writer: "bench" };
  const { repository, appender, links } = await openForWriting(place.repository, access);
  const [full] = links;
  if (full?.signed.head.kind !== "full") throw new Error("no full");
  const { cluster, member, etcdVersion, history } = full.signed.head;
  let revision = full.signed.head.revisions.to;
  const [flushes, each] = [Math.round(360 / scale), 5000];
  const renewed = Buffer.alloc(300, 120);
  const first = revision + 1;
  for (let flush = 0; flush < flushes; flush++) {
    const from = revision + 1;
    const changes: Change[] = Array.from({ length: each }, (_, i) => {
      revision++;
      const key = Buffer.from(`/registry/leases/kube-node-lease/node-${i}`);
      renewed.writeUInt32LE(revision, 0);
      const value = Uint8Array.from(renewed);
      const created = { createRevision: first + i, modRevision: revision, version: flush + 1 };
      const keyValue = encodeKeyValue({ key, value, ...created, lease: 0n });
      return { revision, sub: 0, deletion: false, keyValue };
    });
    const delta = encodeDelta({ changes, marks: [{ revision, time: Date.now(), late: false }], leases: [] });
    const { bytes, content } = await sealBytes(delta, repository.description.recipients);
    const time = new Date().toISOString();
    const own = { cluster, member, etcdVersion, history, compactRevision: 0, hashes: [], lastChanges: null };
    const counts = { events: each, deletions: 0, leases: 0, exact: true };
    const span = { revisions: { from, to: revision }, times: { from: time, to: time } };
    await appender.append({ kind: "delta", ...own, ...counts, ...span, content }, bytes);
  }
  const bundler = createBundler(await openRepository(openDirectoryStore(place.repository)), []);
  while ((await bundler.writeNext(1, appender.tip.sequence)) !== undefined);
  const plain = join(directory, "plain.db");
  const saved = await kubemend(directory, [
    ...["backup", "restore", place.repository, "--identity", place.identity, "--output-file", plain],
  ]);
  if (saved.code !== 0) throw new Error(saved.stderr);
  const target = join(directory, "restored");
  const command = (...args: string[]): string[] => [
    process.execPath,
    MAIN,
    ...args,
    ...["--data-dir", target, "--skip-object-check"], // the changes are no objects
  ];
  const contenders = [
    {
      tool: "full and deltas",
      command: command("backup", "restore", place.repository, "--identity", place.identity),
    },
    { tool: "plain", command: command("snapshot", "restore", plain) },
    { tool: "plain, of the full alone", command: command("snapshot", "restore", path) },
  ];
  const measured = inTurns(contenders, Number(values.runs), () => rmSync(target, { recursive: true, force: true }));
  const what = `${mb(statSync(path).size)} and ${flushes * each} changes, ${mb(statSync(plain).size)} in all`;
  for (const result of measured) {
    if (typeof result === "string") throw new Error(result);
    const { tool, cpu, wall, peakMemory } = result;
    record.add(
      `restore, ${tool}`,
      cpu?.median.toFixed(1) ?? "",
      wall.median.toFixed(1),
      String(peakMemory ?? ""),
      what,
    );
  }
}

try {
  const only = values.only.split(",");
  if (only.includes("keep-up")) for (const withAgent of [false, true]) await keepUp(withAgent);
  if (only.includes("bytes")) await bytesADay();
  if (only.includes("restore")) await restore();
  record.end(
    `${values.writes} writes a second were asked for, over ${values.seconds} s; ` +
      `restores: the median of ${values.runs} runs in turns`,
  );
} finally {
  rmSync(directory, { recursive: true, force: true });
}
