/**
 * From a backup and a survey of its nodes to the plan of a restore on all of them: who is restored as which member, and
 * what speaks against it.
 */
import { createHash } from "node:crypto";
import type { StaticEtcdMember } from "../controlplane/static-etcd.ts";
import type { BackupIdentity } from "./backup-facts.ts";
import { isOpen, type NodeFacts } from "./node-facts.ts";
import { type NodeNeeds, type PlannedFile, planFiles } from "./node-needs.ts";

export interface RestoreBackup {
  readonly path: string;
  /** Bytes of the database, unpacked. */
  readonly size: number;
  readonly revision: number;
  /** Live keys. */
  readonly keys: number;
  /** What identifies the content: its SHA-256, or of a raw copy that of the file. */
  readonly sha256: string;
}

export interface PlannedMember extends Omit<StaticEtcdMember, "walDir"> {
  /** How the node is reached. */
  readonly address: string;
  readonly clientUrls: readonly string[];
}

/** The control plane beside an etcd that is a service of its own hosts. */
export interface ExternalEtcd {
  readonly controlPlane: readonly { readonly node: string; readonly address: string }[];
  /** The files that the API servers reach etcd with. */
  readonly cacert: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export interface RestorePlan {
  /** The same on every node. */
  readonly id: string;
  readonly digest: string;
  readonly backup: RestoreBackup;
  readonly members: readonly PlannedMember[];
  /** Where etcd is a service of its own hosts, which the members then are: the control-plane nodes beside them. */
  readonly external?: ExternalEtcd;
  /** `NAME=PEER-URL,…` of all of them. */
  readonly initialCluster: string;
  /** New with each restore: with the token of the cluster that was, old members and new ones would take each other for their own. */
  readonly token: string;
  /** Added to the snapshot's revision, so that no client that saw the newest old one waits for the past. */
  readonly bumpRevision: number;
  /** Nodes of the backup's control plane that are left out, as the user asked. */
  readonly without: readonly string[];
  /** By node: the files that are missing there, and from where each comes. */
  readonly files: Readonly<Record<string, readonly PlannedFile[]>>;
}

/** What there is to make the nodes' missing files of; paths and no contents. */
export interface PlanMaterial {
  /** By node: the files that its static pods name, and for whom its certificates are. */
  readonly nodes: ReadonlyMap<string, { readonly named: readonly string[]; readonly identity: BackupIdentity }>;
  /** By node: what a backup agent stored. */
  readonly stored: ReadonlyMap<string, ReadonlySet<string>>;
  /** What secret `kubeadm-certs` has, where its key was given. */
  readonly certs: ReadonlySet<string>;
  /** What config maps of the backup have. */
  readonly inBackup: ReadonlySet<string>;
  /** Fingerprints of the authorities that the backup's cluster trusts; empty where it does not say. */
  readonly authorities: readonly string[];
  /** Whether the nodes may have another authority than that. */
  readonly acceptNewAuthority: boolean;
}

/** What a survey of a node came to: facts, or why there are none. */
export type Surveyed = { readonly facts: NodeFacts; readonly asked?: Asked } | { readonly fault: string };

/** When a node was asked and when its answer was here, by the clock here, in milliseconds: its own clock was read in between. */
interface Asked {
  readonly sent: number;
  readonly received: number;
}

export interface PlanCheck {
  /** Each stops the restore before anything is touched. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Where no old data says how far clients have seen: more than any cluster writes between two backups. And more by each
 * second, since an earlier restore may have raised the revision as blindly: what it has written since is below this.
 */
const BLIND_BUMP = 1_000_000_000;
const BLIND_SINCE_MS = Date.UTC(2026, 0);
/** No cluster writes so many for long. */
const WRITES_A_SECOND = 1000;
/** Space above the newest revision that was seen, for what was being written. */
const BUMP_MARGIN = 1_000_000;

/**
 * The bump for what the nodes' old data shows: `newest` holds the newest revision of each old data directory, null
 * where one is there and cannot be read. `now` in milliseconds since 1970.
 */
export function bumpFor(snapshotRevision: number, newest: readonly (number | null)[], now: number): number {
  const known = newest.filter((revision) => revision !== null);
  const seen = Math.max(snapshotRevision, ...known) - snapshotRevision + BUMP_MARGIN;
  if (known.length === newest.length) return seen;
  const seconds = Math.max(0, Math.floor((now - BLIND_SINCE_MS) / 1000));
  return Math.max(seen, BLIND_BUMP + seconds * WRITES_A_SECOND);
}

export interface PlanInput {
  readonly backup: RestoreBackup;
  readonly members: readonly PlannedMember[];
  readonly external?: ExternalEtcd;
  readonly without: readonly string[];
  readonly surveys: ReadonlyMap<string, Surveyed>;
  readonly material: PlanMaterial;
  /** Milliseconds since 1970 here. */
  readonly now: number;
  /** Random hex, for the names of a new operation. */
  readonly random: string;
}

/** The plan. An operation that was begun with the same backup and members continues under its own names. */
export function planRestore(input: PlanInput): RestorePlan {
  const { backup, members, without } = input;
  const digest = digestOf(input);
  const begun = factsOf(input)
    .flatMap(({ journals }) => journals)
    .find((each) => isOpen(each.state) && each.digest === digest);
  const stamp = new Date(input.now)
    .toISOString()
    .replace(/[-:]|\..*$/g, "")
    .replace("T", "-");
  const id = begun?.id ?? `restore-${stamp}-${input.random.slice(0, 6)}`;
  // What the first node has noted holds for all: otherwise their revisions would differ, and their hashes.
  const bump = factsOf(input)
    .flatMap(({ journals }) => journals)
    .find((each) => each.id === id && each.bump !== null)?.bump;
  const surveyed = factsOf(input, members);
  const old = surveyed.filter(({ etcd }) => etcd.present);
  return {
    id,
    digest,
    backup,
    members,
    ...(input.external === undefined ? {} : { external: input.external }),
    without,
    initialCluster: members.flatMap(({ name, peerUrl }) => peerUrl.split(",").map((url) => `${name}=${url}`)).join(","),
    token: `kubemend-${id}`,
    bumpRevision:
      bump ??
      bumpFor(
        backup.revision,
        [...old.map(({ etcd }) => etcd.newestRevision), ...surveyed.flatMap(({ etcd }) => etcd.revisionsBeside)],
        input.now,
      ),
    files: Object.fromEntries(controlPlaneOf(input).map(({ node }) => [node, needsOf(input, node).files])),
  };
}

/** The nodes that run the control plane: the members' own, unless etcd has hosts of its own. */
export function controlPlaneOf<Node extends { readonly node: string; readonly address: string }>({
  members,
  external,
}: {
  readonly members: readonly Node[];
  readonly external?: ExternalEtcd;
}): readonly { readonly node: string; readonly address: string }[] {
  return external?.controlPlane ?? members;
}

/** Every node of a plan once: etcd's, and those of the control plane. */
export function nodesOf(plan: Pick<PlanInput, "members" | "external">): readonly string[] {
  return [...new Set([...plan.members, ...(plan.external?.controlPlane ?? [])].map(({ node }) => node))];
}

/** What a node needs; of one that was not surveyed nothing is known to be missing. */
export function needsOf(input: PlanInput, node: string): NodeNeeds {
  const { material, surveys } = input;
  const about = (name: string): NodeFacts | undefined => {
    const found = surveys.get(name);
    return found !== undefined && "facts" in found ? found.facts : undefined;
  };
  const others = controlPlaneOf(input).filter((other) => other.node !== node);
  return planFiles({
    node,
    named: material.nodes.get(node)?.named ?? [],
    missing: about(node)?.missingFiles ?? [],
    stored: material.stored.get(node) ?? new Set(),
    certs: material.certs,
    elsewhere: new Map(others.map((other) => [other.node, about(other.node)?.sharedFiles ?? []])),
    inBackup: material.inBackup,
  });
}

/** Of all nodes that were surveyed, or of some. */
export function factsOf(input: PlanInput, of?: readonly { readonly node: string }[]): NodeFacts[] {
  const names = of === undefined ? nodesOf(input) : of.map(({ node }) => node);
  return names.flatMap((node) => {
    const found = input.surveys.get(node);
    return found !== undefined && "facts" in found ? [found.facts] : [];
  });
}

function digestOf({ backup, members, external }: PlanInput): string {
  const what = [
    backup.sha256,
    ...members.map(({ node, name, peerUrl, dataDir }) => [node, name, peerUrl, dataDir]),
    ...(external === undefined ? [] : [external.controlPlane.map(({ node }) => node)]),
  ];
  return createHash("sha256").update(JSON.stringify(what)).digest("hex");
}
