/**
 * An etcd that is written to, alone, beside the backup agent, and beside `etcdctl snapshot save` as cron runs it: what
 * each costs etcd, and what is lost with the machine.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { encodeMessage } from "../src/protobuf/message.ts";
import { openForReading } from "../src/snapshot/open-moment.ts";
import { makeRepository, startAgent } from "../test/backup/agent.ts";
import { clientOf } from "../test/backup/recorded-history.ts";
import { program, startEtcd } from "../test/etcd-server.ts";
import { freePorts } from "../test/free-ports.ts";
import { kubemend } from "../test/kubemend.ts";

export interface WrittenTo {
  readonly written: number;
  readonly seconds: number;
  /** CPU time in seconds: of etcd, and of what writes. */
  readonly etcd: number;
  readonly writer: number;
  /** Of the agent, where there is one: CPU time in seconds, MiB, and how long after the last write all was stored. */
  readonly agent?: { readonly cpu: number; readonly peak: number; readonly behind: number };
  /** Of `etcdctl snapshot save`, where it ran: its own CPU time, and the size of its file. */
  readonly saved?: { readonly cpu: number; readonly bytes: number };
}

export interface WriteOptions {
  /** Asked for a second; Infinity for as many as there can be. */
  readonly writes: number;
  readonly seconds: number;
  /** Of a value, in bytes. */
  readonly value: number;
  /** The agent flushes so often. */
  readonly agent?: string;
  /** `etcdctl snapshot save` runs once meanwhile. */
  readonly save?: boolean;
  /** What etcd holds at the start; nothing unless given. */
  readonly snapshot?: string;
}

/** Seconds of CPU time that a process has taken, and the most memory that it had, in MiB. */
function usage(pid: number | "self"): { readonly cpu: number; readonly peak: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
  return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, peak: Number(peak) / 1024 };
}

/** `directory` is for what it needs on the disk. */
export async function writeTo(directory: string, options: WriteOptions): Promise<WrittenTo> {
  const root = mkdtempSync(join(directory, "written-to-"));
  const ports = (await freePorts(2)) as [number, number];
  const dataDir = join(root, "etcd");
  if (options.snapshot !== undefined) {
    const peer = `http://127.0.0.1:${ports[1]}`;
    const cluster = ["--initial-cluster", `default=${peer}`, "--initial-advertise-peer-urls", peer];
    const restored = await kubemend(root, ["snapshot", "restore", options.snapshot, "--data-dir", dataDir, ...cluster]);
    if (restored.code !== 0) throw new Error(restored.stderr);
  }
  const flags = ["--quota-backend-bytes", String(8 * 1024 ** 3)];
  const server = await startEtcd({ suite: "trixie", dataDir, ports, flags });
  const place = await makeRepository(join(root, "place"));
  const { agent: interval } = options;
  const agent =
    interval === undefined
      ? undefined
      : startAgent(place, { endpoints: [server.endpoint], interval, hashEvery: "1h", heartbeat: "1m" });
  const client = clientOf(server.endpoint);
  try {
    await agent?.logged("writing");
    const [etcd, own, writer] = [usage(server.pid).cpu, agent && usage(agent.pid).cpu, usage("self").cpu];
    const saving = options.save === true ? save(server.endpoint, join(root, "saved.db")) : undefined;
    const { written, seconds } = await load(server.endpoint, options);
    const saved = await saving;
    const ended = performance.now();
    const cost = { etcd: usage(server.pid).cpu - etcd, writer: usage("self").cpu - writer };
    const reached = { written, seconds, ...cost, ...(saved === undefined ? {} : { saved }) };
    if (agent === undefined) return reached;
    const { header } = await client.status();
    while ((await storedRevision(place.repository)) < header.revision);
    const { cpu, peak } = usage(agent.pid);
    const behind = (performance.now() - ended) / 1000;
    return { ...reached, agent: { cpu: cpu - (own ?? 0), peak, behind } };
  } finally {
    client.close();
    await agent?.stop("SIGKILL");
    await server.stop("SIGKILL");
    rmSync(root, { recursive: true, force: true });
  }
}

async function storedRevision(repository: string): Promise<number> {
  const opened = await openForReading(repository, { env: {}, cwd: "/", now: Date.now });
  await opened.repository.store.close();
  const heads = opened.links.map(({ signed }) => signed.head);
  return Math.max(0, ...heads.map((head) => ("revisions" in head ? head.revisions.to : 0)));
}

const PUTS = 20;

/** Writes in transactions of 20, from 8 clients. */
async function load(
  endpoint: string,
  { writes, seconds, value }: WriteOptions,
): Promise<{ readonly written: number; readonly seconds: number }> {
  const began = performance.now();
  const until = began + 1000 * seconds;
  let started = 0;
  let written = 0;
  const work = async (worker: number): Promise<void> => {
    const client = clientOf(endpoint);
    for (let i = 0; performance.now() < until; i++) {
      const wait = began + (started / writes) * 1000 - performance.now();
      started += PUTS;
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      const body = encodeMessage(
        (txn) => {
          for (let put = 0; put < PUTS; put++) {
            txn.message(2, (op) =>
              op.message(2, (m) => {
                m.bytes(1, Buffer.from(`/registry/pods/load/${worker}-${(i * PUTS + put) % 5000}`));
                m.bytes(2, Buffer.alloc(value, 97 + (i % 26)));
              }),
            );
          }
        },
        PUTS * (value + 100),
      );
      await client.call("KV/Txn", body, 30_000);
      written += PUTS;
    }
    client.close();
  };
  await Promise.all(Array.from({ length: 8 }, (_, i) => work(i)));
  return { written, seconds: (performance.now() - began) / 1000 };
}

/** By GNU time, where there is one: the CPU time of what has ended is nowhere else. */
async function save(endpoint: string, path: string): Promise<{ readonly cpu: number; readonly bytes: number }> {
  const command = [program("trixie", "etcdctl"), "--endpoints", endpoint, "snapshot", "save", path];
  const env = { ...process.env, ETCDCTL_API: "3" };
  const { stderr } = await promisify(execFile)("/usr/bin/time", ["-q", "-f", "took %U %S", ...command], { env });
  const [, user, system] = /took ([\d.]+) ([\d.]+)/.exec(stderr) ?? [];
  return { cpu: Number(user) + Number(system), bytes: statSync(path).size };
}
