/**
 * An etcd cluster with TLS: each member is a host of its own on the bed's bridge, and can be killed, started again,
 * partitioned or wiped.
 */
import { mkdirSync } from "node:fs";
import type { Bed } from "./bed.ts";
import { removeDirectory } from "./bed.ts";
import { addHost, addressOf, type HostAddress, setCable } from "./network.ts";
import { Authority, type Credential } from "./pki.ts";
import { waitFor } from "./wait.ts";

const FIRST_NUMBER = 2;

export class EtcdMember {
  readonly name: string;
  /** Inside the bed. */
  readonly clientUrl: string;
  readonly peerUrl: string;
  /** Leads to {@link clientUrl} from this machine. */
  readonly localPort: number;
  readonly dataDirectory: string;
  readonly #bed: Bed;
  readonly #host: HostAddress;
  readonly #command: readonly string[];

  constructor(bed: Bed, host: HostAddress, localPort: number, flags: readonly string[]) {
    this.name = host.name;
    this.clientUrl = `https://${addressOf(host.number)}:2379`;
    this.peerUrl = `https://${addressOf(host.number)}:2380`;
    this.localPort = localPort;
    this.dataDirectory = bed.path(host.name);
    this.#bed = bed;
    this.#host = host;
    this.#command = [
      "etcd",
      `--name=${this.name}`,
      `--data-dir=${this.dataDirectory}`,
      `--listen-client-urls=${this.clientUrl}`,
      `--advertise-client-urls=${this.clientUrl}`,
      `--listen-peer-urls=${this.peerUrl}`,
      `--initial-advertise-peer-urls=${this.peerUrl}`,
      ...flags,
    ];
  }

  start(): void {
    this.#bed.start(this.name, this.#command, { host: this.name });
  }

  /** Ends it at once, as a power cut does. Its data stays. */
  async kill(): Promise<void> {
    await this.#bed.processes.get(this.name)?.kill();
  }

  /** Removes its data. It must have ended before. */
  loseDisk(): void {
    removeDirectory(this.dataDirectory);
  }

  partition(): void {
    setCable(this.#bed, this.#host, false);
  }

  heal(): void {
    setCable(this.#bed, this.#host, true);
  }
}

export class Etcd {
  readonly bed: Bed;
  readonly members: readonly EtcdMember[];
  readonly authority: Authority;
  /** A client's credential that etcd accepts. */
  readonly client: Credential;

  constructor(bed: Bed, members: readonly EtcdMember[], authority: Authority, client: Credential) {
    this.bed = bed;
    this.members = members;
    this.authority = authority;
    this.client = client;
  }

  /** The members' client URLs inside the bed. */
  get endpoints(): string[] {
    return this.members.map(({ clientUrl }) => clientUrl);
  }

  /** The same, from this machine. */
  get localEndpoints(): string[] {
    return this.members.map(({ localPort }) => `https://127.0.0.1:${localPort}`);
  }

  /** Runs etcdctl (API version 3) with the client's credential, against all members. Returns what it printed. */
  etcdctl(...args: string[]): Promise<string> {
    const { client, authority } = this;
    const access = [
      `--cacert=${authority.certificatePath}`,
      `--cert=${client.certificatePath}`,
      `--key=${client.keyPath}`,
    ];
    return this.bed.run(["etcdctl", `--endpoints=${this.endpoints.join(",")}`, ...access, ...args], {
      env: { ETCDCTL_API: "3" },
    });
  }

  async ready(): Promise<void> {
    await waitFor("etcd to answer", () => this.etcdctl("endpoint", "health", "--command-timeout=1s"), {
      seconds: 30,
      explain: () =>
        this.members.map(({ name }) => `${name}:\n${this.bed.processes.get(name)?.lastLines(8)}`).join("\n"),
    });
  }
}

/** Starts an etcd of that many members. `flags`: for each of them, besides those that it needs. */
export async function startEtcd(bed: Bed, size: number, flags: readonly string[] = []): Promise<Etcd> {
  const authority = await Authority.create(bed.path("pki", "etcd"), "etcd-ca");
  const hosts = Array.from({ length: size }, (_, i) => ({
    name: `etcd${i + 1}`,
    number: FIRST_NUMBER + i,
    pods: false,
  }));
  const initial = hosts.map(({ name, number }) => `${name}=https://${addressOf(number)}:2380`).join(",");
  const members = await Promise.all(
    hosts.map(async (host) => {
      addHost(bed, host, []);
      const names = [addressOf(host.number), "127.0.0.1", "localhost", host.name];
      const server = await authority.issue(host.name, { commonName: host.name, use: "peer", names });
      const tls = [
        `cert-file=${server.certificatePath}`,
        `key-file=${server.keyPath}`,
        `trusted-ca-file=${authority.certificatePath}`,
      ];
      return new EtcdMember(bed, host, await bed.forwarder.open(addressOf(host.number), 2379), [
        ...tls.flatMap((flag) => [`--${flag}`, `--peer-${flag}`]),
        "--client-cert-auth",
        "--peer-client-cert-auth",
        `--initial-cluster=${initial}`,
        `--initial-cluster-token=${bed.id}`,
        "--logger=zap",
        ...flags,
      ]);
    }),
  );
  mkdirSync(bed.path("logs"), { recursive: true });
  for (const member of members) member.start();
  const client = await authority.issue("client", { commonName: "root", use: "client" });
  const etcd = new Etcd(bed, members, authority, client);
  await etcd.ready();
  return etcd;
}
