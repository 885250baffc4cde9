/** Completers that ask: a snapshot for kinds, namespaces and names, a cluster for its nodes, a repository for its moments. */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Host } from "../host.ts";
import type { Completer, TypedSoFar } from "./completer.ts";

/** A larger file would keep somebody waiting for a completion. */
const MOST_BYTES = 300e6;

/** Names of the cluster's nodes. */
export const clusterNodes: Completer = async (typed, host) => {
  const { nodeNames } = await import("../../operations/node-status/node-names.ts");
  const { clusterFlags } = await import("./cluster-flags.ts");
  const cluster = clusterFlags(host, {
    kubeconfig: typed.flag("--kubeconfig"),
    context: typed.flag("--context"),
    requestTimeout: 2000,
  });
  return nodeNames(cluster, host.signal);
};

/** `TYPE`, after a comma too, and `TYPE/NAME`. The snapshot is the first argument. */
export const snapshotKinds: Completer = async (typed, host) => {
  const { last } = typed;
  const slash = last.indexOf("/");
  if (slash >= 0) {
    const type = last.slice(0, slash);
    return (await namesIn(type, typed, host)).map((name) => `${type}/${name}`);
  }
  const { RESOURCE_TYPES } = await import("../../storage/object-key.ts");
  const custom = await namesIn("customresourcedefinitions", typed, host).catch(() => []);
  const before = last.slice(0, last.lastIndexOf(",") + 1);
  return [...RESOURCE_TYPES.map(({ plural }) => plural), ...custom].map((kind) => `${before}${kind}`);
};

/** Names of the kind that is the second argument, or kinds where that has a name already. */
export const snapshotNames: Completer = async (typed, host) => {
  const [, type = ""] = typed.args;
  return type.includes("/") ? snapshotKinds(typed, host) : namesIn(type, typed, host);
};

export const snapshotNamespaces: Completer = (typed, host) => namesIn("namespaces", typed, host);

/** `REPOSITORY@latest` and `@TIME`, after the `@`. Files are left to the shell. */
export const snapshotMoments: Completer = async ({ last }, host) => {
  const at = last.lastIndexOf("@");
  if (at <= 0) return [];
  const { listBackups } = await import("../../operations/backup/list.ts");
  const repository = last.slice(0, at);
  const { spans } = await listBackups(repository, host);
  const times = spans.flatMap(({ fulls, toTime }) => [...fulls.map(({ time }) => time), toTime]);
  return ["latest", ...times.filter((time) => time !== null)].map((time) => `${repository}@${time}`);
};

async function namesIn(type: string, typed: TypedSoFar, host: Host): Promise<readonly string[]> {
  const [file = ""] = typed.args;
  const path = resolve(host.cwd, file);
  if (!existsSync(path) || statSync(path).size > MOST_BYTES) return [];
  const { getObjects } = await import("../../operations/snapshot/get-objects.ts");
  const { readObjectRequests } = await import("../../storage/resource-argument.ts");
  using objects = await getObjects(path, {
    requests: readObjectRequests([type]),
    namespace: typed.flag("--all-namespaces") === undefined ? (typed.flag("--namespace") ?? "default") : undefined,
    selector: [],
    signal: host.signal,
    moments: host,
  });
  return objects.groups.flatMap((group) => [...group.names()]);
}
