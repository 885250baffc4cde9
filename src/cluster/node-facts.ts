/** What a survey of one control-plane node found, as its kubemend reports it: the shapes that travel from the nodes to whoever plans. */
import { z } from "zod";

/** How far an operation has come on a node; each begins only when every node has reached the one before. */
export const NODE_STATES = [
  "new",
  "received",
  "stopped",
  "restored",
  "prepared",
  "etcd-started",
  "started",
  "done",
] as const;
export type NodeState = (typeof NODE_STATES)[number];

/** Whether an operation is under way on a node. */
export function isOpen(state: NodeJournal["state"]): boolean {
  return state !== "done" && state !== "undone";
}

const journalSchema = z.object({
  /** Names the operation on all nodes, such as `restore-20261129-104217-3f9c2a`. */
  id: z.string().regex(/^[a-z0-9-]{1,80}$/),
  state: z.enum([...NODE_STATES, "undoing", "undone"]),
  /** What the plan is made of: two runs with the same digest are the same operation. */
  digest: z.string(),
  /** Where the snapshot is on the node. */
  snapshot: z.string().nullable(),
  /**
   * Names of files that were taken out of the kubelet's directory, of those that were made from the backup, and the
   * directory where both are kept.
   */
  manifests: z
    .object({ from: z.string(), kept: z.string(), names: z.array(z.string()), spare: z.array(z.string()) })
    .nullable(),
  /**
   * Of etcd: which `member` directory was there (device and inode), null for none; and where it is since, as the last
   * restore has put it.
   */
  dataDir: z.object({ path: z.string(), member: z.string().nullable(), movedAside: z.string().nullable() }).nullable(),
  /** Files that were made or replaced, in this order, with the copy of what was there before; `sha256` is of what was made. */
  made: z.array(z.object({ path: z.string(), kept: z.string().nullable(), sha256: z.string().nullable() })).default([]),
  /** The newest revision of what was restored. */
  revision: z.number().nullable(),
  /** By how much a restore raises the revision, from the moment that it is begun here: all nodes have to raise it alike. */
  bump: z.number().nullable().default(null),
  /** An etcd that is a unit of systemd's here, and whether it ran before it was stopped. */
  service: z.object({ unit: z.string(), wasActive: z.boolean() }).nullable().default(null),
  /** Of a salvage: this node begins, and the others join it. */
  leads: z.boolean().default(false),
});
export type NodeJournal = z.output<typeof journalSchema>;

export const nodeJournalSchema: z.ZodType<NodeJournal> = journalSchema;

const factsSchema = z.object({
  /** kubemend's version on the node. */
  version: z.string(),
  /** The name that the node's kubelet registers, or the host's own. */
  nodeName: z.string(),
  /** Milliseconds since 1970 by the node's clock. */
  time: z.number(),
  isRoot: z.boolean(),
  kubelet: z.object({
    running: z.boolean(),
    /** Its directory of static pods; where no kubelet runs, the one that kubeadm uses. */
    staticPods: z.string(),
    /** Whether systemd has a unit that starts it. */
    hasUnit: z.boolean(),
  }),
  /** Components whose manifests are in that directory. */
  manifests: z.array(z.string()),
  /** Of those, the ones that cannot be read, and why. */
  unreadableManifests: z.array(z.object({ path: z.string(), fault: z.string() })).default([]),
  /** What the manifest of etcd there says; null where there is none. */
  etcdManifest: z
    .object({ dataDir: z.string().nullable(), walDir: z.string().nullable(), forcesNewCluster: z.boolean() })
    .nullable()
    .default(null),
  /** Components that run now, as containers or otherwise. */
  running: z.array(z.string()),
  /** The data directory that the plan names. */
  etcd: z.object({
    present: z.boolean(),
    /** The newest revision that the database or the log behind it can hold; null where that cannot be determined. */
    newestRevision: z.number().nullable(),
    fault: z.string().nullable(),
    freeBytes: z.number(),
    /** What else than etcd's own is in it. */
    foreign: z.array(z.string()),
    /** Peer URLs of all members that the old data knows; empty where that cannot be determined. */
    peerUrls: z.array(z.string()),
    /**
     * The newest revisions of data that operations have put beside it or in it: clients have seen them, too. What cannot
     * be read is left out.
     */
    revisionsBeside: z.array(z.number()).default([]),
  }),
  /** Of the file system that operations keep the backup on while it is restored; null where that is etcd's own. */
  freeForBackup: z.number().nullable().default(null),
  /** An etcd that is a unit of systemd's: where its data is, null where the unit does not say it, and as whom it runs. */
  etcdService: z
    .object({
      unit: z.string(),
      active: z.boolean(),
      dataDir: z.string().nullable(),
      owner: z.string().nullable(),
    })
    .nullable()
    .default(null),
  /** Files that the node needs and that are not there. */
  missingFiles: z.array(z.string()),
  /** Files that are the same on all control-plane nodes, of those that are there. */
  sharedFiles: z.array(z.string()),
  /** SHA-256 fingerprints of the certificates in `pki/ca.crt`. */
  authorities: z.array(z.string()),
  /**
   * Certificates that are over, by the name that `certificate list` has for them, and whether the authority's key is
   * there to renew them.
   */
  expired: z.array(z.object({ name: z.string(), renewable: z.boolean() })),
  /** Ports of the control plane that another program listens on. */
  takenPorts: z.array(z.object({ port: z.number(), component: z.string(), program: z.string() })),
  /** Images of the control plane that are not there; null where the container runtime does not say. */
  absentImages: z.array(z.string()).nullable(),
  journals: z.array(journalSchema),
});
export type NodeFacts = z.output<typeof factsSchema>;

export const nodeFactsSchema: z.ZodType<NodeFacts> = factsSchema;
