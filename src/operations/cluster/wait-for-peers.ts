/**
 * Answers peers on etcd's peer port, and asks them, until none of them has to be waited for: how the nodes of `cluster
 * apply` keep step without anybody who leads them.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeJournal } from "../../cluster/node-facts.ts";
import { notServing, type PeerSeen } from "../../cluster/peer-barrier.ts";
import type { RestorePlan } from "../../cluster/restore-plan.ts";
import { MendError } from "../../errors/errors.ts";
import { askPeer, type PeerTls, servePeerStatus } from "../../io/etcd/peer-status.ts";
import { newMembership } from "../../wal/membership.ts";
import { parseInitialCluster } from "../../wal/peer-urls.ts";

export interface PeerWait {
  readonly plan: Pick<RestorePlan, "id" | "initialCluster" | "token"> & {
    readonly members: readonly Pick<RestorePlan["members"][number], "node" | "peerUrl">[];
  };
  readonly node: string;
  /** The operation's, in hex. */
  readonly secret: string;
  readonly tls: PeerTls | undefined;
  /**
   * Whether this node waits, too, until the members before it in the plan serve their peers: members that check their
   * peers' data would wait for each other, one request after the other, until these time out.
   */
  readonly isInTurn: boolean;
  readonly state: () => NodeJournal["state"];
  readonly report: (text: string) => void;
  readonly signal: AbortSignal;
  /** Milliseconds; shorter in tests. */
  readonly poll?: number;
  readonly linger?: number;
  readonly patience?: number;
}

const POLL_MS = 1000;
/** Long enough for every peer to ask once more, before etcd takes the port. */
const LINGER_MS = 5000;
/** A member that does not serve by then is left to the proof of etcd. */
const PATIENCE_MS = 30_000;

/** `awaited` says, a sentence for each peer, what has to be waited for. */
export async function waitForPeers(
  wait: PeerWait,
  awaited: (peers: ReadonlyMap<string, PeerSeen>, clusterId: string) => string[],
): Promise<void> {
  const { plan, node, secret, tls, report, signal } = wait;
  const { poll = POLL_MS, linger = LINGER_MS, patience = PATIENCE_MS } = wait;
  const { id, members } = plan;
  const peers = members.filter((each) => each.node !== node);
  const self = members.find((each) => each.node === node);
  if (self === undefined) throw new MendError("config-invalid", `the plan has no member for node "${node}"`);
  if (peers.length === 0) return;
  const before = wait.isInTurn ? members.slice(0, members.indexOf(self)).map((each) => each.node) : [];
  const clusterId = newMembership(parseInitialCluster(plan.initialCluster), plan.token).clusterId.toString(16);
  const own = await servePeerStatus(firstOf(self), tls, secret, () => ({ id, node, state: wait.state() }));
  try {
    let deadline: number | undefined;
    let isFirst = before.length === 0;
    for (let last = ""; ; ) {
      const seen = new Map(
        await Promise.all(
          peers.map(async (peer) => {
            const answer = await askPeer(firstOf(peer), tls, secret, signal);
            return [peer.node, seenOf(answer, id)] as const;
          }),
        ),
      );
      let missing = awaited(seen, clusterId);
      if (missing.length === 0) {
        deadline ??= performance.now() + patience * before.length;
        missing = notServing(seen, clusterId, before);
        if (missing.length > 0 && performance.now() >= deadline) {
          isFirst = true;
          missing = [];
        }
      }
      const text = missing.join("; ");
      if (text === "") break;
      if (text !== last) report(`waiting: ${text}`);
      last = text;
      await sleep(poll, undefined, { signal });
    }
    // Where those before it serve, those behind it wait for its etcd.
    if (isFirst) await sleep(linger, undefined, { signal });
  } finally {
    await own.close();
  }
}

function firstOf({ peerUrl }: { readonly peerUrl: string }): string {
  return peerUrl.split(",", 1).join();
}

function seenOf(answer: Awaited<ReturnType<typeof askPeer>>, id: string): PeerSeen {
  if (answer.kind !== "kubemend") return answer;
  if (answer.status.id !== id) return { kind: "silent", why: `it is at work on ${answer.status.id}` };
  return { kind: "kubemend", state: answer.status.state as NodeJournal["state"] };
}
