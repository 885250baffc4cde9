/** What this node has and does, for whoever plans an operation on several nodes. Changes nothing. */
import { existsSync, statfsSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import packageJson from "../../../../package.json" with { type: "json" };
import type { NodeFacts } from "../../../cluster/node-facts.ts";
import { contents } from "../../../io/etcd/data-dir-place.ts";
import { newestRevision } from "../../../io/etcd/newest-revision.ts";
import { componentManifests, componentProcesses } from "../../../io/node/local-components.ts";
import { findKubelet } from "../../../io/node/local-node.ts";
import { readJournals } from "./journal.ts";

/** Where kubeadm has it. */
const STATIC_PODS = "/etc/kubernetes/manifests";

export interface SurveyRequest {
  readonly dataDir: string;
  /** Files that the node's static pods need, by the backup. */
  readonly files: readonly string[];
}

export function surveyNode({ dataDir, files }: SurveyRequest): NodeFacts {
  const kubelet = findKubelet();
  const staticPods = kubelet?.staticPods ?? STATIC_PODS;
  const present = contents(dataDir).length > 0;
  const newest = present ? newestRevision(dataDir) : { revision: null, fault: null };
  return {
    version: packageJson.version,
    nodeName: kubelet?.nodeName ?? hostname().toLowerCase(),
    time: Date.now(),
    isRoot: process.getuid?.() === 0,
    kubelet: { running: kubelet !== undefined, staticPods },
    manifests: componentManifests(staticPods).map(({ name }) => name),
    running: [...new Set(componentProcesses().map(({ name }) => name))].sort(),
    etcd: { present, newestRevision: newest.revision, fault: newest.fault, freeBytes: freeBytes(dataDir) },
    missingFiles: files.filter((path) => !existsSync(path)),
    journals: readJournals(),
  };
}

/** Of the file system that the directory is, or will be, on. */
function freeBytes(directory: string): number {
  for (let path = directory; ; path = dirname(path)) {
    if (!existsSync(path) && path !== "/") continue;
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  }
}
