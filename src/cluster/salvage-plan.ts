/** From what survivors of a cluster without quorum say to the plan of a salvage on all of them. */
import { input } from "../errors/input.ts";
import { type EtcdManifest, manifestProblems, type UnreadableManifest } from "./etcd-manifest.ts";
import { megabytes } from "./megabytes.ts";

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
  /** What its manifest of etcd says; null where it has none. */
  readonly etcd: EtcdManifest | null;
  /** Manifests of its control plane that cannot be read. */
  readonly unreadable: readonly UnreadableManifest[];
  /** What its data takes of the disk. */
  readonly dataBytes: number;
  /** What is free on the disk of its data directory. */
  readonly freeBytes: number;
  readonly open: readonly { readonly id: string; readonly digest: string; readonly state: string }[];
}

/** Where the data of all is gathered. */
export interface GatheringPlace {
  readonly path: string;
  readonly freeBytes: number;
}

export interface SalvageOfNodes {
  /** The same on every node. */
  readonly id: string;
  readonly digest: string;
  readonly nodes: readonly SurvivingNode[];
  /** Each stops the salvage before anything is touched. */
  readonly problems: readonly string[];
}

/**
 * An operation with the same digest that was begun on any of them continues under its name. `random` is hex; the data of
 * `withoutData` counts for nothing.
 */
export function planSalvageOfNodes(
  nodes: readonly SurvivingNode[],
  digest: string,
  now: number,
  random: string,
  { gathering, withoutData }: { readonly gathering: GatheringPlace; readonly withoutData: readonly string[] },
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
    ...lackingSpace(nodes, id, gathering, withoutData),
  ];
  return { id, digest, nodes, problems };
}

/** All of the data comes here, and one more is made of it; then each node gets a second one beside its own. */
function lackingSpace(
  nodes: readonly SurvivingNode[],
  id: string,
  { path, freeBytes }: GatheringPlace,
  withoutData: readonly string[],
): string[] {
  const sizes = nodes.filter(({ name }) => !withoutData.includes(name)).map(({ dataBytes }) => dataBytes);
  const largest = Math.max(0, ...sizes);
  const gathered = sizes.reduce((sum, size) => sum + size, 0) + largest;
  const here =
    freeBytes < gathered
      ? [
          `${megabytes(freeBytes)} are free in "${path}", where the survivors' data is gathered, and ${megabytes(gathered)} ` +
            `are needed: name another directory with ${input("workDir")}`,
        ]
      : [];
  const there = nodes
    .filter((node) => node.freeBytes < largest && !node.open.some((each) => each.id === id))
    .map(
      ({ name, dataDir, freeBytes: free }) =>
        `node "${name}": ${megabytes(free)} are free for ${dataDir}, and ${megabytes(largest)} are needed`,
    );
  return [...here, ...there];
}

function twins(nodes: readonly SurvivingNode[]): string[] {
  const urls = nodes.flatMap(({ peerUrl }) => peerUrl.split(","));
  return [...new Set(urls.filter((url, at) => urls.indexOf(url) !== at))];
}
