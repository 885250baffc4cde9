/**
 * `backup drill`: restores the newest moment into a directory that goes away again, and proves that the backup is good
 * for the night in which it is needed: etcd's HashKV is the same, every object decodes, a stock etcd starts on it where
 * there is one.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type Finding, MendError } from "../../errors/errors.ts";
import { openEtcd } from "../../io/etcd/etcd-client.ts";
import { makeTemporaryDirectory } from "../../io/files/durable/temporary-directory.ts";
import { openStore } from "../../io/stores/open-store.ts";
import type { MomentAccess } from "../../snapshot/moment-access.ts";
import { momentPlace } from "../../snapshot/open-moment.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import { leaveReport } from "./reports.ts";
import { type BackupMoment, restoreBackup } from "./restore.ts";

const run = promisify(execFile);

export interface DrillOptions {
  readonly moments: MomentAccess;
  /** Where the data dir goes and is removed from; the system's directory for temporary files unless given. */
  readonly directory?: string;
  /** The path of an etcd program; undefined for the one on the path, where there is one. */
  readonly etcd?: string;
  readonly signal?: AbortSignal;
  readonly progress?: ProgressSink;
}

export interface DrillResult {
  readonly repository: string;
  readonly moment: BackupMoment;
  /** Milliseconds since the moment that was restored; null where its time is not known. */
  readonly restoreMilliseconds: number;
  readonly totalMilliseconds: number;
  /** `equal`: etcd had the same keyspace. `absent`: the repository has no HashKV to compare with. */
  readonly hashKv: "equal" | "absent";
  /** What the started etcd said; null where there is none on this machine. */
  readonly etcd: { readonly version: string; readonly revision: number; readonly startMilliseconds: number } | null;
  readonly findings: readonly Finding[];
  readonly ok: boolean;
}

export async function drill(moment: string, options: DrillOptions): Promise<DrillResult> {
  const { moments, signal } = options;
  const began = performance.now();
  const temporary = makeTemporaryDirectory("kubemend-drill-", options.directory);
  const directory = temporary.path;
  try {
    const dataDir = join(directory, "data");
    const common = {
      ...(signal === undefined ? {} : { signal }),
      ...(options.progress === undefined ? {} : { progress: options.progress }),
    };
    const restored = await restoreBackup(moment, {
      ...common,
      moments,
      dataDir,
      name: "drill",
      initialCluster: "drill=http://127.0.0.1:2380",
      initialClusterToken: "kubemend-drill",
      initialAdvertisePeerUrls: "http://127.0.0.1:2380",
    });
    const restoreMilliseconds = performance.now() - began;
    const etcd = await startStock(dataDir, restored.revision, options);
    const findings = [...restored.moment.notes, ...restored.findings];
    const result: DrillResult = {
      repository: restored.moment.repository,
      moment: restored.moment,
      restoreMilliseconds: Math.round(restoreMilliseconds),
      totalMilliseconds: Math.round(performance.now() - began),
      hashKv: restored.moment.proof === null ? "absent" : "equal",
      etcd,
      findings,
      ok: findings.every(({ level }) => level !== "error") && (etcd === null || etcd.revision === restored.revision),
    };
    const place = momentPlace(moment, moments);
    const address = place?.kind === "repository" ? place.address : restored.moment.repository;
    const store = await openStore(address, moments);
    try {
      await leaveReport(store, "drill", moments.now(), { time: new Date(moments.now()).toISOString(), ...result });
    } finally {
      await store.close();
    }
    return result;
  } finally {
    temporary[Symbol.dispose]();
  }
}

const START_MS = 60_000;

async function startStock(
  dataDir: string,
  revision: number,
  { etcd, signal }: DrillOptions,
): Promise<DrillResult["etcd"]> {
  const program = etcd ?? (await findEtcd());
  if (program === undefined) return null;
  const began = performance.now();
  const [client, peer] = [await freePort(), await freePort()];
  const endpoint = `http://127.0.0.1:${client}`;
  const child = spawn(
    program,
    [
      ...["--name", "drill", "--data-dir", dataDir, "--force-new-cluster"],
      ...["--listen-client-urls", endpoint, "--advertise-client-urls", endpoint],
      ...["--listen-peer-urls", `http://127.0.0.1:${peer}`],
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-2000);
  });
  const ended = once(child, "exit").catch(() => {});
  try {
    const access = { endpoints: [endpoint], tls: { rejectUnauthorized: true }, user: undefined, timeout: 2000 };
    while (performance.now() - began < START_MS && child.exitCode === null) {
      signal?.throwIfAborted();
      const member = openEtcd(endpoint, access, signal);
      try {
        const { version, leader } = await member.status();
        if (leader !== 0n) {
          const { header } = await member.range({ key: Buffer.from("\0"), limit: 1, revision: 0, serializable: false });
          return { version, revision: header.revision, startMilliseconds: Math.round(performance.now() - began) };
        }
      } catch (error) {
        if (!(error instanceof MendError) || error.code === "internal") throw error; // not up yet
      } finally {
        member.close();
      }
      await sleep(100);
    }
    throw new MendError("snapshot-refused", `etcd does not start on what was restored (revision ${revision})`, {
      where: program,
      hint: output.trim().split("\n").at(-1) ?? "run it by hand on a restored data dir",
    });
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

async function findEtcd(): Promise<string | undefined> {
  try {
    await run("etcd", ["--version"]);
    return "etcd";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
