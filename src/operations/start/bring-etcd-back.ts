/**
 * The part of `start` that brings a cluster's own etcd back from a backup: restores it into a data dir of this machine,
 * and has the kubelet run it as a static pod that stays.
 */

import type { EtcdPlan } from "../../bootstrap/start-plan.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import {
  inspectRecoveredEtcd,
  placeRecoveredEtcd,
  type RecoveredEtcdPlaces,
  type RecoveredEtcdState,
} from "../../io/etcd/recovered-etcd-files.ts";
import { restoreSnapshot } from "../snapshot/restore.ts";
import type { StartMachine } from "./machine.ts";

/** Clients on other nodes may have seen later revisions than the backup has; etcd's advice for not knowing how many: a billion. */
const BUMP_REVISION = 1_000_000_000;

export interface EtcdReturn {
  readonly plan: EtcdPlan;
  readonly places: RecoveredEtcdPlaces;
  readonly state: RecoveredEtcdState;
}

/** What the user has afterwards. */
export interface EtcdOutcome {
  readonly manifest: string;
  readonly dataDir: string;
  readonly secretsDir: string;
}

export interface EtcdReturnOptions {
  readonly signal: AbortSignal;
  readonly report: (text: string) => void;
}

/** Changes nothing. Throws where something of others is in the way. */
export async function prepareEtcd(plan: EtcdPlan, podManifestPath: string, machine: StartMachine): Promise<EtcdReturn> {
  const places = machine.etcdPlaces(podManifestPath);
  const state = await inspectRecoveredEtcd(plan, places);
  const taken = state.isPlaced ? undefined : plan.ports.find((port) => machine.listenerOf(port) !== undefined);
  if (taken !== undefined) {
    throw new MendError("port-taken", `port ${taken}, which etcd needs, is taken by "${machine.listenerOf(taken)}"`, {
      hint: `stop that program; if it is this cluster's etcd, recover with ${input("etcdServers")} instead of a backup`,
    });
  }
  return { plan, places, state };
}

/** Goes on where an earlier start was ended: a data dir is there whole or not at all. */
export async function bringEtcdBack({ plan, places, state }: EtcdReturn, options: EtcdReturnOptions): Promise<void> {
  const { recovery, pod } = plan;
  if (state.isRestored) {
    options.report(`etcd's data in "${places.dataDir}" is of this backup already: it stays`);
  } else {
    options.report(`restoring etcd from "${recovery.backup}"`);
    const { revision, snapshotRevision } = await restore(plan, places.dataDir, options.signal);
    options.report(
      `restored etcd into "${places.dataDir}": revision ${snapshotRevision} of the backup, going on at ${revision}`,
    );
  }
  await placeRecoveredEtcd(plan, places);
  options.report(`etcd: static pod "${pod.metadata.name}"`);
}

async function restore({ recovery }: EtcdPlan, dataDir: string, signal: AbortSignal) {
  const { name, peerUrl, clusterToken } = recovery;
  const options = {
    dataDir,
    name,
    initialCluster: peerUrl
      .split(",")
      .map((url) => `${name}=${url}`)
      .join(","),
    initialClusterToken: clusterToken,
    initialAdvertisePeerUrls: peerUrl,
    skipHashCheck: !recovery.hasHash,
    excludeKeys: recovery.leaveOut,
    bumpRevision: BUMP_REVISION,
    signal,
  };
  try {
    return await restoreSnapshot(recovery.backup, options);
  } catch (error) {
    if (!(error instanceof MendError)) throw error;
    if (error.code === "not-found") {
      throw new MendError(error.code, error.message, {
        hint: "copy the backup to that path of this machine, or recover here, from where it is",
        cause: error,
      });
    }
    if (error.code !== "snapshot-refused") throw error;
    const flags = [
      `${input("dataDir")}=${dataDir}`,
      `${input("name")}=${name}`,
      `${input("initialCluster")}=${options.initialCluster}`,
      `${input("initialClusterToken")}=${clusterToken}`,
      `${input("initialAdvertisePeerUrls")}=${peerUrl}`,
    ];
    throw new MendError(error.code, error.message, {
      ...(error.where === undefined ? {} : { where: error.where }),
      hint:
        "try another backup; or restore it by hand and start again: kubemend snapshot restore " +
        `${recovery.backup} ${flags.join(" ")}, with the ${input("allow")} flags that it asks for`,
      cause: error,
    });
  }
}

/** Why etcd has not started, as far as this machine shows; empty where it has. `since`: when the start began. */
export function etcdFailure({ plan }: EtcdReturn, machine: StartMachine, node: string, since = 0): string {
  const { name, namespace } = plan.pod.metadata;
  const log = machine.staticPodLog(namespace ?? "default", name, node, 2, since);
  if (log === undefined) {
    const images = plan.images.map((image) => `"${image}"`).join(", ");
    return `; etcd has not started: is the image ${images} on this node, or can it be pulled?`;
  }
  const [port] = plan.ports;
  return port !== undefined && machine.listenerOf(port) === undefined ? `; etcd says last: ${log.join(" / ")}` : "";
}

/**
 * The permanent API server dials etcd where it always did, mostly a service of the cluster's, and the temporary one
 * does not: before it goes, somebody has to answer there. Returns what to wait for.
 */
export async function etcdOutOfReach({ plan }: EtcdReturn, machine: StartMachine): Promise<string[]> {
  const { servers } = plan.recovery;
  const answers = await Promise.all(servers.map(machine.dials));
  if (servers.length === 0 || answers.includes(true)) return [];
  const where = servers.map((url) => `"${url}"`).join(", ");
  return [`etcd to answer at ${where}, where the permanent API server looks for it`];
}

export function etcdOutcome({ plan, places }: EtcdReturn): EtcdOutcome {
  const { podManifestPath, dataDir, secretsDir } = places;
  return { manifest: `${podManifestPath}/${plan.fileName}`, dataDir, secretsDir };
}
