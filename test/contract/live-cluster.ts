/**
 * A cluster brought back from a backup for a test: a real etcd with TLS, restored by kubemend itself, and a real API
 * server on it, both on loopback.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { restoreSnapshot } from "../../src/operations/snapshot/restore.ts";
import { Api } from "../../testbed/api.ts";
import { apiServerFlags, toArguments } from "../../testbed/flags.ts";
import type { Kubernetes } from "../../testbed/kubernetes.ts";
import { Authority, type Credential, kubeconfig, writeSigningKey } from "../../testbed/pki.ts";
import { freePorts } from "../free-ports.ts";
import { kubemend } from "../kubemend.ts";

export class LiveCluster {
  readonly directory: string;
  readonly authority: Authority;
  readonly etcdAuthority: Authority;
  readonly etcdClient: Credential;
  readonly #children: ChildProcess[] = [];
  #log = "";
  etcdUrl = "";
  apiServerPort = 0;

  private constructor(directory: string, authority: Authority, etcdAuthority: Authority, etcdClient: Credential) {
    this.directory = directory;
    this.authority = authority;
    this.etcdAuthority = etcdAuthority;
    this.etcdClient = etcdClient;
  }

  static async create(): Promise<LiveCluster> {
    const directory = mkdtempSync(join(tmpdir(), "kubemend-live-"));
    const authority = await Authority.create(join(directory, "pki"), "kubernetes-ca");
    const etcdAuthority = await Authority.create(join(directory, "etcd-pki"), "etcd-ca");
    const etcdClient = await etcdAuthority.issue("client", { commonName: "root", use: "client" });
    return new LiveCluster(directory, authority, etcdAuthority, etcdClient);
  }

  /** As `recover` and `kubemend` take them. */
  get etcdFlags(): string[] {
    return [
      `--etcd-servers=${this.etcdUrl}`,
      `--etcd-ca-path=${this.etcdAuthority.certificatePath}`,
      `--etcd-certificate-path=${this.etcdClient.certificatePath}`,
      `--etcd-private-key-path=${this.etcdClient.keyPath}`,
    ];
  }

  /** Restores a backup and starts a member from it. */
  async startEtcd(program: string, backup: string): Promise<void> {
    const [client, peer] = (await freePorts(2)) as [number, number];
    this.etcdUrl = `https://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    const dataDir = join(this.directory, "etcd");
    const cluster = { initialCluster: `default=${peerUrl}`, initialAdvertisePeerUrls: peerUrl };
    await restoreSnapshot(backup, { ...cluster, dataDir, name: "default", initialClusterToken: "live" });
    const names = ["127.0.0.1", "localhost"];
    const server = await this.etcdAuthority.issue("server", { commonName: "etcd", use: "peer", names });
    this.#start(program, [
      `--data-dir=${dataDir}`,
      `--listen-client-urls=${this.etcdUrl}`,
      `--advertise-client-urls=${this.etcdUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=${cluster.initialCluster}`,
      "--client-cert-auth",
      `--trusted-ca-file=${this.etcdAuthority.certificatePath}`,
      `--cert-file=${server.certificatePath}`,
      `--key-file=${server.keyPath}`,
    ]);
    const { etcdClient, etcdAuthority } = this;
    const access = ["--cacert", etcdAuthority.certificatePath, "--cert", etcdClient.certificatePath];
    const command = ["etcd", "members", "--endpoints", this.etcdUrl, ...access, "--key", etcdClient.keyPath];
    await this.#until("etcd", async () => (await kubemend(this.directory, command)).code === 0);
  }

  /** `more` are flags of kube-apiserver besides those that it needs to run. Returns the administrator's kubeconfig. */
  async startApiServer(kubernetes: Kubernetes, serviceCidr: string, more: readonly string[] = []): Promise<string> {
    [this.apiServerPort] = (await freePorts(1)) as [number];
    const { authority, etcdClient } = this;
    const serving = await authority.issue("apiserver", {
      commonName: "kube-apiserver",
      use: "server",
      names: ["127.0.0.1", "localhost"],
    });
    const admin = await this.#admin();
    const account = await writeSigningKey(authority.directory, "service-account");
    const flags = apiServerFlags({
      advertiseAddress: "127.0.0.1",
      port: this.apiServerPort,
      etcdServers: [this.etcdUrl],
      etcd: {
        ca: this.etcdAuthority.certificatePath,
        certificate: etcdClient.certificatePath,
        key: etcdClient.keyPath,
      },
      clientCa: authority.certificatePath,
      serving: { certificate: serving.certificatePath, key: serving.keyPath },
      kubeletClient: { certificate: admin.certificatePath, key: admin.keyPath },
      serviceAccount: { publicKey: account.publicPath, privateKey: account.privatePath },
      serviceCidr,
    });
    this.#start(kubernetes.program("kube-apiserver"), [...toArguments(flags), "--bind-address=127.0.0.1", ...more]);
    const access = { port: this.apiServerPort, ca: authority.certificate, cert: admin.certificate, key: admin.key };
    const api = new Api(access);
    await this.#until("the API server", async () => (await api.get("/readyz")) === "ok");
    api.close();
    return this.writeKubeconfig("admin", admin);
  }

  /** A kubeconfig for this API server, and a client of it. */
  writeKubeconfig(name: string, client: Credential, authority = this.authority): string {
    const path = join(this.directory, `${name}.kubeconfig`);
    writeFileSync(path, kubeconfig(`https://127.0.0.1:${this.apiServerPort}`, authority, client), { mode: 0o600 });
    return path;
  }

  #admin(): Promise<Credential> {
    return this.authority.issue("admin", { commonName: "admin", organizations: ["system:masters"], use: "client" });
  }

  #start(program: string, args: readonly string[]): void {
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr.on("data", (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString()).slice(-20_000);
    });
    this.#children.push(child);
  }

  async #until(what: string, serves: () => Promise<boolean>): Promise<void> {
    for (let attempt = 0; attempt < 600; attempt++) {
      if (await serves().catch(() => false)) return;
      if (this.#children.some((child) => child.exitCode !== null)) break;
      await sleep(100);
    }
    throw new Error(`${what} does not serve:\n${this.#log}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}
