/**
 * A real API server that holds what a snapshot holds: etcd on the restored snapshot, and the `kube-apiserver` that
 * `KUBEMEND_KUBERNETES` names, on loopback. On its start it writes some objects of its own; whoever compares leaves out
 * what is newer than the snapshot.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateKey } from "../../src/certificates/issue.ts";
import { findKubernetes, KUBERNETES_VARIABLE } from "../../testbed/kubernetes.ts";
import { type EtcdServer, startEtcd } from "../etcd-server.ts";
import { freePorts } from "../free-ports.ts";
import { kubemend } from "../kubemend.ts";

export const HAS_API_SERVER: boolean = (process.env[KUBERNETES_VARIABLE] ?? "") !== "";

export interface RealApiServer {
  readonly kubeconfig: string;
  /** The `kubectl` of the same version. */
  readonly kubectl: string;
  /** Such as `https://127.0.0.1:6443`. */
  readonly server: string;
  readonly token: string;
  fetch(
    path: string,
    headers?: Readonly<Record<string, string>>,
    posted?: string,
  ): Promise<{ readonly status: number; readonly type: string; readonly body: Buffer }>;
  stop(): Promise<void>;
}

const TOKEN = "reader";

/** `more`: flags of the API server. `users`: more users, without any rights, whose names are their tokens. */
export async function startRealApiServer(
  snapshot: string,
  more: Readonly<Record<string, string>> = {},
  users: readonly string[] = [],
): Promise<RealApiServer> {
  const directory = mkdtempSync(join(tmpdir(), "real-api-"));
  const kubernetes = await findKubernetes();
  const [client, peer, port] = (await freePorts(3)) as [number, number, number];
  const dataDir = join(directory, "etcd");
  const peerUrl = `http://127.0.0.1:${peer}`;
  const restored = await kubemend(directory, [
    "snapshot",
    "restore",
    snapshot,
    ...["--data-dir", dataDir, "--name", "default", "--initial-advertise-peer-urls", peerUrl],
    ...["--initial-cluster", `default=${peerUrl}`],
  ]);
  if (restored.code !== 0) throw new Error(restored.stderr);
  const etcd = await startEtcd({ suite: "trixie", dataDir, ports: [client, peer] });
  const certificates = join(directory, "certificates");
  mkdirSync(certificates);
  const key = await generateKey("rsa-2048");
  writeFileSync(join(directory, "sa.key"), key.privateKeyPem);
  writeFileSync(join(directory, "sa.pub"), key.publicKeyPem);
  writeFileSync(
    join(directory, "tokens.csv"),
    `${[`${TOKEN},reader,reader,system:masters`, ...users.map((user) => `${user},${user},${user}`)].join("\n")}\n`,
  );
  const flags = {
    "etcd-servers": etcd.endpoint,
    "secure-port": port,
    "bind-address": "127.0.0.1",
    "cert-dir": certificates,
    "token-auth-file": join(directory, "tokens.csv"),
    "authorization-mode": "AlwaysAllow",
    "service-cluster-ip-range": "10.96.0.0/12",
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-key-file": join(directory, "sa.pub"),
    "service-account-signing-key-file": join(directory, "sa.key"),
    "endpoint-reconciler-type": "none",
    "disable-admission-plugins": "ServiceAccount",
    ...(kubernetes.minor === 20 ? { "insecure-port": 0 } : {}),
    ...more,
  };
  const words = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const server = spawn(kubernetes.program("kube-apiserver"), words, { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  server.stderr?.on("data", (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-20_000);
  });
  const kubeconfig = join(directory, "kubeconfig");
  writeFileSync(kubeconfig, JSON.stringify(configOf(port)));
  const real: RealApiServer = {
    kubeconfig,
    kubectl: kubernetes.program("kubectl"),
    server: `https://127.0.0.1:${port}`,
    token: TOKEN,
    fetch: (path, headers = {}, posted = undefined) => request(port, path, headers, posted),
    async stop() {
      await end(server);
      await etcd.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await ready(real, server, etcd, () => log);
  return real;
}

function configOf(port: number): unknown {
  const cluster = { server: `https://127.0.0.1:${port}`, "insecure-skip-tls-verify": true };
  return {
    "current-context": "real",
    clusters: [{ name: "real", cluster }],
    users: [{ name: "reader", user: { token: TOKEN } }],
    contexts: [{ name: "real", context: { cluster: "real", user: "reader" } }],
  };
}

async function request(port: number, path: string, headers: Readonly<Record<string, string>>, posted?: string) {
  const { request: send } = await import("node:https");
  return new Promise<{ status: number; type: string; body: Buffer }>((resolve, reject) => {
    const method = posted === undefined ? "GET" : "POST";
    const options = { port, host: "127.0.0.1", path, method, rejectUnauthorized: false };
    const sent = send({ ...options, headers: { authorization: `Bearer ${TOKEN}`, ...headers } }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      const { statusCode: status = 0, headers: answered } = response;
      response.on("end", () => resolve({ status, type: answered["content-type"] ?? "", body: Buffer.concat(parts) }));
    });
    sent.on("error", reject).end(posted);
  });
}

async function ready(real: RealApiServer, server: ChildProcess, etcd: EtcdServer, log: () => string): Promise<void> {
  for (let attempt = 0; attempt < 240; attempt++) {
    if (server.exitCode !== null || etcd.ended) throw new Error(`the API server ended: ${log()}`);
    const answer = await real.fetch("/readyz").catch(() => undefined);
    if (answer?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  await real.stop();
  throw new Error(`the API server is not ready: ${log()}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(timer);
}
