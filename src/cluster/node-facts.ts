/** What a survey of one control-plane node found, as its kubemend reports it: the shapes that travel from the nodes to whoever plans. */
import { z } from "zod";

/** How far an operation has come on a node; each begins only when every node has reached the one before. */
export const NODE_STATES = ["new", "received", "stopped", "restored", "etcd-started", "started", "done"] as const;
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
  /** Names of files that were taken out of the kubelet's directory, of those that were made from the backup, and the directory where both are kept. */
  manifests: z
    .object({ from: z.string(), kept: z.string(), names: z.array(z.string()), spare: z.array(z.string()) })
    .nullable(),
  /** Of etcd: which `member` directory was there (device and inode), null for none; and where it is since, as the last restore has put it. */
  dataDir: z.object({ path: z.string(), member: z.string().nullable(), movedAside: z.string().nullable() }).nullable(),
  /** The newest revision of what was restored. */
  revision: z.number().nullable(),
  /** By how much a restore raises the revision, from the moment that it is begun here: all nodes have to raise it alike. */
  bump: z.number().nullable().default(null),
  /** Of a salvage: this node begins, and the others join it. */
  leads: z.boolean().default(false),
});
export type NodeJournal = z.infer<typeof journalSchema>;

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
  }),
  /** Components whose manifests are in that directory. */
  manifests: z.array(z.string()),
  /** Components that run now, as containers or otherwise. */
  running: z.array(z.string()),
  /** The data directory that the plan names. */
  etcd: z.object({
    present: z.boolean(),
    /** The newest revision that the database or the log behind it can hold; null where that cannot be told. */
    newestRevision: z.number().nullable(),
    fault: z.string().nullable(),
    freeBytes: z.number(),
  }),
  /** Files that the node's static pods name and that are not there. */
  missingFiles: z.array(z.string()),
  journals: z.array(journalSchema),
});
export type NodeFacts = z.infer<typeof factsSchema>;

export const nodeFactsSchema: z.ZodType<NodeFacts> = factsSchema;
