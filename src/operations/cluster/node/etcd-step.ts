/** What is asked of the etcd that runs again, from the node that it runs on. */
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import { MendError } from "../../../errors/errors.ts";
import { addMember, promoteMember } from "../../etcd/change-members.ts";
import { checkHealth } from "../../etcd/etcd-health.ts";
import { listMembers } from "../../etcd/etcd-members.ts";
import { OPERATIONS, writeJournal } from "./journal.ts";
import { ETCD_MS, etcdFlagsOf, type ProofOptions, until } from "./prove.ts";

export interface EtcdStep {
  readonly id: string;
  readonly clientUrls: readonly string[];
  /** The member that the step is about, or for a proof all that there are. */
  readonly names: readonly string[];
  readonly peerUrls: readonly string[];
  /** For a proof: what every member has to have. */
  readonly salvaged?: SalvagedState;
}

/** The cluster that was salvaged, and its newest entry: an etcd that started over is another cluster, or has less. */
export interface SalvagedState {
  /** In hex. */
  readonly clusterId: string;
  readonly lastIndex: number;
  /** Whether no API server has run since: what etcd's revision is then, the journal keeps. */
  readonly isAlone: boolean;
}

export async function etcdStep(
  journal: NodeJournal,
  step: "add-learner" | "promote" | "prove-members",
  request: EtcdStep,
  options: ProofOptions,
  operations = OPERATIONS,
): Promise<unknown> {
  const flags = etcdFlagsOf(journal, request.clientUrls);
  const [name = ""] = request.names;
  const { signal, report } = options;
  if (step === "prove-members") {
    const proof = await proveMembers(flags, request.names, options, request.salvaged);
    if (request.salvaged?.isAlone === true) await writeJournal({ ...journal, revision: proof.revision }, operations);
    return proof;
  }
  if (step === "add-learner")
    return until(ETCD_MS, options, async () => {
      const { members } = await listMembers(flags, signal);
      const there = members.find(({ peerUrls }) => request.peerUrls.some((url) => peerUrls.includes(url)));
      // Added by a run that was cut off: etcd never sees it twice.
      const list =
        there === undefined
          ? (await addMember(flags, { name, peerUrls: request.peerUrls, voter: false }, signal)).members
          : members;
      const peers = list.flatMap((member) =>
        member.peerUrls.map((url) => `${request.peerUrls.includes(url) ? name : member.name}=${url}`),
      );
      return { initialCluster: peers.join(",") };
    });
  return until(ETCD_MS, options, async () => {
    const { members } = await listMembers(flags, signal);
    const member = members.find(({ peerUrls }) => request.peerUrls.some((url) => peerUrls.includes(url)));
    if (member === undefined) return `"${name}" is not a member`;
    if (!member.isLearner) return { promoted: name };
    await promoteMember(flags, { member: member.id.toString(16), wait: 0, onWait: report }, signal);
    return { promoted: name };
  });
}

export interface MembersProof {
  readonly members: readonly string[];
  readonly revision: number;
}

/** That just these members serve, with one hash, and with everything that was salvaged. */
export function proveMembers(
  flags: ReturnType<typeof etcdFlagsOf>,
  names: readonly string[],
  options: ProofOptions,
  salvaged?: SalvagedState,
): Promise<MembersProof> {
  return until(ETCD_MS, options, async () => {
    const health = await checkHealth(flags, options.signal === undefined ? {} : { signal: options.signal });
    const found = health.members.map(({ name }) => name).sort();
    const foreign = found.filter((name) => !names.includes(name));
    if (foreign.length > 0) {
      throw new MendError("wrong-cluster", `etcd has members that were not salvaged: ${foreign.join(", ")}`, {
        hint: "stop every old member, then run the same command again",
      });
    }
    if (found.join() !== [...names].sort().join()) return `etcd has the members ${found.join(", ")} so far`;
    if (!health.healthy) return health.findings.find(({ level }) => level === "error")?.text ?? "etcd is not healthy";
    if (salvaged !== undefined) {
      if (BigInt(`0x${health.clusterId}`) !== BigInt(`0x${salvaged.clusterId}`)) {
        const text = `the etcd that answers is cluster ${health.clusterId}, not the salvaged ${salvaged.clusterId}`;
        throw new MendError("wrong-cluster", text, { hint: "take everything back with kubemend cluster undo" });
      }
      const behind = health.members.filter(({ status }) => (status?.raftAppliedIndex ?? 0) < salvaged.lastIndex);
      if (behind.length > 0) {
        return `etcd on ${behind.map(({ name }) => name).join(", ")} has not applied entry ${salvaged.lastIndex} yet`;
      }
    }
    const hashes = new Set(health.members.map(({ status }) => status?.hash?.hash));
    if (names.length > 1 && (hashes.size !== 1 || hashes.has(undefined))) return "the members' hashes differ";
    const revision = Math.max(...health.members.map((member) => member.status?.revision ?? 0));
    return { members: found, revision };
  });
}
