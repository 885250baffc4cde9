/** `etcd health --restored-from`: what was restored serves, or an old member that was still running. */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RestoreOptions, restoreSnapshot } from "../src/operations/snapshot/restore.ts";
import { type EtcdServer, startEtcd } from "./etcd-server.ts";
import { kubemend } from "./kubemend.ts";
import { findProgram, PROGRAMS_MISSING, type Suite } from "./programs.ts";
import { planMembers, startMembers } from "./restored-cluster.ts";

let directory: string;
const running: EtcdServer[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "restored-from-"));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop("SIGKILL")));
  rmSync(directory, { recursive: true });
});

const suites = (["bookworm", "trixie", "sid"] as const).filter((suite) => findProgram(suite, "etcd"));
const file = () => join(directory, "snapshot.db");

/** A cluster that continues after its snapshot was saved, compacted meanwhile; it still runs. */
async function makeSource(suite: Suite): Promise<EtcdServer> {
  const etcd = await startEtcd({ suite, dataDir: join(directory, "source") });
  running.push(etcd);
  for (let i = 0; i < 30; i++) await etcd.etcdctl("put", `/registry/things/${i % 20}`, `${i}`);
  await etcd.etcdctl("compact", "12");
  await etcd.etcdctl("snapshot", "save", file());
  for (let i = 0; i < 3; i++) await etcd.etcdctl("put", `/registry/later/${i}`, "after the snapshot");
  return etcd;
}

async function restored(suite: Suite, more: Partial<RestoreOptions> = {}): Promise<EtcdServer> {
  const { members, initialCluster } = await planMembers(1);
  const own = { name: "m1", initialCluster, initialClusterToken: "fresh", initialAdvertisePeerUrls: members[0]!.peer };
  await restoreSnapshot(file(), { dataDir: join(directory, "m1"), ...own, ...more });
  const [server] = await startMembers(suite, directory, members, initialCluster);
  running.push(server!);
  return server!;
}

async function compare(server: EtcdServer) {
  const words = ["etcd", "health", `--endpoints=${server.endpoint}`, "--restored-from", file(), "-o", "json"];
  const { code, stdout, stderr } = await kubemend(directory, words);
  if (stdout === "") throw new Error(stderr);
  const { verdict, findings } = JSON.parse(stdout);
  return { code, verdict, codes: findings.map((finding: { code: string }) => finding.code) };
}

describe.skipIf(suites.length === 0)(`etcd of ${suites.length ? suites.join(", ") : PROGRAMS_MISSING}`, () => {
  test.each(suites)("%s: what was restored is proved, an old member is refuted", async (suite) => {
    const old = await makeSource(suite);
    expect(await compare(old)).toEqual({
      code: 1,
      verdict: "refuted",
      codes: ["restored-log-old", "restored-keys-equal"],
    });
    const own = await restored(suite);
    await own.etcdctl("put", "/registry/new", "written since");
    const proved = { code: 0, verdict: "proved", codes: ["restored-log-new", "restored-keys-equal"] };
    expect(await compare(own)).toEqual(proved);
    await own.etcdctl("compact", "20");
    expect(await compare(own)).toEqual(proved);
  });

  test.each(suites)("%s: with a raised revision", async (suite) => {
    await makeSource(suite);
    const own = await restored(suite, { bumpRevision: 1000 });
    await own.etcdctl("put", "/registry/new", "written since");
    expect(await compare(own)).toEqual({
      code: 0,
      verdict: "proved",
      codes: ["restored-log-new", "restored-keys-none-newer"],
    });
  });

  test.each(suites.slice(-1))("%s: the moment of a repository that was restored", async (suite) => {
    const old = await makeSource(suite);
    const at = (name: string) => join(directory, name);
    const signing = ["--signing-key", at("signing.pem")];
    await kubemend(directory, ["backup", "init", at("repository"), ...signing, "--identity", at("identity")]);
    const imported = await kubemend(directory, ["backup", "import", at("repository"), file(), ...signing]);
    expect(imported.code, imported.stderr).toBe(0);
    const own = await restored(suite);
    const compareWith = async (server: EtcdServer) => {
      const moment = `${at("repository")}@latest`;
      const words = ["etcd", "health", `--endpoints=${server.endpoint}`, "--restored-from", moment, "-o", "json"];
      const { stdout, stderr } = await kubemend(directory, [...words, "--identity", at("identity")]);
      return stdout === "" ? stderr : JSON.parse(stdout).verdict;
    };
    expect(await compareWith(own)).toBe("proved");
    expect(await compareWith(old)).toBe("refuted");
  });

  test.each(suites.slice(0, 1))("%s: other keys, and nobody there", async (suite) => {
    await makeSource(suite);
    const first = join(directory, "first.db");
    cpSync(file(), first);
    const other = await startEtcd({ suite, dataDir: join(directory, "other") });
    running.push(other);
    for (let i = 0; i < 40; i++) await other.etcdctl("put", `/registry/others/${i}`, `${i}`);
    expect((await compare(other)).codes).toContain("restored-keys-differ");
    await other.stop("SIGKILL");
    expect(await compare(other)).toEqual({ code: 3, verdict: "unknown", codes: ["restored-not-asked"] });
  });
});
