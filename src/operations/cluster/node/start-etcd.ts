/**
 * Has the kubelet start etcd, and sees that it begins. A kubelet that has just started and does not know its disk yet
 * turns a static pod away that asks for some of it, as kubeadm's etcd does, and never looks at it again
 * (`UnexpectedAdmissionError`): its manifest is taken out and put back.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import { realFileSystem } from "../../../io/files/durable/file-system.ts";
import { names } from "../../../io/files/quiet-reads.ts";
import { startEtcdService } from "../../../io/node/etcd-service.ts";
import { componentManifests, componentProcesses } from "../../../io/node/local-components.ts";
import { writeJournal } from "./journal.ts";
import { untilServesPeers } from "./serves-peers.ts";
import { startComponents } from "./stop-components.ts";

export interface StartEtcdOptions {
  readonly signal?: AbortSignal;
  readonly report: (text: string) => void;
  /** Whether the kubelet has taken it: given in tests. */
  readonly hasBegun?: () => boolean;
  /** Milliseconds; shorter in tests. */
  readonly patience?: number;
  readonly pause?: number;
}

const POD_LOGS = "/var/log/pods";
/** The kubelet looks for manifests every 20 s, and makes a pod's directory before it pulls an image. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 25_000;
const POLL_MS = 200;
const MOST_TIMES = 3;

/** Ends also where nothing has begun: the proof of etcd says so then. */
export async function startEtcd(journal: NodeJournal, options: StartEtcdOptions, root?: string): Promise<NodeJournal> {
  const { signal, report, hasBegun = () => etcdHasBegun(journal), patience = PATIENCE_MS, pause = PAUSE_MS } = options;
  const waiting = signal === undefined ? {} : { signal };
  if (journal.service !== null) await startEtcdService(journal.service.unit);
  for (let times = 1; (await startComponents(journal, isEtcd)).length > 0; times++) {
    const deadline = performance.now() + patience;
    while (!hasBegun() && performance.now() < deadline) await sleep(POLL_MS, undefined, waiting);
    if (hasBegun() || times === MOST_TIMES) break;
    report("the kubelet does not start etcd: its manifest is taken out and put back");
    const { from } = journal.manifests ?? { from: "" };
    for (const { name, path } of componentManifests(from)) if (isEtcd(name)) realFileSystem.remove(path);
    realFileSystem.syncDirectory(from);
    await sleep(pause, undefined, waiting);
  }
  if (hasBegun()) await untilServesPeers(journal, signal);
  return writeJournal({ ...journal, state: "etcd-started" }, root);
}

function isEtcd(component: string): boolean {
  return component === "etcd";
}

/**
 * It runs, or the kubelet has written in its directory of logs since the manifest is there, as it does for a pod that it
 * lets in. That directory may be the one of before: it stays for half a minute after its pod.
 */
function etcdHasBegun({ manifests }: NodeJournal, logs = POD_LOGS): boolean {
  if (componentProcesses().some(({ name }) => isEtcd(name))) return true;
  const manifest = componentManifests(manifests?.from ?? "").find(({ name }) => isEtcd(name));
  if (manifest === undefined) return false;
  const since = timeOf(manifest.path);
  return names(logs)
    .filter((name) => /_etcd-[^_]+_[0-9a-f]{32}$/.test(name))
    .map((name) => join(logs, name))
    .flatMap((pod) => [pod, ...below(pod), ...below(pod).flatMap(below)])
    .some((path) => timeOf(path) >= since);
}

function below(path: string): string[] {
  return names(path).map((name) => join(path, name));
}

/** Milliseconds since 1970; 0 for what is gone. */
function timeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
