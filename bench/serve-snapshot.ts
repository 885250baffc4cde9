/** A real etcd that holds what a snapshot does, for `snapshot save` to be measured against. */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { startEtcd } from "../test/etcd-server.ts";
import { findProgram } from "../test/programs.ts";

/** Above the snapshot's size, which etcd's default quota is close to. */
const QUOTA_BYTES = 8 * 1024 ** 3;

export interface SnapshotServer {
  readonly endpoint: string;
  /** The path of its own etcdctl. */
  readonly etcdctl: string;
  /** Ends it, and removes its data dir. */
  stop(): Promise<void>;
}

/** Undefined where there is no etcd to start. The data dir is made in `directory` by etcdutl. */
export async function serveSnapshot(
  etcdutl: string,
  snapshot: string,
  directory: string,
): Promise<SnapshotServer | undefined> {
  const suite = (["sid", "trixie"] as const).find((name) => findProgram(name, "etcd") !== undefined);
  const etcdctl = suite === undefined ? undefined : findProgram(suite, "etcdctl");
  if (suite === undefined || etcdctl === undefined) return undefined;
  const dataDir = join(directory, "served");
  const clear = (): void => rmSync(dataDir, { recursive: true, force: true });
  clear();
  execFileSync(etcdutl, ["snapshot", "restore", snapshot, "--data-dir", dataDir], { stdio: "ignore" });
  const server = await startEtcd({ suite, dataDir, flags: ["--quota-backend-bytes", String(QUOTA_BYTES)] });
  return {
    endpoint: server.endpoint,
    etcdctl,
    stop: async () => {
      await server.stop();
      clear();
    },
  };
}
