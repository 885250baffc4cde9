/** What kind of machine this is. Each fact is null where it cannot be learned. */
import { existsSync, readFileSync } from "node:fs";
import { cpus, hostname, machine, release, totalmem } from "node:os";

export interface MachineFacts {
  /** Such as `Debian GNU/Linux 12 (bookworm)`. */
  readonly system: string | null;
  readonly kernel: string;
  readonly architecture: string;
  readonly processors: number;
  readonly memoryBytes: number;
  /** The version of control groups. */
  readonly cgroups: 1 | 2 | null;
  /** Sockets of container runtimes that are there. */
  readonly runtimes: readonly string[];
}

const RUNTIME_SOCKETS = [
  "/run/containerd/containerd.sock",
  "/run/crio/crio.sock",
  "/run/cri-dockerd.sock",
  "/run/docker.sock",
  "/run/k3s/containerd/containerd.sock",
];

export function machineFacts(): MachineFacts {
  return {
    system: systemName(),
    kernel: release(),
    architecture: machine(),
    processors: cpus().length,
    memoryBytes: totalmem(),
    cgroups: existsSync("/sys/fs/cgroup/cgroup.controllers") ? 2 : existsSync("/sys/fs/cgroup/memory") ? 1 : null,
    runtimes: RUNTIME_SOCKETS.filter((path) => existsSync(path)),
  };
}

export function machineName(): string {
  return hostname();
}

/** Source: os-release(5). */
function systemName(): string | null {
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text)?.[1] ?? null;
  } catch {
    return null;
  }
}
