/** `etcd members`, `etcd health` and `snapshot save` against real servers, with and without TLS and users, and over broken connections. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { run } from "../src/cli/run.ts";
import { saveSnapshot } from "../src/operations/snapshot/save.ts";
import { type CertificateFiles, makeCertificates } from "./etcd-certificates.ts";
import { type EtcdServer, program, startEtcd } from "./etcd-server.ts";
import { Fault, faultyFileSystem } from "./faulty-file-system.ts";
import { type FaultyProxy, startFaultyProxy } from "./faulty-proxy.ts";
import { freePorts } from "./free-ports.ts";
import { findProgram, PROGRAMS_MISSING } from "./programs.ts";
import { planMembers, startMembers } from "./restored-cluster.ts";

let directory: string;
let running: EtcdServer[] = [];
const proxies: FaultyProxy[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "etcd-live-"));
});
afterEach(async () => {
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  await Promise.all(running.splice(0).map((server) => server.stop("SIGKILL")));
  rmSync(directory, { recursive: true });
});

const suites = (["bookworm", "trixie", "sid"] as const).filter((suite) => findProgram(suite, "etcd"));
const PATIENT = 5000;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function kubemend(...argv: string[]): Promise<Outcome> {
  const out = { stdout: "", stderr: "" };
  const sink = (name: keyof typeof out) => ({
    isTTY: false,
    columns: undefined,
    write: async (text: string): Promise<void> => {
      out[name] += text;
    },
  });
  const host = {
    stdout: sink("stdout"),
    stderr: sink("stderr"),
    env: {},
    cwd: directory,
    now: Date.now,
    signal: new AbortController().signal,
  };
  const code = await run(argv, host);
  return { code, ...out };
}

async function start(...flags: string[]): Promise<EtcdServer> {
  const server = await startEtcd({ suite: suites.at(-1)!, dataDir: join(directory, "data"), flags });
  running.push(server);
  return server;
}

const flagsOf = (files: CertificateFiles): string[] => ["--cacert", files.ca, "--cert", files.cert, "--key", files.key];

/** A server that wants client certificates. The test waits for it by our own means: etcdctl of the helper speaks no TLS. */
async function startTls(server: CertificateFiles, clients: CertificateFiles): Promise<string> {
  const [client, peer] = (await freePorts(2)) as [number, number];
  const url = `https://127.0.0.1:${client}`;
  const flags = [
    "--listen-client-urls",
    url,
    "--advertise-client-urls",
    url,
    "--cert-file",
    server.cert,
    "--key-file",
    server.key,
  ];
  const trust = ["--client-cert-auth", "--trusted-ca-file", clients.ca];
  running.push(
    await startEtcd(
      { suite: suites.at(-1)!, dataDir: join(directory, "tls"), ports: [client, peer], flags: [...flags, ...trust] },
      false,
    ),
  );
  for (let attempt = 0; attempt < 100; attempt++) {
    const { code } = await kubemend(
      "etcd",
      "members",
      "--endpoints",
      url,
      "--insecure-skip-tls-verify",
      "--cert",
      clients.cert,
      "--key",
      clients.key,
    );
    if (code === 0) return url;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(running.at(-1)!.log());
}

describe.skipIf(suites.length === 0)(`etcd of ${suites.length ? suites.join(", ") : PROGRAMS_MISSING}`, () => {
  test.each(suites.filter((suite) => suite !== "sid"))("%s: members in etcdctl's own words", async (suite) => {
    const etcd = await startEtcd({ suite, dataDir: join(directory, "data") });
    running.push(etcd);
    await etcd.etcdctl("member", "add", "later", "--peer-urls=http://127.0.0.1:1,http://127.0.0.1:2", "--learner");
    for (const format of ["simple", "table", "json"]) {
      const ours = await kubemend(
        "etcd",
        "members",
        "--endpoints",
        etcd.endpoint,
        "-o",
        format.replace("simple", "text"),
      );
      expect(ours).toEqual({ code: 0, stdout: await etcd.etcdctl("member", "list", "-w", format), stderr: "" });
    }
  });

  test.skipIf(!suites.includes("bookworm"))("the v2 API of etcd 3.4", async () => {
    const etcd = await startEtcd({ suite: "bookworm", dataDir: join(directory, "data"), flags: ["--enable-v2"] });
    running.push(etcd);
    const theirs = execFileSync(program("bookworm", "etcdctl"), ["--endpoints", etcd.endpoint, "member", "list"], {
      encoding: "utf8",
      env: { ...process.env, ETCDCTL_API: "2" },
    });
    expect(await kubemend("etcd", "members", "--api", "v2", "--endpoints", etcd.endpoint)).toMatchObject({
      code: 0,
      stdout: theirs,
    });
    const json = await kubemend("etcd", "members", "--api", "v2", "-o", "json", "--endpoints", etcd.endpoint);
    expect(JSON.parse(json.stdout)).toMatchObject({ members: [{ name: "default", isLeader: true }] });
    const table = await kubemend("etcd", "members", "--api", "v2", "-o", "table", "--endpoints", etcd.endpoint);
    expect(table.stdout).toMatch(/^\+-+\+/);
    expect(table.stdout).toMatch(/\| started \| default \|.*\| +true +\|/);
  });

  test("a newer etcd has no v2 API, and it is said", async () => {
    const etcd = await startEtcd({ suite: suites.at(-1)!, dataDir: join(directory, "data") });
    running.push(etcd);
    const { code, stderr } = await kubemend("etcd", "members", "--api", "v2", "--endpoints", etcd.endpoint);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/does not serve etcd's v2 API(.|\n)*hint: .*--enable-v2/),
    ]);
  });

  test("nothing listens, and the next endpoint answers", async () => {
    const [nobody] = (await freePorts(1)) as [number];
    const alone = await kubemend("etcd", "members", "--endpoints", `127.0.0.1:${nobody}`);
    expect(alone.code).toBe(1);
    expect(alone.stderr).toContain(`cannot reach "http://127.0.0.1:${nobody}": nothing listens there`);
    const etcd = await start();
    expect((await kubemend("etcd", "members", "--endpoints", `127.0.0.1:${nobody},${etcd.endpoint}`)).code).toBe(0);
  });

  test("TLS: what is wrong with a certificate is said", async () => {
    const good = await makeCertificates(directory, "good");
    const other = await makeCertificates(directory, "other");
    const url = await startTls(good, good);
    const members = async (...flags: string[]): Promise<string> =>
      (await kubemend("etcd", "members", "--endpoints", url, ...flags)).stderr;
    expect(await members(...flagsOf(good))).toBe("");
    const client = ["--cert", good.cert, "--key", good.key];
    expect(await members("--cacert", other.ca, ...client)).toMatch(
      /is of the authority "CN=good-ca", not of the one given \("CN=other-ca"\)\n +its certificate: subject "CN=good".*valid/,
    );
    expect(await members(...client)).toMatch(/hint: .*--cacert/);
    expect(await members("--cacert", good.ca)).toMatch(/hint: .*--cert/);
    expect(await members("--cacert", good.ca, "--cert", other.cert, "--key", other.key)).toMatch(/CN=other/);
    expect(await members("--cacert", good.ca, "--cert", good.cert, "--key", other.key)).toMatch(
      /client key is not that of the client certificate/,
    );
    expect(await members("--cacert", good.ca, "--cert", good.cert)).toMatch(/--key is missing/);
    expect(await members("--cacert", join(directory, "none"))).toMatch(/no such file/);
    const plain = await kubemend("etcd", "members", "--endpoints", url.replace("https", "http"));
    expect(plain.stderr).toMatch(/serves TLS, and was called without/);
    const file = join(directory, "tls.db");
    expect(
      (await kubemend("snapshot", "save", file, "--endpoints", url, "--cacert", other.ca, ...client)).stderr,
    ).toMatch(/not of the one given/);
    expect((await kubemend("snapshot", "save", file, "--endpoints", url, ...flagsOf(good))).code).toBe(0);
    expect((await kubemend("snapshot", "status", file)).code).toBe(0);
  });

  test("TLS: a server certificate that has expired, or is for another name", async () => {
    const clients = await makeCertificates(directory, "clients");
    const expired = await makeCertificates(directory, "expired", { days: -1 });
    const url = await startTls(expired, clients);
    const flags = ["--cert", clients.cert, "--key", clients.key];
    const first = await kubemend("etcd", "members", "--endpoints", url, "--cacert", expired.ca, ...flags);
    expect(first.stderr).toMatch(/its certificate expired 24 h ago\n.*subject "CN=expired".* to .*Z/);
    await running.pop()!.stop();
    rmSync(join(directory, "tls"), { recursive: true });
    const elsewhere = await makeCertificates(directory, "elsewhere", { names: ["etcd.example.org"] });
    const second = await startTls(elsewhere, clients);
    const answer = await kubemend("etcd", "health", "--endpoints", second, "--cacert", elsewhere.ca, ...flags);
    expect(answer.stderr).toMatch(/etcd\.example\.org/);
  });

  test("users: a snapshot needs the root role", async () => {
    const etcd = await start();
    for (const args of [
      ["role", "add", "root"],
      ["user", "add", "root:secret"],
      ["user", "grant-role", "root", "root"],
      ["user", "add", "bob:pw"],
      ["auth", "enable"],
    ]) {
      await etcd.etcdctl(...args);
    }
    const file = join(directory, "snapshot.db");
    const save = (...flags: string[]): Promise<Outcome> =>
      kubemend("snapshot", "save", file, "--endpoints", etcd.endpoint, ...flags);
    expect((await save()).stderr).toMatch(/hint: .*--user/);
    expect((await save("--user", "root:wrong")).stderr).toMatch(/check --user and --password/);
    expect((await save("--user", "root")).stderr).toMatch(/has no password/);
    expect((await save("--user", "bob:pw")).stderr).toMatch(/permission denied/);
    expect(existsSync(file)).toBe(false);
    expect((await save("--user", "root", "--password", "secret")).code).toBe(0);
    expect((await save("--user", "root:secret")).stderr).not.toMatch(/secret/);
  });

  test("health: one by one the members go", async () => {
    const { members, initialCluster } = await planMembers(3);
    running = await startMembers(suites[0]!, directory, members, initialCluster, ["--strict-reconfig-check=false"]);
    const endpoints = ["--endpoints", running[0]!.endpoint, "--command-timeout", "2s"];
    const health = async (): Promise<{
      code: number;
      value: Record<string, unknown> & { findings: { code: string }[] };
    }> => {
      const { code, stdout } = await kubemend("etcd", "health", ...endpoints, "-o", "json");
      return { code, value: JSON.parse(stdout) };
    };
    const first = await health();
    expect(first).toMatchObject({
      code: 0,
      value: { healthy: true, voters: 3, answeringVoters: 3, quorum: 2, survivesLosses: 1, findings: [] },
    });
    const answers = first.value.members as { status: { hash: { hash: number }; version: string } }[];
    expect(new Set(answers.map((member) => member.status.hash.hash)).size).toBe(1);
    expect((await kubemend("etcd", "health", ...endpoints)).stdout).toMatch(
      /3 of 3 voters answer, quorum is 2: survives one more loss\n$/,
    );

    await running[2]!.stop("SIGKILL");
    const second = await health();
    expect(second).toMatchObject({ code: 1, value: { answeringVoters: 2, survivesLosses: 0 } });
    expect(second.value.findings.map((finding) => finding.code).sort()).toEqual([
      "member-unreachable",
      "no-member-to-spare",
    ]);

    await running[0]!.etcdctl("member", "add", "zombie", "--peer-urls=http://127.0.0.1:1");
    expect((await health()).value.findings.map((finding) => finding.code)).toContain("member-never-started");

    await running[1]!.stop("SIGKILL");
    const last = await health();
    expect(last).toMatchObject({ code: 1, value: { answeringVoters: 1 } });
    expect(last.value.findings.map((finding) => finding.code)).toContain("quorum-lost");
  });

  test("health: a compaction that reaches the members one after the other is no disagreement", async () => {
    const { members, initialCluster } = await planMembers(3);
    running = await startMembers(suites[0]!, directory, members, initialCluster);
    const [first] = running;
    let isOver = false;
    const compacting = (async () => {
      for (let revision = 1; !isOver; ) {
        for (let i = 0; i < 3; i++) {
          const { header } = JSON.parse(await first!.etcdctl("put", `/registry/${i}`, `${revision}`, "-w", "json"));
          revision = header.revision;
        }
        await first!.etcdctl("compact", String(revision));
      }
    })();
    const outcomes: string[][] = [];
    try {
      for (let run = 0; run < 12; run++) {
        const { stdout } = await kubemend("etcd", "health", "--endpoints", first!.endpoint, "-o", "json");
        const { findings } = JSON.parse(stdout) as { findings: { code: string }[] };
        outcomes.push(findings.map(({ code }) => code));
      }
    } finally {
      isOver = true;
      await compacting;
    }
    expect(outcomes.flat()).not.toContain("members-disagree");
    expect(outcomes).toContainEqual([]);
  });
});

describe.skipIf(suites.length === 0)(`snapshot save (${suites.length ? "real etcd" : PROGRAMS_MISSING})`, () => {
  const file = (): string => join(directory, "snapshot.db");
  const save = (endpoints: readonly string[], more: object = {}) =>
    saveSnapshot(file(), { etcd: { endpoints, timeout: PATIENT }, ...more });

  async function startFilled(): Promise<EtcdServer> {
    const etcd = await start();
    for (let i = 0; i < 20; i++)
      await etcd.etcdctl("put", `/registry/${i}`, Buffer.alloc(100_000, i).toString("hex").slice(0, 120_000));
    return etcd;
  }
  const left = (): string[] => readdirSync(directory).filter((name) => name.includes("snapshot"));

  test("what is saved is what etcdutl accepts, over an older file", async () => {
    const etcd = await startFilled();
    writeFileSync(file(), "older");
    const result = await save([etcd.endpoint]);
    expect(result).toMatchObject({
      file: file(),
      revision: 21,
      size: readFileSync(file()).length,
      findings: [],
      failed: [],
    });
    expect(left()).toEqual(["snapshot.db"]);
    const etcdutl = findProgram("trixie", "etcdutl");
    if (etcdutl) {
      const status = execFileSync(etcdutl, ["snapshot", "status", file(), "-w", "json"], { encoding: "utf8" });
      expect(JSON.parse(status)).toMatchObject({ revision: 21 });
    }
  });

  test.each(["cut", "corrupt", "stall"] as const)(
    "a connection that is %s: no half file, and the next endpoint serves",
    async (fault) => {
      const etcd = await startFilled();
      for (const at of [700, 50_000, 1_000_000]) {
        const proxy = await startFaultyProxy(etcd.endpoint, fault, at);
        proxies.push(proxy);
        const etcdFlags = { endpoints: [proxy.endpoint], timeout: 1000 };
        await expect(saveSnapshot(file(), { etcd: etcdFlags })).rejects.toMatchObject({ name: "MendError" });
        expect(left()).toEqual([]);
        const result = await saveSnapshot(file(), {
          etcd: { ...etcdFlags, endpoints: [proxy.endpoint, etcd.endpoint] },
        });
        expect(result).toMatchObject({ endpoint: etcd.endpoint, revision: 21, failed: [{ endpoint: proxy.endpoint }] });
        rmSync(file());
      }
    },
  );

  test("a disk that is full, or a crash: nothing under the final name but a whole snapshot", async () => {
    const etcd = await startFilled();
    const whole = faultyFileSystem("fail", Number.POSITIVE_INFINITY);
    await save([etcd.endpoint], { fileSystem: whole });
    rmSync(file());
    for (const kind of ["fail", "crash"] as const) {
      for (let at = 1; at <= whole.operations(); at++) {
        const renamed = whole.log.indexOf("rename") + 1;
        await expect(save([etcd.endpoint], { fileSystem: faultyFileSystem(kind, at) })).rejects.toThrow(Fault);
        expect(existsSync(file())).toBe(at > renamed);
        if (kind === "fail" && at <= renamed) expect(left()).toEqual([]);
        for (const name of left()) rmSync(join(directory, name));
      }
    }
  });

  test.runIf(process.getuid?.() === 0)(
    "a disk that is too small is named before anything is written to it",
    async () => {
      const etcd = await startFilled();
      const disk = join(directory, "disk");
      mkdirSync(disk);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k,mode=0700", "none", disk]);
      try {
        const options = { etcd: { endpoints: [etcd.endpoint], timeout: PATIENT } };
        const message = expect.stringMatching(/needs [0-9]{7} bytes, but its disk has [0-9]{6} left$/);
        await expect(saveSnapshot(join(disk, "db"), options)).rejects.toMatchObject({ code: "no-space", message });
        expect(readdirSync(disk)).toEqual([]);
      } finally {
        execFileSync("umount", [disk]);
      }
    },
  );

  test("an interrupted save leaves nothing", async () => {
    const etcd = await startFilled();
    const abort = new AbortController();
    const attempt = save([etcd.endpoint], { signal: abort.signal, progress: () => abort.abort() });
    await expect(attempt).rejects.toMatchObject({ name: "AbortError" });
    expect(left()).toEqual([]);
  });
});
