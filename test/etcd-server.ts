/** Real etcd servers for tests, on loopback and free ports, ended by their own process id. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { freePorts } from "./free-ports.ts";
import { findProgram, type Suite } from "./programs.ts";

const run = promisify(execFile);

export interface EtcdServer {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  readonly peer: string;
  readonly pid: number;
  /** Whether the process has ended, by itself or by `stop`. */
  readonly ended: boolean;
  /** Runs etcdctl (API v3) against this server and returns what it prints. */
  etcdctl(...args: string[]): Promise<string>;
  /** Ends the process and waits for its end. SIGKILL is a crash. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** What the process wrote to stderr so far. */
  log(): string;
}

export interface EtcdOptions {
  readonly suite: Suite;
  readonly dataDir: string;
  readonly name?: string;
  /** The client and peer ports; free ones unless given. */
  readonly ports?: readonly [number, number];
  /** More flags. `--initial-cluster` is this member alone unless it is among them. */
  readonly flags?: readonly string[];
}

/** Starts a member. Resolves once it serves, unless `waitForReady` is false (a member of several waits for the others). */
export async function startEtcd(options: EtcdOptions, waitForReady = true): Promise<EtcdServer> {
  const { suite, dataDir, name = "default", flags = [] } = options;
  const [client, peerPort] = options.ports ?? ((await freePorts(2)) as [number, number]);
  const endpoint = `http://127.0.0.1:${client}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const own = [
    "--name",
    name,
    "--data-dir",
    dataDir,
    "--listen-client-urls",
    endpoint,
    "--advertise-client-urls",
    endpoint,
  ];
  const peers = ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer];
  if (!flags.includes("--initial-cluster")) peers.push("--initial-cluster", `${name}=${peer}`);
  const child = spawn(program(suite, "etcd"), [...own, ...peers, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-100_000);
  });
  const server: EtcdServer = {
    endpoint,
    peer,
    pid: child.pid ?? -1,
    get ended() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    etcdctl: async (...args) => (await etcdctl(suite, endpoint, args)).stdout,
    stop: (signal = "SIGTERM") => stop(child, signal),
    log: () => stderr,
  };
  if (waitForReady) await ready(server);
  return server;
}

/** Resolves once the member has a leader and answers, within half a minute. */
export async function ready(server: EtcdServer): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!server.ended && Date.now() < deadline) {
    try {
      await server.etcdctl("get", "any", "--command-timeout=2s");
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  const what = server.ended ? "ended by itself" : "does not serve";
  await server.stop("SIGKILL");
  throw new Error(`etcd at ${server.endpoint} ${what}:\n${server.log().slice(-4000)}`);
}

export function program(suite: Suite, name: "etcd" | "etcdctl" | "etcdutl"): string {
  const path = findProgram(suite, name);
  if (path === undefined) throw new Error(`${name} of ${suite} is missing`);
  return path;
}

function etcdctl(suite: Suite, endpoint: string, args: readonly string[]): Promise<{ stdout: string }> {
  return run(program(suite, "etcdctl"), ["--endpoints", endpoint, ...args], {
    env: { ...process.env, ETCDCTL_API: "3" },
    maxBuffer: 64 * 1024 * 1024,
  });
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
}
