/** From what survivors of a cluster without quorum say to the plan of a salvage on all of them. */

import { type EtcdManifest, manifestProblems, type UnreadableManifest } from "./etcd-manifest.ts";

export interface SurvivingNode {
  /** As its owner calls it, and how it is reached. */
  readonly name: string;
  readonly address: string;
  readonly nodeName: string;
  readonly isRoot: boolean;
  readonly kubeletRuns: boolean;
  readonly peerUrl: string;
  readonly dataDir: string;
  readonly hasData: boolean;
  readonly etcd: EtcdManifest | null;
  readonly unreadable: readonly UnreadableManifest[];
  readonly open: readonly { readonly id: string; readonly digest: string; readonly state: string }[];
}

export interface SalvageOfNodes {
  /** The same on every node. */
  readonly id: string;
  readonly digest: string;
  readonly nodes: readonly SurvivingNode[];
  /** Each stops the salvage before anything is touched. */
  readonly problems: readonly string[];
}

/** An operation with the same digest that was begun on any of them continues under its name. `random` is hex. */
export function planSalvageOfNodes(
  nodes: readonly SurvivingNode[],
  digest: string,
  now: number,
  random: string,
): SalvageOfNodes {
  const open = nodes.flatMap((node) => node.open.map((each) => ({ node, ...each })));
  const begun = open.find((each) => each.digest === digest);
  const stamp = new Date(now)
    .toISOString()
    .replace(/[-:]|\..*$/g, "")
    .replace("T", "-");
  const id = begun?.id ?? `salvage-${stamp}-${random}`;
  const problems = [
    ...nodes.flatMap(({ name, nodeName, address, isRoot, kubeletRuns }) => [
      ...(nodeName === name ? [] : [`the machine at ${address} is node "${nodeName}", not "${name}"`]),
      ...(isRoot ? [] : [`node "${name}": kubemend does not run as root there`]),
      ...(kubeletRuns ? [] : [`node "${name}": no kubelet runs, which starts and stops the static pods`]),
    ]),
    ...nodes.flatMap((node) => manifestProblems(node.name, node, node.dataDir)),
    ...open
      .filter((each) => each.id !== id)
      .map(({ node, id: other }) => `node "${node.name}": operation ${other} was begun and not finished`),
    ...(nodes.some(({ hasData }) => hasData) || begun !== undefined
      ? []
      : ["no survivor has any data of etcd: restore a backup with kubemend cluster restore"]),
    ...twins(nodes).map((url) => `two nodes have the peer URL ${url}`),
  ];
  return { id, digest, nodes, problems };
}

function twins(nodes: readonly SurvivingNode[]): string[] {
  const urls = nodes.flatMap(({ peerUrl }) => peerUrl.split(","));
  return [...new Set(urls.filter((url, at) => urls.indexOf(url) !== at))];
}
