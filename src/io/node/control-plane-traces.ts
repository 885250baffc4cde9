/**
 * What is left on a machine of its control plane when processes and manifests are gone: kubeadm's files, etcd's data,
 * and what starts services here.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import type { EtcdDataFacts } from "../../diagnosis/facts.ts";
import type { ServiceManager } from "../../diagnosis/service-command.ts";
import { readYaml } from "../../kube/read-yaml.ts";
import { readQuietly } from "../files/quiet-reads.ts";

/** Where kubeadm puts what only control-plane nodes have. */
const FILES = [
  "pki/ca.key",
  "pki/sa.key",
  "pki/apiserver.crt",
  "pki/front-proxy-ca.key",
  "pki/etcd/ca.key",
  "pki/etcd/server.crt",
  "pki/etcd/peer.crt",
  "controller-manager.conf",
  "scheduler.conf",
].map((path) => `/etc/kubernetes/${path}`);

/** kubeadm's default. */
const ETCD_DATA = "/var/lib/etcd";
const KUBELET_CONFIG = "/var/lib/kubelet/config.yaml";

export function controlPlaneFiles(): string[] {
  return FILES.filter((path) => existsSync(path));
}

/** @param named where it is on this machine, where a member's manifest or flags say it */
export function etcdData(named: string | undefined): EtcdDataFacts {
  const path = named ?? ETCD_DATA;
  return { path, isGuess: named === undefined, state: stateOf(path) };
}

function stateOf(path: string): EtcdDataFacts["state"] {
  if (!isAbsolute(path)) return "unreadable";
  try {
    if (!statSync(join(path, "member")).isDirectory()) return "empty";
    return readdirSync(join(path, "member")).length > 0 ? "member" : "empty";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTDIR") return "unreadable";
    return existsSync(path) ? "empty" : "absent";
  }
}

/** As sd_booted(3) tells systemd, and as OpenRC's own scripts do. */
export function serviceManager(): ServiceManager {
  if (existsSync("/run/systemd/system")) return "systemd";
  return existsSync("/run/openrc") ? "openrc" : undefined;
}

/** Where a kubelet that does not run now would look for static pods, by kubeadm's configuration of it. */
export function configuredStaticPods(): string | undefined {
  try {
    const config = readYaml(readQuietly(KUBELET_CONFIG)) as { staticPodPath?: unknown } | null;
    return typeof config?.staticPodPath === "string" && config.staticPodPath !== "" ? config.staticPodPath : undefined;
  } catch {
    return undefined;
  }
}

/** By field 3 of /proc/PID/stat (proc(5)). */
export function processState(pid: number): "alive" | "stopped" | "disk" {
  const stat = readQuietly(`/proc/${pid}/stat`);
  const letter = stat[stat.lastIndexOf(")") + 2];
  return letter === "T" || letter === "t" ? "stopped" : letter === "D" ? "disk" : "alive";
}
