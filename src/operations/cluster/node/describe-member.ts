/** The etcd member that this node's static pod runs, by its manifest; also where an operation has taken that away and keeps it. */

import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { contents } from "../../../io/etcd/data-dir-place.ts";
import { componentManifests } from "../../../io/node/local-components.ts";
import { findKubelet } from "../../../io/node/local-node.ts";
import { isRoot } from "../../../io/node/own-identity.ts";
import { operationDirectory, readJournals } from "./journal.ts";
import { leftOutDirectories } from "./left-out.ts";
import { missingMember } from "./missing-member.ts";

export const memberSchema = z.object({
  nodeName: z.string(),
  isRoot: z.boolean(),
  kubeletRuns: z.boolean(),
  staticPods: z.string(),
  name: z.string(),
  peerUrl: z.string(),
  clientUrl: z.string(),
  dataDir: z.string(),
  hasData: z.boolean(),
  /** An operation that was begun here and not finished, by its digest. */
  open: z.array(z.object({ id: z.string(), digest: z.string(), state: z.string() })),
});
export type DescribedMember = z.infer<typeof memberSchema>;

/** Throws `not-found` where no manifest of etcd says it, and `unsupported` where etcd is no static pod. */
export async function describeMember(): Promise<DescribedMember> {
  const kubelet = findKubelet();
  const staticPods = kubelet?.staticPods ?? "/etc/kubernetes/manifests";
  const journals = readJournals();
  const open = journals.filter(({ state }) => state !== "done" && state !== "undone");
  const kept = open.map(({ id }) => join(operationDirectory(id), "manifests"));
  const places = [staticPods, ...kept, ...leftOutDirectories(journals)];
  const etcd = places.flatMap(componentManifests).find(({ name }) => name === "etcd");
  const flag = (name: string) => etcd?.flags.findLast((each) => each.name === name)?.value?.split(",")[0];
  const [name, peerUrl, clientUrl, dataDir] = [
    flag("name"),
    flag("initial-advertise-peer-urls"),
    flag("advertise-client-urls"),
    flag("data-dir"),
  ];
  if (name === undefined || peerUrl === undefined || clientUrl === undefined || dataDir === undefined) {
    throw await missingMember(staticPods);
  }
  return {
    nodeName: kubelet?.nodeName ?? hostname().toLowerCase(),
    isRoot: isRoot(),
    kubeletRuns: kubelet !== undefined,
    staticPods,
    name,
    peerUrl,
    clientUrl,
    dataDir,
    hasData: contents(dataDir).length > 0,
    open: open.map(({ id, digest, state }) => ({ id, digest, state })),
  };
}
