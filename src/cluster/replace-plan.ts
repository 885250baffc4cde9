/**
 * One control-plane node of a living cluster is gone: from what the living ones say to what has to happen for a new
 * machine to take its place.
 */

export interface LivingNode {
  readonly name: string;
  readonly address: string;
  readonly nodeName: string;
  readonly isRoot: boolean;
  readonly hasKubeadm: boolean;
}

export interface NewMachine {
  readonly name: string;
  readonly address: string;
  readonly isRoot: boolean;
  readonly hasKubeadm: boolean;
  /** Files of an earlier control plane that are in the way. */
  readonly leftovers: readonly string[];
  /** Components that run there. */
  readonly running: readonly string[];
}

export interface EtcdSeen {
  readonly members: readonly {
    readonly id: string;
    readonly name: string;
    readonly peerUrls: readonly string[];
    readonly answers: boolean;
  }[];
  readonly quorum: number;
  readonly answeringVoters: number;
}

export interface ReplacePlan {
  /** The living node that everything is asked of. */
  readonly lead: LivingNode;
  readonly machine: NewMachine;
  /**
   * The lost node's members, which have to go first: its own, and one that a join which failed has added and that never
   * started, with an empty name.
   */
  readonly removeMembers: readonly { readonly id: string; readonly name: string }[];
  /** Whether the Node object of the lost node is deleted, so that what it recorded about the old machine is removed too. */
  readonly deleteNode: boolean;
  readonly problems: readonly string[];
}

/**
 * `name` is the lost node's, which the new machine gets. `nodeReady`: what the API server says of it; undefined where
 * it knows no such node.
 */
export function planReplacement(
  living: readonly LivingNode[],
  machine: NewMachine,
  etcd: EtcdSeen,
  nodeReady: boolean | undefined,
): ReplacePlan | { readonly problems: readonly string[] } {
  const { name } = machine;
  const [lead] = living;
  if (lead === undefined) return { problems: ["no living control-plane node is named"] };
  const member = etcd.members.find((each) => each.name === name);
  const problems = [
    ...living.flatMap((node) => [
      ...(node.nodeName === node.name
        ? []
        : [`the machine at ${node.address} is node "${node.nodeName}", not "${node.name}"`]),
      ...(node.isRoot ? [] : [`node "${node.name}": kubemend does not run as root there`]),
    ]),
    ...(lead.hasKubeadm ? [] : [`node "${lead.name}" has no kubeadm, which makes the join's secrets`]),
    ...(machine.isRoot ? [] : [`the machine at ${machine.address}: kubemend does not run as root there`]),
    ...(machine.hasKubeadm
      ? []
      : [`the machine at ${machine.address} has no kubeadm: install the cluster's own version of kubeadm and kubelet`]),
    ...(machine.running.length === 0 ? [] : [`the machine at ${machine.address} runs ${machine.running.join(", ")}`]),
    ...(machine.leftovers.length === 0
      ? []
      : [
          `the machine at ${machine.address} has ${machine.leftovers.join(", ")}: empty it first, such as with kubeadm reset`,
        ]),
    ...(etcd.answeringVoters >= etcd.quorum ? [] : ["etcd has no quorum: use kubemend cluster salvage"]),
    ...(member?.answers === true ? [`etcd member "${name}" answers: the node is not lost`] : []),
    ...(nodeReady === true ? [`node "${name}" is Ready: it is not lost`] : []),
  ];
  return {
    lead,
    machine,
    removeMembers: etcd.members
      .filter((each) => !each.answers && (each.name === name || isUnstartedAt(each, machine.address)))
      .map(({ id, name: called }) => ({ id, name: called })),
    deleteNode: nodeReady === false,
    problems,
  };
}

function isUnstartedAt({ name, peerUrls }: EtcdSeen["members"][number], address: string): boolean {
  return name === "" && peerUrls.some((url) => new URL(url).hostname.replace(/^\[|\]$/g, "") === address);
}
