/** Manifests of an etcd that had no data when an operation was taken back: they stay with it, for the next operation. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import { hadNoData } from "../../../cluster/restore-state.ts";
import { componentManifests } from "../../../io/node/local-components.ts";

/** Directories that keep one; that of the newest operation first. */
export function leftOutDirectories(journals: readonly NodeJournal[]): readonly string[] {
  return journals
    .filter((journal) => journal.state === "undone" && hadNoData(journal))
    .flatMap(({ manifests }) => (manifests === null ? [] : [manifests.kept]))
    .reverse();
}

/** By file name; empty where a manifest of etcd is in `staticPods`. */
export function leftOutManifests(
  journals: readonly NodeJournal[],
  staticPods: string,
): Readonly<Record<string, string>> {
  const etcdOf = (directory: string) => componentManifests(directory).find(({ name }) => name === "etcd");
  if (etcdOf(staticPods) !== undefined) return {};
  const kept = leftOutDirectories(journals).map(etcdOf).find(Boolean);
  return kept === undefined ? {} : { [basename(kept.path)]: readFileSync(kept.path, "utf8") };
}
