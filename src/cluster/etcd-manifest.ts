/** What a node's own manifests say against an operation on its etcd: the kubelet starts what they say, and not what a plan says. */

/** Of the manifest of etcd that is on a node. */
export interface EtcdManifest {
  /** On the host; null where the manifest does not say it. */
  readonly dataDir: string | null;
  /** Null where etcd's log is in its data directory. */
  readonly walDir: string | null;
  /** Whether etcd makes a cluster of its own of its data, at every start. */
  readonly forcesNewCluster: boolean;
}

export interface UnreadableManifest {
  readonly path: string;
  /** Why it cannot be read. */
  readonly fault: string;
}

/** A sentence for each. `planned` is the data directory that the operation is about. */
export function manifestProblems(
  node: string,
  { etcd, unreadable }: { readonly etcd: EtcdManifest | null; readonly unreadable: readonly UnreadableManifest[] },
  planned: string,
): string[] {
  return [
    ...unreadable.map(
      ({ path, fault }) => `node "${node}": ${path} cannot be read as a manifest (${fault}): move it away`,
    ),
    ...(etcd === null ? [] : etcdProblems(node, etcd, planned)),
  ];
}

function etcdProblems(node: string, { dataDir, walDir, forcesNewCluster }: EtcdManifest, planned: string): string[] {
  return [
    ...(walDir === null ? [] : [separateLog(node, walDir)]),
    ...(dataDir === null || dataDir === planned
      ? []
      : [
          `node "${node}": the manifest of etcd there has its data in ${dataDir}, and the plan in ${planned}: make them agree`,
        ]),
    ...(forcesNewCluster
      ? [
          `node "${node}": the manifest of etcd there has --force-new-cluster, with which each member makes a cluster of ` +
            "its own: take it out",
        ]
      : []),
  ];
}

/** Neither a restore nor a salvage of several nodes moves a log that is elsewhere: etcd would read the old one. */
export function separateLog(node: string, walDir: string): string {
  return (
    `node "${node}": etcd keeps its log apart from its data, in ${walDir} (--wal-dir), which this command does not ` +
    "restore: see the option for it of kubemend snapshot restore and etcd salvage, for one node at a time"
  );
}
