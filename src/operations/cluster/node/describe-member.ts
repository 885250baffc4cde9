/** The etcd member that this node's static pod runs, by its manifest; also where an operation has taken that away and keeps it. */

import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import { MendError } from "../../../errors/errors.ts";
import { contents } from "../../../io/etcd/data-dir-place.ts";
import { bytesOnDisk, freeBytes } from "../../../io/files/durable/disk-space.ts";
import { componentManifests } from "../../../io/node/local-components.ts";
import { findKubelet } from "../../../io/node/local-node.ts";
import { isRoot } from "../../../io/node/own-identity.ts";
import { staticPodDirectory } from "../../../io/node/static-pod-directory.ts";
import { operationDirectory, readJournals } from "./journal.ts";
import { leftOutDirectories } from "./left-out.ts";
import { missingMember } from "./missing-member.ts";
import { findData } from "./restore-member.ts";
import { manifestFacts } from "./survey.ts";

export const memberSchema = z.object({
  nodeName: z.string(),
  isRoot: z.boolean(),
  kubeletRuns: z.boolean(),
  staticPods: z.string(),
  name: z.string(),
  /** One, or several with commas between them. */
  peerUrl: z.string(),
  clientUrl: z.string(),
  dataDir: z.string(),
  hasData: z.boolean(),
  etcd: z
    .object({ dataDir: z.string().nullable(), walDir: z.string().nullable(), forcesNewCluster: z.boolean() })
    .nullable(),
  unreadable: z.array(z.object({ path: z.string(), fault: z.string() })),
  /** What `member` takes of its disk, without holes, wherever an operation has put it; 0 where it is not there. */
  dataBytes: z.number(),
  /** On the disk of the data directory. */
  freeBytes: z.number(),
  /** An operation that was begun here and not finished, by its digest. */
  open: z.array(z.object({ id: z.string(), digest: z.string(), state: z.string() })),
});
export type DescribedMember = z.infer<typeof memberSchema>;

/** Throws `not-found` where no manifest of etcd says it, and `unsupported` where etcd is no static pod. */
export async function describeMember(): Promise<DescribedMember> {
  const kubelet = findKubelet();
  const staticPods = staticPodDirectory(kubelet);
  const journals = readJournals();
  const open = journals.filter(({ state }) => state !== "done" && state !== "undone");
  const kept = open.map(({ id }) => join(operationDirectory(id), "manifests"));
  const places = [staticPods, ...kept, ...leftOutDirectories(journals)];
  const etcd = places.flatMap(componentManifests).find((manifest) => manifest.etcd !== undefined);
  const { name, peerUrls = [], clientUrls: [clientUrl] = [], dataDir } = etcd?.etcd ?? {};
  if (etcd?.etcd === undefined) throw await missingMember(staticPods);
  if (name === undefined || peerUrls.length === 0 || clientUrl === undefined || dataDir === undefined) {
    throw new MendError("unsupported", `the manifest of etcd does not say its name, its URLs and where its data is`, {
      where: etcd.path,
      hint: "salvage the data by hand: kubemend etcd salvage",
    });
  }
  const there = manifestFacts(places.flatMap(componentManifests));
  return {
    nodeName: kubelet?.nodeName ?? hostname().toLowerCase(),
    isRoot: isRoot(),
    kubeletRuns: kubelet !== undefined,
    staticPods,
    name,
    peerUrl: peerUrls.join(","),
    clientUrl,
    dataDir,
    hasData: contents(dataDir).length > 0,
    etcd: there.etcdManifest,
    unreadable: there.unreadableManifests,
    dataBytes: sizeOfData(open, dataDir),
    freeBytes: freeBytes(dataDir),
    open: open.map(({ id, digest, state }) => ({ id, digest, state })),
  };
}

function sizeOfData(open: readonly NodeJournal[], dataDir: string): number {
  const begun = open.find((journal) => journal.dataDir !== null);
  const member = join((begun === undefined ? dataDir : findData(begun)) ?? dataDir, "member");
  return existsSync(member) ? bytesOnDisk(member) : 0;
}
