/**
 * The rendered `bootstrap-etcd.yaml`, run as a kubelet would run it, by real etcd programs: the init container's script
 * restores the backup and takes the old EtcdCluster out of it, then the member serves it with the recovered
 * certificates. Only paths and ports are other ones.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { planStart } from "../src/bootstrap/start-plan.ts";
import { inspectRecoveredEtcd } from "../src/io/etcd/recovered-etcd-files.ts";
import { readAssetFiles } from "../src/io/files/asset-files.ts";
import { recoverControlPlane } from "../src/operations/recover/recover.ts";
import { bringEtcdBack } from "../src/operations/start/bring-etcd-back.ts";
import { freePorts } from "./free-ports.ts";
import { findProgram, PROGRAMS_MISSING } from "./programs.ts";

const exec = promisify(execFile);
const FIXTURE = join(import.meta.dirname, "fixtures/selfhosted-etcd-k120/snapshot.db.gz");

interface Container {
  readonly command: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
}
interface Pod {
  readonly spec: { readonly initContainers: readonly [Container]; readonly containers: readonly [Container] };
}

for (const suite of ["bookworm", "trixie"] as const) {
  const etcdctl = findProgram(suite, "etcdctl");
  test.skipIf(etcdctl === undefined)(
    `bootstrap-etcd serves the backup, on etcd of ${suite}${etcdctl === undefined ? ` (${PROGRAMS_MISSING})` : ""}`,
    async () => {
      const base = mkdtempSync(join(tmpdir(), "kubemend-boot-etcd-"));
      const backup = join(base, "backup.db");
      const kubeconfig = join(base, "kubeconfig");
      await writeFile(backup, gunzipSync(await readFile(FIXTURE)));
      await writeFile(kubeconfig, "kind: Config\n");
      const out = join(base, "out");
      const common = { allowMissing: false, skipHashCheck: false, force: false, dryRun: false };
      await recoverControlPlane({
        ...common,
        recoveryDir: out,
        source: { kind: "backup", path: backup },
        kubeconfig: { kubeconfig, context: undefined, variables: {} },
      });
      const pod = parse(await readFile(join(out, "bootstrap-manifests/bootstrap-etcd.yaml"), "utf8")) as Pod;
      const ports = await freePorts(4);
      const mapped = (text: string): string =>
        text
          .replaceAll("/var/etcd-backup/snapshot.db", backup)
          .replaceAll("/var/etcd/", `${base}/etcd/`)
          .replaceAll("/etc/kubernetes/secrets", join(out, "tls"))
          .replace(/\b(32379|32380|12379|12380)\b/g, (port) =>
            String(ports[["32379", "32380", "12379", "12380"].indexOf(port)]),
          );
      mkdirSync(join(base, "etcd"));
      const [restore] = pod.spec.initContainers;
      const PATH = `${dirname(etcdctl!)}:${process.env.PATH}`;
      const env = { PATH, ...Object.fromEntries(restore.env!.map(({ name, value }) => [name, mapped(value)])) };
      const init = () => exec(restore.command[0]!, restore.command.slice(1).map(mapped), { env });
      await init();

      const [member] = pod.spec.containers;
      const etcd = spawn(findProgram(suite, "etcd")!, member.command.slice(1).map(mapped), { stdio: "ignore" });
      try {
        const tls = ["--cacert", "etcd-client-ca.crt", "--cert", "etcd-client.crt", "--key", "etcd-client.key"];
        const flags = tls.map((word, i) => (i % 2 === 1 ? join(out, "tls", word) : word));
        const get = async (...args: string[]): Promise<string> => {
          const command = [`--endpoints=https://127.0.0.1:${ports[2]}`, ...flags, "get", ...args];
          return (await exec(etcdctl!, command, { env: { PATH, ETCDCTL_API: "3" } })).stdout;
        };
        for (let attempt = 0; ; attempt++) {
          const failure = await get("any").then(
            () => undefined,
            (error: Error) => error,
          );
          if (failure === undefined) break;
          if (attempt === 50 || etcd.exitCode !== null) throw failure;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        expect(await get("/registry/etcd.database.coreos.com", "--prefix", "--keys-only")).toBe("");
        expect(await get("/registry/pods/kube-system/kube-etcd-", "--prefix", "--keys-only")).toBe("");
        const pods = (await get("/registry/pods/", "--prefix", "--keys-only")).trim().split("\n\n");
        expect(pods).toHaveLength(12);
        await exec(etcdctl!, [`--endpoints=https://127.0.0.1:${ports[2]}`, ...flags, "put", "written-since", "1"], {
          env: { PATH, ETCDCTL_API: "3" },
        });
      } finally {
        etcd.kill();
        await once(etcd, "exit");
      }
      // A pod that starts again keeps what was written since.
      await init();
      const again = spawn(findProgram(suite, "etcd")!, member.command.slice(1).map(mapped), { stdio: "ignore" });
      again.kill();
      await once(again, "exit");
      const { stdout } = await exec("grep", ["-rlc", "written-since", `${base}/etcd/data`]);
      expect(stdout).not.toBe("");
      rmSync(base, { recursive: true, force: true });
    },
  );
}

const etcdProgram = findProgram("trixie", "etcd");
test.skipIf(etcdProgram === undefined)(
  "start restores the backup itself, once, and etcd serves it as a static pod " +
    `would${etcdProgram === undefined ? ` (${PROGRAMS_MISSING})` : ""}`,
  async () => {
    const base = mkdtempSync(join(tmpdir(), "kubemend-recovered-etcd-"));
    try {
      const backup = join(base, "backup.db");
      const kubeconfig = join(base, "kubeconfig");
      await writeFile(backup, gunzipSync(await readFile(FIXTURE)));
      await writeFile(kubeconfig, "kind: Config\n");
      const out = join(base, "out");
      const common = { allowMissing: false, skipHashCheck: false, force: false, dryRun: false };
      await recoverControlPlane({
        ...common,
        recoveryDir: out,
        source: { kind: "backup", path: backup },
        kubeconfig: { kubeconfig, context: undefined, variables: {} },
      });
      const { etcd: etcdPlan, pods } = planStart(readAssetFiles(out), new Date("2026-11-21T05:00:00Z"));
      const plan = etcdPlan!;
      const apiServer = pods.find(({ component }) => component === "kube-apiserver")!;
      const dialed = /--etcd-servers=(.*)/.exec(Buffer.from(apiServer.bytes).toString())![1];
      expect(dialed).toBe("http://127.0.0.1:2379,https://127.0.0.1:12379");
      const places = { podManifestPath: base, secretsDir: join(base, "secrets"), dataDir: join(base, "data") };
      const reported: string[] = [];
      const bring = async () => {
        const state = await inspectRecoveredEtcd(plan, places);
        await bringEtcdBack(
          { plan, places, state },
          { signal: AbortSignal.timeout(60_000), report: (text) => reported.push(text) },
        );
        return state;
      };
      // As a restore that was killed leaves it, in a data dir that is a mount point: the next one restarts.
      const nonce = "0123456789abcdef";
      const staged = join(places.dataDir, `.member.kubemend-${nonce}`);
      mkdirSync(join(staged, "new/snap"), { recursive: true, mode: 0o700 });
      await writeFile(join(staged, "journal.json"), JSON.stringify({ madeBy: "kubemend", target: "member", nonce }));
      expect(await bring()).toEqual({ isRestored: false, isPlaced: false });
      expect(readdirSync(places.dataDir)).toEqual(["member"]);
      expect(plan.pod.metadata.labels).toMatchObject({ app: "etcd", etcd_cluster: "kube-etcd" });
      expect(await readFile(join(base, "recovered-etcd.yaml"), "utf8")).toContain("path: /var/lib/etcd\n");

      const numbers = [...new Set(plan.ports)];
      const ports = await freePorts(numbers.length);
      const [container] = (plan.pod as unknown as Pod).spec.containers;
      const command = container.command.slice(1).map((word) =>
        word
          .replace("/var/etcd/data", places.dataDir)
          .replace("/etc/kubernetes/secrets/etcd", places.secretsDir)
          .replace(/:(\d+)(?=,|$)/g, (_, port) => `:${ports[numbers.indexOf(Number(port))] ?? port}`),
      );
      const etcd = spawn(etcdProgram!, command, { stdio: "ignore" });
      const bootPort = ports[numbers.indexOf(12379)];
      const flags = ["--cacert", "etcd-client-ca.crt", "--cert", "etcd-client.crt", "--key", "etcd-client.key"];
      const access = flags.map((word, i) => (i % 2 === 1 ? join(out, "tls", word) : word));
      const etcdctl = async (...args: string[]): Promise<string> => {
        const endpoint = `--endpoints=https://127.0.0.1:${bootPort}`;
        return (await exec(findProgram("trixie", "etcdctl")!, [endpoint, ...access, ...args])).stdout;
      };
      try {
        await expect.poll(() => etcdctl("get", "any").catch(String), { timeout: 20_000 }).toBe("");
        const keys = async (prefix: string) =>
          (await etcdctl("get", prefix, "--prefix", "--keys-only")).split("\n").filter((line) => line !== "");
        expect(await keys("/registry/etcd.database.coreos.com")).toEqual([]);
        expect(await keys("/registry/pods/kube-system/kube-etcd-")).toEqual([]);
        expect(await keys("/registry/pods/")).toHaveLength(12);
        await etcdctl("put", "written-since", "1");
      } finally {
        etcd.kill();
        await once(etcd, "exit");
      }
      expect(await bring()).toEqual({ isRestored: true, isPlaced: true });
      expect(reported).toContain(`etcd's data in "${places.dataDir}" is of this backup already: it stays`);
      const { stdout } = await exec("grep", ["-rlc", "written-since", places.dataDir]);
      expect(stdout).not.toBe("");

      const other = { ...plan, recovery: { ...plan.recovery, clusterToken: "another" } };
      await expect(inspectRecoveredEtcd(other, places)).rejects.toMatchObject({
        code: "already-exists",
        message: `files of another etcd are in the way: "${places.dataDir}"`,
      });
      await writeFile(join(base, "recovered-etcd.yaml"), "# somebody's\n");
      await expect(inspectRecoveredEtcd(plan, places)).rejects.toMatchObject({ code: "already-exists" });
    } finally {
      rmSync(base, { recursive: true, force: true });
    }
  },
);
