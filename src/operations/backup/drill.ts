/**
 * `backup drill`: restores the newest moment into a directory that goes away again, and proves that the backup is good
 * for the night in which it is needed: etcd's HashKV is the same, every object decodes, the control plane that it holds
 * can be rendered, and a stock etcd starts on it and computes the same hash, where there is one.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type Finding, MendError } from "../../errors/errors.ts";
import { type EtcdClient, openEtcd } from "../../io/etcd/etcd-client.ts";
import { makeTemporaryDirectory } from "../../io/files/durable/temporary-directory.ts";
import { writeOnce } from "../../io/files/durable/write-once.ts";
import { openStore } from "../../io/stores/open-store.ts";
import { splitMoment } from "../../repository/moment.ts";
import type { MomentAccess } from "../../snapshot/moment-access.ts";
import { momentPlace } from "../../snapshot/open-moment.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import { recoverControlPlane } from "../recover/recover.ts";
import { leaveReport } from "./reports.ts";
import { type BackupMoment, restoreBackup } from "./restore.ts";

const run = promisify(execFile);

export interface DrillOptions {
  readonly moments: MomentAccess;
  /** Where the data dir goes and is removed from; the system's directory for temporary files unless given. */
  readonly directory?: string;
  /** The path of an etcd program; undefined for the one on the path, where there is one. */
  readonly etcd?: string;
  /** The API server's, for objects that are encrypted at rest. An absolute path. */
  readonly encryptionConfig?: string;
  readonly signal?: AbortSignal;
  readonly progress?: ProgressSink;
}

export interface DrillResult {
  readonly repository: string;
  readonly moment: BackupMoment;
  /** How long it took until the data dir was written. */
  readonly restoreMilliseconds: number;
  readonly totalMilliseconds: number;
  /** `equal`: etcd had the same keyspace. `absent`: the repository has no HashKV to compare with. */
  readonly hashKv: "equal" | "absent";
  /** The control plane that was rendered from it; null where the keyspace holds none. */
  readonly controlPlane: DrilledControlPlane | null;
  /** What the started etcd said; null where there is none on this machine. */
  readonly etcd: DrilledEtcd | null;
  readonly findings: readonly Finding[];
  /** Whether the backup would help: nothing is wrong, and nothing is missing. */
  readonly ok: boolean;
}

interface DrilledControlPlane {
  readonly flavour: string;
  /** How many files `recover` would write. */
  readonly files: number;
  /** What the control plane refers to and the backup lacks, a sentence each. */
  readonly missing: readonly string[];
}

interface DrilledEtcd {
  readonly version: string;
  readonly revision: number;
  readonly startMilliseconds: number;
  /** Its own HashKV, against the one that the cluster's etcd gave; `absent` where there is none to compare with. */
  readonly hashKv: "equal" | "different" | "absent";
}

/** A drill that fails is noted in the repository too, so that `list` does not show an older one as if all were well. */
export async function drill(moment: string, options: DrillOptions): Promise<DrillResult> {
  try {
    return await runDrill(moment, options);
  } catch (error) {
    if (error instanceof MendError && error.code !== "internal" && options.signal?.aborted !== true)
      await noteFailure(moment, error, options.moments);
    throw error;
  }
}

async function noteFailure(moment: string, { code, message }: MendError, moments: MomentAccess): Promise<void> {
  const { place } = splitMoment(moment, moments.now());
  const time = new Date(moments.now()).toISOString();
  try {
    const store = await openStore(place, moments);
    try {
      await leaveReport(store, "drill-failed", moments.now(), { time, error: { code, message } });
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!(error instanceof MendError) || error.code === "internal") throw error; // the failure itself says more
  }
}

async function runDrill(moment: string, options: DrillOptions): Promise<DrillResult> {
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
    const controlPlane = await renderControlPlane(dataDir, directory, options);
    const etcd = await startStock(dataDir, restored, options);
    const findings = [...restored.moment.notes, ...restored.findings];
    const result: DrillResult = {
      repository: restored.moment.repository,
      moment: restored.moment,
      restoreMilliseconds: Math.round(restoreMilliseconds),
      totalMilliseconds: Math.round(performance.now() - began),
      hashKv: restored.moment.proof === null ? "absent" : "equal",
      controlPlane,
      etcd,
      findings,
      ok:
        findings.every(({ level }) => level !== "error") &&
        (controlPlane === null || controlPlane.missing.length === 0) &&
        (etcd === null || (etcd.revision === restored.revision && etcd.hashKv !== "different")),
    };
    const place = momentPlace(moment, moments);
    const address = place?.kind === "repository" ? place.address : restored.moment.repository;
    const store = await openStore(address, moments);
    try {
      await leaveReport(store, result.ok ? "drill" : "drill-failed", moments.now(), {
        time: new Date(moments.now()).toISOString(),
        ...result,
      });
    } finally {
      await store.close();
    }
    return result;
  } finally {
    temporary[Symbol.dispose]();
  }
}

/** What a self-hosted control plane is rendered with in a drill: only its being there matters. */
const ANY_KUBECONFIG = `apiVersion: v1
kind: Config
current-context: drill
contexts: [{name: drill, context: {cluster: drill, user: drill}}]
clusters: [{name: drill, cluster: {server: "https://127.0.0.1:6443"}}]
users: [{name: drill, user: {}}]
`;

const HOLDS_NONE: ReadonlySet<string> = new Set(["not-kubernetes", "control-plane-not-found"]);

async function renderControlPlane(
  dataDir: string,
  directory: string,
  { signal, encryptionConfig, moments }: DrillOptions,
): Promise<DrilledControlPlane | null> {
  const kubeconfig = join(directory, "kubeconfig");
  await writeOnce(kubeconfig, Buffer.from(ANY_KUBECONFIG));
  try {
    const { plane, rendering } = await recoverControlPlane({
      source: { kind: "backup", path: join(dataDir, "member/snap/db") },
      recoveryDir: join(directory, "control-plane"),
      kubeconfig: { kubeconfig, context: undefined, variables: {} },
      encryptionConfig,
      allowMissing: true,
      force: false,
      dryRun: true,
      skipHashCheck: true,
      now: moments.now,
      ...(signal === undefined ? {} : { signal }),
    });
    return {
      flavour: plane.flavour,
      files: rendering.assets.length,
      missing: plane.missing.map(({ text }) => text),
    };
  } catch (error) {
    if (error instanceof MendError && HOLDS_NONE.has(error.code)) return null;
    throw error;
  }
}

const START_MS = 60_000;
const HASH_MS = 120_000;

async function startStock(
  dataDir: string,
  { revision, moment }: { readonly revision: number; readonly moment: BackupMoment },
  { etcd, signal }: DrillOptions,
): Promise<DrilledEtcd | null> {
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
          const startMilliseconds = Math.round(performance.now() - began);
          const hashKv = await compareHash(member, moment.proof);
          return { version, revision: header.revision, startMilliseconds, hashKv };
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

/** A member whose version hashes only to its newest revision, or from another compaction, cannot be compared with. */
async function compareHash(member: EtcdClient, proof: BackupMoment["proof"]): Promise<DrilledEtcd["hashKv"]> {
  if (proof === null) return "absent";
  try {
    const { hash, compactRevision } = await member.hashKv(proof.revision, HASH_MS);
    if (Math.max(0, compactRevision) !== proof.compactRevision) return "absent";
    return hash === proof.hash ? "equal" : "different";
  } catch (error) {
    if (error instanceof MendError && ["etcd-refused", "revision-compacted", "unsupported"].includes(error.code))
      return "absent";
    throw error;
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
