/**
 * `npm run bench:backup -- [--only keep-up,cron,bytes,restore] [--seconds 20] [--writes 5000] [--scale 1] [--runs 3] [--json FILE]`: the
 * backup agent beside an etcd that is written to, what a day of changes takes in a repository, and a restore of a full
 * with an hour of changes beside a plain restore of the same state. `--scale 5` divides the 1.5 GB, and the hour, by 5.
 * CPU time counts; the clock is that of a machine with whatever else it does.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openRepository } from "../src/io/repository/repository.ts";
import { sealBytes, sealStream } from "../src/io/repository/seal.ts";
import { createBundler } from "../src/io/repository/write-bundles.ts";
import { openDirectoryStore } from "../src/io/stores/directory-store.ts";
import { encodeKeyValue } from "../src/mvcc/key-value.ts";
import { openForWriting } from "../src/operations/backup/open-for-writing.ts";
import { type Change, encodeDelta } from "../src/repository/delta.ts";
import { openSnapshot } from "../src/snapshot/open-snapshot.ts";
import { readKeyspace } from "../src/snapshot/read-keyspace.ts";
import { makeRepository } from "../test/backup/agent.ts";
import { kubemend } from "../test/kubemend.ts";
import { generateSnapshot, LARGE } from "./generate-snapshot.ts";
import { recordTable } from "./record.ts";
import { inTurns } from "./turns.ts";
import { writeTo } from "./written-to.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "keep-up,cron,bytes,restore" },
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

const VALUE = 1024;
const us = (cpu: number, written: number): string => `${((cpu / written) * 1e6).toFixed(0)} us a write`;

/** What writes takes CPU time too, on the same machine: as many as there can be is what etcd reaches beside it. */
async function keepUp(): Promise<void> {
  const seconds = Number(values.seconds);
  const asked = { seconds, value: VALUE, writes: Number(values.writes) };
  for (const [what, options] of [
    ["as many writes as there can be, without the agent", { ...asked, writes: Number.POSITIVE_INFINITY }],
    [`${values.writes} writes a second, without the agent`, asked],
    [`${values.writes} writes a second, with the agent, a flush a second`, { ...asked, agent: "1s" }],
  ] as const) {
    const { written, etcd, writer, agent, ...found } = await writeTo(directory, options);
    const pace = `${Math.round(written / found.seconds)} writes a second of ${VALUE} bytes`;
    record.add(`etcd, asked for ${what}: ${pace}`, etcd.toFixed(1), found.seconds.toFixed(0), "", us(etcd, written));
    record.add("what writes", writer.toFixed(1), found.seconds.toFixed(0), "", us(writer, written));
    if (agent === undefined) continue;
    const late = `${us(agent.cpu, written)}; all was stored ${agent.behind.toFixed(1)} s after the last`;
    record.add("the agent", agent.cpu.toFixed(1), found.seconds.toFixed(0), agent.peak.toFixed(0), late);
  }
}

/** 500 writes a second to a database of some size: alone, with the agent as it is configured by default, and with a save of cron's. */
async function besideCron(): Promise<void> {
  const seconds = Number(values.seconds);
  const asked = { seconds, value: VALUE, writes: 500, snapshot: snapshot() };
  const add = (what: string, cpu: number, peak: string, other: string): void =>
    record.add(what, cpu.toFixed(1), seconds.toFixed(0), peak, other);
  const alone = await writeTo(directory, asked);
  add(`etcd of ${mb(statSync(asked.snapshot).size)}, 500 writes a second`, alone.etcd, "", "");
  const { etcd, agent } = await writeTo(directory, { ...asked, agent: "10s" });
  add("etcd with the agent, its first full included", etcd, "", "at risk: the last 10 s");
  if (agent !== undefined) add("the agent, its first full included", agent.cpu, agent.peak.toFixed(0), "");
  const cron = await writeTo(directory, { ...asked, save: true });
  add("etcd with etcdctl snapshot save, once", cron.etcd, "", "at risk: the last hour, where it runs each hour");
  if (cron.saved !== undefined) add("etcdctl snapshot save, once", cron.saved.cpu, "", mb(cron.saved.bytes));
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
  if (only.includes("keep-up")) await keepUp();
  if (only.includes("cron")) await besideCron();
  if (only.includes("bytes")) await bytesADay();
  if (only.includes("restore")) await restore();
  record.end(
    `writes over ${values.seconds} s, in transactions of 20; ` +
      `restores: the median of ${values.runs} runs in turns, the 1.5 GB and the hour divided by ${values.scale}`,
  );
} finally {
  rmSync(directory, { recursive: true, force: true });
}
