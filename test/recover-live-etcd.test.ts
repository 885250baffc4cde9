/** `recover --etcd-servers` against real members: what it reads, and what it says when it cannot. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { generateKey, issueCertificate, issueSelfSigned, type SigningCertificate } from "../src/certificates/issue.ts";
import { openEtcd } from "../src/io/etcd/etcd-client.ts";
import type { EtcdAccess } from "../src/io/etcd/etcd-connection.ts";
import { createEtcdReader } from "../src/io/etcd/etcd-reader.ts";
import type { KubeObject } from "../src/kube/object.ts";
import { readLiveEtcd } from "../src/operations/recover/read-live-etcd.ts";
import { restoreSnapshot } from "../src/operations/snapshot/restore.ts";
import { companions, mirrorPod, node, secret, workload } from "./cluster-objects.ts";
import { type EtcdServer, program, startEtcd } from "./etcd-server.ts";
import { freePorts } from "./free-ports.ts";
import { kubemend, type Outcome } from "./kubemend.ts";
import { clusterEntries, encryptAesCbc, madeSnapshot } from "./made-snapshot.ts";
import { findProgram, PROGRAMS_MISSING } from "./programs.ts";
import { planMembers, startMembers } from "./restored-cluster.ts";
import { expectShown } from "./shown-on-page.ts";

const suites = (["bookworm", "trixie", "sid"] as const).filter((suite) => findProgram(suite, "etcd"));
const DAY = 86_400_000;

let base: string;
const running: EtcdServer[] = [];
let silent: Server | undefined;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "kubemend-live-etcd-"));
  writeFileSync(join(base, "kubeconfig"), "apiVersion: v1\nkind: Config\n");
});
afterEach(async () => {
  silent?.close();
  await Promise.all(running.splice(0).map((server) => server.stop("SIGKILL")));
  rmSync(base, { recursive: true, force: true });
});

const recover = (...flags: string[]): Promise<Outcome> =>
  kubemend(base, ["recover", "--recovery-dir=out", "--kubeconfig=kubeconfig", ...flags]);

function write(name: string, text: string): string {
  writeFileSync(join(base, name), text);
  return join(base, name);
}

/** An authority in files, and certificates of it. */
class Authority {
  readonly file: string;
  readonly #signing: SigningCertificate;
  private constructor(file: string, signing: SigningCertificate) {
    this.file = write(`${file}.crt`, signing.certificatePem);
    this.#signing = signing;
  }

  static async create(file: string, commonName = file): Promise<Authority> {
    const key = await generateKey("ecdsa-p256");
    const validity = { notBefore: new Date(Date.now() - 30 * DAY), notAfter: new Date(Date.now() + 30 * DAY) };
    const certificatePem = await issueSelfSigned({ commonName, use: "authority", ...validity }, key);
    return new Authority(file, { certificatePem, privateKey: key.privateKey });
  }

  async issue(
    name: string,
    more: { days?: number; names?: string[]; use?: "peer" | "client" | "server" } = {},
  ): Promise<Pair> {
    const { days = 10, names = ["127.0.0.1"], use = "peer" } = more;
    const key = await generateKey("ecdsa-p256");
    const validity = { notBefore: new Date(Date.now() - 20 * DAY), notAfter: new Date(Date.now() + days * DAY) };
    const certificate = await issueCertificate(
      { commonName: name, use, names, ...validity },
      key.publicKey,
      this.#signing,
    );
    return { cert: write(`${name}.crt`, certificate), key: write(`${name}.key`, key.privateKeyPem) };
  }
}

interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** A member with these certificates; `clients` is the authority of the clients that it asks for. Resolves when it listens. */
async function startTls(server: Pair, clients?: Authority, dataDir = "data"): Promise<string> {
  const ports = (await freePorts(2)) as [number, number];
  const url = `https://127.0.0.1:${ports[0]}`;
  const flags = ["--listen-client-urls", url, "--advertise-client-urls", url];
  flags.push("--cert-file", server.cert, "--key-file", server.key);
  if (clients !== undefined) flags.push("--client-cert-auth", "--trusted-ca-file", clients.file);
  const member = await startEtcd({ suite: suites.at(-1)!, dataDir: join(base, dataDir), ports, flags }, false);
  running.push(member);
  for (let attempt = 0; attempt < 200; attempt++) {
    if (/serving client (requests|traffic) securely|ready to serve client requests/.test(member.log())) return url;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(member.log());
}

/** A member with a snapshot in it, without TLS. */
async function startWith(snapshot: Uint8Array | string): Promise<EtcdServer> {
  const ports = (await freePorts(2)) as [number, number];
  const path = typeof snapshot === "string" ? snapshot : join(base, "backup.db");
  if (typeof snapshot !== "string") writeFileSync(path, snapshot);
  const peer = `http://127.0.0.1:${ports[1]}`;
  const cluster = { initialCluster: `default=${peer}`, initialAdvertisePeerUrls: peer, initialClusterToken: "t" };
  await restoreSnapshot(path, { ...cluster, dataDir: join(base, "data"), name: "default" });
  const member = await startEtcd({ suite: suites.at(-1)!, dataDir: join(base, "data"), ports });
  running.push(member);
  return member;
}

const PLAIN: readonly KubeObject[] = [workload("kube-apiserver"), ...companions()];
const flagsOf = (authority: Authority, client?: Pair): string[] => [
  `--etcd-ca-path=${authority.file}`,
  ...(client === undefined ? [] : [`--etcd-certificate-path=${client.cert}`, `--etcd-private-key-path=${client.key}`]),
];

describe.skipIf(suites.length === 0)(`a live etcd${suites.length > 0 ? "" : ` (${PROGRAMS_MISSING})`}`, () => {
  test("is read at one revision, and nothing is changed in it", async () => {
    const { endpoint, etcdctl } = await startWith(madeSnapshot(clusterEntries(PLAIN)));
    const before = await etcdctl("endpoint", "hashkv");
    const { code, stdout, stderr } = await recover(`--etcd-servers=${endpoint}`);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(`Recovering from the etcd at "${endpoint}"\n`);
    expect(stdout).toContain("objects under /registry\n");
    expectShown(
      "docs/recover-a-control-plane.md",
      "kubemend recover --recovery-dir=recovered --kubeconfig=/etc/kubernetes/kubeconfig --etcd-servers",
      stdout,
    );
    expect(stdout).toContain(`on one control-plane node: sudo kubemend start --asset-dir=${base}/out\n`);
    expect(readFileSync(join(base, "out/auth/kubeconfig"), "utf8")).toBe("apiVersion: v1\nkind: Config\n");
    expect(await etcdctl("endpoint", "hashkv")).toBe(before);
  });

  test("with a prefix of its own, which is found; with two of them one must be chosen", async () => {
    const entries = [...clusterEntries(PLAIN, "/a/b/c"), ["/vault/x", "1"], ["/z", "1"]] as [string, string][];
    const { endpoint, etcdctl } = await startWith(madeSnapshot(entries));
    const found = await recover(`--etcd-servers=${endpoint}`, "--dry-run", "-o", "json");
    expect(JSON.parse(found.stdout)).toMatchObject({ source: { kind: "etcd", endpoint, etcdPrefix: "/a/b/c" } });
    await etcdctl("put", "/registry/namespaces/default", "{}");
    expect((await recover(`--etcd-servers=${endpoint}`)).stderr).toContain('under "/a/b/c", "/registry"');
    const wrong = await recover(`--etcd-servers=${endpoint}`, "--etcd-prefix=/nope");
    expect(wrong.stderr).toContain('hint: there is one under "/a/b/c", "/registry"');
    expect((await recover(`--etcd-servers=${endpoint}`, "--etcd-prefix=a/b/c/")).code).toBe(0);
  });

  test("that is somebody else's, or empty", async () => {
    const { endpoint } = await startWith(madeSnapshot([["/vault/core", "x"]]));
    const { code, stderr } = await recover(`--etcd-servers=${endpoint}`);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('no Kubernetes cluster in this etcd: it holds keys such as "/vault/core"'),
    ]);
  });

  test("with encrypted secrets", async () => {
    const volumes = [{ name: "secrets", secret: { secretName: "s" } }];
    const sealed = secret("kube-system/s", { key: "opened" });
    const aes = Buffer.alloc(32, 7);
    const value = encryptAesCbc(JSON.stringify(sealed), "k1", aes);
    const plane = [workload("kube-apiserver", { spec: { volumes } }), ...companions()];
    const { endpoint } = await startWith(
      madeSnapshot([...clusterEntries(plane), ["/registry/secrets/kube-system/s", value]]),
    );
    const refused = await recover(`--etcd-servers=${endpoint}`);
    expect(refused.stderr).toContain('secret "kube-system/s" is encrypted');
    expect(refused.stderr).toContain('key "k1"');
    const keys = [{ name: "k1", secret: aes.toString("base64") }];
    const resources = [{ resources: ["secrets"], providers: [{ aescbc: { keys } }] }];
    const config = { apiVersion: "apiserver.config.k8s.io/v1", kind: "EncryptionConfiguration", resources };
    writeFileSync(join(base, "encryption.yaml"), JSON.stringify(config));
    const { code } = await recover(`--etcd-servers=${endpoint}`, "--encryption-config=encryption.yaml");
    expect(code).toBe(0);
    expect(readFileSync(join(base, "out/tls/secrets/s/key"), "utf8")).toBe("opened");
  });

  test("at an earlier revision, unless it is compacted or yet to come", async () => {
    const { endpoint, etcdctl } = await startWith(madeSnapshot(clusterEntries(PLAIN)));
    const at = async () =>
      JSON.parse((await recover(`--etcd-servers=${endpoint}`, "--dry-run", "-o", "json")).stdout).source.revision;
    const revision = await at();
    await etcdctl("del", "--prefix", "/registry/daemonsets/");
    expect((await recover(`--etcd-servers=${endpoint}`)).code).toBe(1);
    const back = await recover(`--etcd-servers=${endpoint}`, `--at-revision=${revision}`, "--dry-run");
    expect([back.code, back.stderr]).toEqual([0, ""]);
    await etcdctl("compact", String(revision + 1));
    const gone = await recover(`--etcd-servers=${endpoint}`, `--at-revision=${revision}`);
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining("no longer holds that revision")]);
    const future = await recover(`--etcd-servers=${endpoint}`, "--at-revision=99999");
    expect([future.code, future.stderr]).toEqual([
      1,
      expect.stringContaining(`the newest revision is ${revision + 1}`),
    ]);
  });

  test("of many keys and large values, in pages that lack none and repeat none", async () => {
    const large = "x".repeat(1_000_000);
    // Small ones first, and then more than fit into one message.
    const pods = Array.from({ length: 400 }, (_, i): [string, string] => [
      `/registry/pods/n/${i + 1000}`,
      i < 330 ? "small" : large,
    ]);
    const leases = Array.from({ length: 3000 }, (_, i): [string, string] => [`/registry/leases/n/${i}`, "{}"]);
    const { endpoint } = await startWith(madeSnapshot([...pods, ...leases, ["/registry/podt/x", ""]]));
    const access = { endpoints: [endpoint], tls: { rejectUnauthorized: true }, user: undefined, timeout: 5000 };
    const client = openEtcd(endpoint, access as EtcdAccess);
    const { header } = await client.status();
    const reader = createEtcdReader(client, header.revision, false);
    for (const [prefix, entries] of [
      ["/registry/pods/", pods],
      ["/registry/leases/", leases],
      ["/nothing/", []],
    ] as const) {
      const found: [string, number][] = [];
      const count = await reader.readBelow(prefix, ({ key, value }) => found.push([key.toString(), value.length]));
      const expected = entries.map(([key, value]): [string, number] => [key, value.length]);
      expect(found).toEqual(expected.sort(([a], [b]) => (a < b ? -1 : 1)));
      expect(count).toBe(expected.length);
    }
    client.close();
  });

  test("of static pods: all those of the control plane's nodes are found, in whatever namespace", async () => {
    const entries = (system: string) => {
      const pods = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"].map((name) => mirrorPod(name, "M1"));
      const other = mirrorPod("lb", "M1", { labels: {} });
      const all = [...pods, other].map((pod, i) => ({
        ...pod,
        // As the kubelet names them.
        metadata: {
          ...pod.metadata,
          name: pod.metadata.name.toLowerCase(),
          namespace: i === 3 ? "elsewhere" : system,
        },
      }));
      const bystander = { ...all[3]!, metadata: { name: "web-m1", namespace: "default" } };
      return clusterEntries([...all, bystander, node("M1", { "node-role.kubernetes.io/control-plane": "" })]);
    };
    const assets = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "lb"];
    for (const system of ["kube-system", "openshift-kube"]) {
      const backup = madeSnapshot(entries(system));
      const { endpoint, stop } = await startWith(backup);
      const { stdout } = await recover(`--etcd-servers=${endpoint}`, "--dry-run", "-o", "json");
      const paths = JSON.parse(stdout).assets.map(({ path }: { path: string }) => path);
      for (const name of assets) expect(paths).toContain(`nodes/M1/manifests/${name}.yaml`);
      expect(paths).toHaveLength(assets.length + 2);
      await stop();
      rmSync(join(base, "data"), { recursive: true });
    }
  });

  test("that is compacted while it is read: the reading starts over", async () => {
    const leases = Array.from({ length: 5000 }, (_, i): [string, string] => [`/registry/leases/n/${i}`, "{}"]);
    const { endpoint } = await startWith(madeSnapshot([...clusterEntries(PLAIN), ...leases]));
    const etcdctl = (...args: string[]) =>
      execFileSync(program(suites.at(-1)!, "etcdctl"), [`--endpoints=${endpoint}`, ...args], { stdio: "pipe" });
    let compacted = 0;
    const reading = await readLiveEtcd(
      { endpoints: [endpoint], timeout: 5000 },
      {
        skipHashCheck: false,
        progress({ done }) {
          if (done !== 2000 || compacted > 0) return;
          etcdctl("put", "/registry/x", "1");
          const [{ Status }] = JSON.parse(etcdctl("endpoint", "status", "-w", "json").toString());
          compacted = Status.header.revision;
          etcdctl("compact", String(compacted));
        },
      },
    );
    expect(reading.source).toMatchObject({ revision: compacted });
    expect(compacted).toBeGreaterThan(0);
    expect(reading.found.objects.filter(({ kind }) => kind === "DaemonSet")).toHaveLength(1);
  });

  test("that has lost its quorum: what the last member has is read, and that is said", async () => {
    const { members, initialCluster } = await planMembers(3);
    const servers = await startMembers(suites.at(-1)!, base, members, initialCluster);
    running.push(...servers);
    for (const [key, value] of clusterEntries(PLAIN)) await servers[0]!.etcdctl("put", key, value);
    await servers[2]!.etcdctl("get", "x");
    await Promise.all(servers.slice(0, 2).map((server) => server.stop("SIGKILL")));
    const urls = servers.map(({ endpoint }) => endpoint).join(",");
    const { code, stderr } = await recover(`--etcd-servers=${urls}`);
    expect([code, stderr]).toEqual([0, expect.stringContaining("[etcd-no-quorum]")]);
    expect(stderr).toContain("[endpoint-failed]");
  });
});

describe.skipIf(suites.length === 0)(
  `an etcd that cannot be read${suites.length > 0 ? "" : ` (${PROGRAMS_MISSING})`}`,
  () => {
    const refused = async (flags: readonly string[], ...words: string[]) => {
      const { code, stdout, stderr } = await recover(...flags);
      expect([code, stdout]).toEqual([1, ""]);
      for (const word of words) expect(stderr).toContain(word);
      expect(stderr).not.toMatch(/deadline|undefined|PRIVATE KEY/);
      expect(readdirSync(base)).not.toContain("out");
      return stderr;
    };

    test("its certificate has expired", async () => {
      const ca = await Authority.create("ca");
      const names = ["127.0.0.1", "etcd-0.example"];
      const url = await startTls(await ca.issue("server", { days: -3, names }));
      const stderr = await refused(
        [`--etcd-servers=${url}`, ...flagsOf(ca)],
        `no connection to etcd at "${url}": its certificate expired 3 d ago`,
        'its certificate: subject "CN=server", issuer "CN=ca", valid ',
        "for 127.0.0.1",
        "hint: renew the server's certificate",
      );
      expectShown(
        "docs/recover-a-control-plane.md",
        "kubemend recover --recovery-dir=recovered --etcd-servers=https://10.0.0.5:2379",
        stderr,
      );
    });

    test("its certificate is for other names", async () => {
      const ca = await Authority.create("ca");
      const url = await startTls(await ca.issue("server", { names: ["10.0.0.1", "etcd.example"] }));
      await refused(
        [`--etcd-servers=${url}`, ...flagsOf(ca)],
        'its certificate is not for "127.0.0.1", but for 10.0.0.1, etcd.example',
      );
    });

    test("its certificate is of another authority, or of another of the same name", async () => {
      const ca = await Authority.create("ca");
      const url = await startTls(await ca.issue("server"));
      await refused(
        [`--etcd-servers=${url}`, ...flagsOf(await Authority.create("other"))],
        'its certificate is of the authority "CN=ca", not of the one given ("CN=other")',
        'the authority given: subject "CN=other"',
        "--etcd-ca-path",
      );
      await refused(
        [`--etcd-servers=${url}`, ...flagsOf(await Authority.create("again", "ca"))],
        'its certificate is of an authority "CN=ca" whose key is another than that of the one given',
      );
    });

    test("it wants a client certificate: none is given, one of another authority, one that has expired, one for servers", async () => {
      const ca = await Authority.create("ca");
      const url = await startTls(await ca.issue("server"), ca);
      await refused(
        [`--etcd-servers=${url}`, ...flagsOf(ca)],
        "it wants a client certificate, and none was given",
        "hint: pass --etcd-certificate-path and --etcd-private-key-path",
      );
      await refused(
        [`--etcd-servers=${url}`, ...flagsOf(ca, await (await Authority.create("other")).issue("stranger"))],
        'it refuses our client certificate: it is of the authority "CN=other", not of the one given ("CN=ca")',
        'our certificate: subject "CN=stranger"',
      );
      await refused(
        [`--etcd-servers=${url}`, ...flagsOf(ca, await ca.issue("late", { days: -1, use: "client" }))],
        "it refuses our client certificate: it expired 24 h ago",
      );
      await refused(
        [`--etcd-servers=${url}`, ...flagsOf(ca, await ca.issue("serving", { use: "server" }))],
        "it refuses our client certificate: it is not made for a client",
      );
    });

    test("it is called with TLS and has none, and the other way round", async () => {
      const ca = await Authority.create("ca");
      const plain = await startEtcd({ suite: suites.at(-1)!, dataDir: join(base, "plain") });
      running.push(plain);
      await refused(
        [`--etcd-servers=${plain.endpoint.replace("http:", "https:")}`, ...flagsOf(ca)],
        "it speaks plain HTTP, and was called with TLS",
        "hint: use http:// for it",
      );
      const url = await startTls(await ca.issue("server"));
      await refused(
        [`--etcd-servers=${url.replace("https:", "http:")}`],
        "it serves TLS, and was called without",
        "hint: use https://, with --etcd-ca-path",
        'its certificate: subject "CN=server"',
      );
    });

    test("nothing listens, nobody answers, a name that nobody knows", async () => {
      const [port] = await freePorts(1);
      await refused(
        [`--etcd-servers=http://127.0.0.1:${port}`],
        `cannot reach "http://127.0.0.1:${port}": nothing listens there`,
      );
      silent = createServer(() => {}).listen(0, "127.0.0.1");
      await new Promise((resolve) => silent!.once("listening", resolve));
      const { port: dumb } = silent.address() as { port: number };
      await refused([`--etcd-servers=http://127.0.0.1:${dumb}`], `"http://127.0.0.1:${dumb}" did not`, "within 5 s");
      await refused(["--etcd-servers=https://no-such-host.invalid:2379"], "its name");
    });

    test("several servers: one that answers is enough, and without any each is told of", async () => {
      const ca = await Authority.create("ca");
      const [port] = await freePorts(1);
      const expired = await startTls(await ca.issue("server", { days: -3 }), undefined, "expired");
      const dead = `https://127.0.0.1:${port}`;
      await refused(
        [`--etcd-servers=${dead},${expired}`, ...flagsOf(ca)],
        "none of etcd's 2 servers can be read",
        `  cannot reach "${dead}": nothing listens there`,
        `  no connection to etcd at "${expired}": its certificate expired 3 d ago`,
      );
      mkdirSync(join(base, "good"));
      const member = await startWith(madeSnapshot(clusterEntries(PLAIN)));
      const { code, stderr } = await recover(`--etcd-servers=http://127.0.0.1:${port},${member.endpoint}`);
      expect([code, stderr]).toEqual([0, expect.stringContaining("nothing listens there [endpoint-failed]")]);
    });

    test("files that are not there, or do not belong together", async () => {
      const ca = await Authority.create("ca");
      const url = await startTls(await ca.issue("server"), ca);
      const one = await ca.issue("one");
      const two = await ca.issue("two");
      await refused([`--etcd-servers=${url}`, "--etcd-ca-path=nope"], "nope", "no such file");
      await refused(
        [`--etcd-servers=${url}`, ...flagsOf(ca, { cert: one.cert, key: two.key })],
        "the client key is not that of the client certificate",
        "--etcd-private-key-path",
      );
      await refused([`--etcd-servers=${url}`, `--etcd-ca-path=${one.key}`], "holds no certificate");
    });
  },
);
