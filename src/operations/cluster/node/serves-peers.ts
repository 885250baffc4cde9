/**
 * Members that check their data against their peers' when they start ({@link checksPeersAtStart}) are started one after
 * the other, each when the one before answers its peers: an answer, and a port that nobody listens on, cost nothing.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { checksPeersAtStart } from "../../../cluster/initial-check.ts";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import { askPeer } from "../../../io/etcd/peer-status.ts";
import { type ComponentManifest, componentManifests } from "../../../io/node/local-components.ts";
import { readablePeerTls } from "./peer-tls.ts";

const POLL_MS = 200;
/** The others are started then, too: the proof of etcd says what is wrong. */
const PATIENCE_MS = 30_000;

/** Whether the etcd that an operation keeps the manifest of asks its peers before it serves anybody. */
export function checksPeers({ manifests }: Pick<NodeJournal, "manifests">): boolean {
  return checkingEtcd({ manifests }) !== undefined;
}

function checkingEtcd({ manifests }: Pick<NodeJournal, "manifests">): ComponentManifest | undefined {
  const etcd = componentManifests(manifests?.kept ?? "").find(({ name }) => name === "etcd");
  return etcd !== undefined && checksPeersAtStart(readFileSync(etcd.path, "utf8")) ? etcd : undefined;
}

/** Waits until the etcd of this node answers its peers; not at all for one that checks nothing. */
export async function untilServesPeers(
  { manifests }: Pick<NodeJournal, "manifests">,
  signal: AbortSignal = new AbortController().signal,
  patience = PATIENCE_MS,
): Promise<void> {
  const etcd = checkingEtcd({ manifests });
  if (etcd === undefined) return;
  const urls = etcd.flags.findLast(({ name }) => name === "initial-advertise-peer-urls")?.value ?? "";
  const [url = ""] = urls.split(",");
  if (!URL.canParse(url)) return;
  const tls = readablePeerTls({ manifests });
  if (tls === "unreadable") return;
  const deadline = performance.now() + patience;
  while ((await askPeer(url, tls, "", signal)).kind !== "etcd" && performance.now() < deadline) {
    await sleep(POLL_MS, undefined, { signal });
  }
}
