/** `etcd compact`, `etcd defrag`, `etcd alarm list|disarm`: the upkeep of a live cluster, one member at a time. */

import { planDefragmentation } from "../../cluster/member-guards.ts";
import type { MemberHealth } from "../../diagnosis/etcd-health.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { openEtcd, withAnyEndpoint } from "../../io/etcd/etcd-client.ts";
import { type EtcdFlags, prepareEtcdAccess } from "../../io/etcd/etcd-connection.ts";
import * as maintenance from "../../io/etcd/etcd-maintenance.ts";
import type { MemberAlarm } from "../../io/etcd/etcd-messages.ts";
import { checkHealth } from "./etcd-health.ts";

/** Forgets the revisions before `revision`. Throws `revision-compacted` and `revision-in-future`, and says which revisions there are. */
export async function compactKeyspace(
  flags: EtcdFlags,
  wanted: { readonly revision: number; readonly physical: boolean },
  signal?: AbortSignal,
): Promise<void> {
  const { revision, physical } = wanted;
  await withAnyEndpoint(
    await prepareEtcdAccess(flags),
    async (client) => {
      const { header } = await client.status();
      if (revision > header.revision) {
        throw new MendError("revision-in-future", `revision ${revision} is not there yet`, {
          where: client.endpoint,
          hint: `the newest revision is ${header.revision}`,
        });
      }
      await maintenance.compact(client, revision, physical);
    },
    signal,
  );
}

export interface Defragmented {
  readonly endpoint: string;
  readonly memberId: string;
  /** Bytes of the database file. */
  readonly before: number;
  readonly after: number;
}

export interface DefragOptions {
  /** Every member of the cluster, not only the given endpoints. */
  readonly cluster: boolean;
  /** Also where a quorum does not answer meanwhile. */
  readonly force: boolean;
  /** Milliseconds for each member. */
  readonly timeout: number;
  readonly onMember?: (member: MemberHealth) => void;
  readonly onDone?: (done: Defragmented) => Promise<void>;
}

/**
 * Defragments members one after the other, the leader last, and continues only when the one before serves again. Stops at
 * the first that fails; what was done is with the error.
 */
export async function defragment(
  flags: EtcdFlags,
  options: DefragOptions,
  signal?: AbortSignal,
): Promise<readonly Defragmented[]> {
  const own = { ...flags, trustMembers: options.cluster };
  const access = await prepareEtcdAccess(own);
  const look = () => checkHealth(own, signal === undefined ? {} : { signal });
  let health = await look();
  const chosen = options.cluster
    ? health.members.filter((member) => member.name !== "")
    : health.members.filter((member) => member.endpoint !== null && access.endpoints.includes(member.endpoint));
  const missing = access.endpoints.filter((each) => !chosen.some((member) => member.endpoint === each));
  if (!options.cluster && missing.length > 0) {
    throw new MendError("etcd-unreachable", `no member answers at "${missing.join('", "')}"`, {
      where: missing[0] ?? "",
      hint: "see kubemend etcd health",
    });
  }
  const done: Defragmented[] = [];
  for (const { id } of planDefragmentation(health, chosen, options.force)) {
    if (done.length > 0) health = await look(); // who leads, and who answers, may have changed meanwhile
    const member = health.members.find((each) => each.id === id);
    if (member === undefined) continue; // removed meanwhile
    planDefragmentation(health, [member], options.force);
    const endpoint = member.endpoint ?? "";
    options.onMember?.(member);
    const client = openEtcd(endpoint, access, signal);
    try {
      await maintenance.defragment(client, options.timeout);
      const after = await client.status();
      const entry = { endpoint, memberId: id, before: member.status?.dbSize ?? 0, after: after.dbSize };
      done.push(entry);
      await options.onDone?.(entry);
    } finally {
      client.close();
    }
  }
  return done;
}

export async function listAlarms(flags: EtcdFlags, signal?: AbortSignal): Promise<readonly MemberAlarm[]> {
  return withAnyEndpoint(
    await prepareEtcdAccess(flags),
    async (client) => {
      await client.members(); // an answer without alarms is empty, as anybody's could be
      return client.alarms();
    },
    signal,
  );
}

/**
 * Ends the alarms, and reads back that they ended. A CORRUPT alarm says that members disagree, which disarming does not
 * mend: throws `member-change-refused` unless `force`. A NOSPACE alarm of a member whose database still fills its quota
 * comes back at the next write, and is refused likewise. `quota` is in bytes: what `--quota-backend-bytes` is, which
 * members report from etcd 3.6 on.
 */
export async function disarmAlarms(
  flags: EtcdFlags,
  options: { readonly force: boolean; readonly quota?: number },
  signal?: AbortSignal,
): Promise<readonly MemberAlarm[]> {
  const access = await prepareEtcdAccess(flags);
  const health = await checkHealth(flags, signal === undefined ? {} : { signal });
  return withAnyEndpoint(
    access,
    async (client) => {
      const alarms = await client.alarms();
      if (!options.force) for (const alarm of alarms) refuseFutile(alarm, health.members, options.quota);
      const ended: MemberAlarm[] = [];
      for (const alarm of alarms) ended.push(...(await maintenance.disarm(client, alarm)));
      const left = await client.alarms();
      if (left.length > 0) {
        const ids = left.map((alarm) => `${alarm.type} of ${alarm.memberId.toString(16)}`).join(", ");
        throw new MendError("etcd-refused", `alarms were raised again: ${ids}`, {
          where: client.endpoint,
          hint: "see kubemend etcd health",
        });
      }
      return ended;
    },
    signal,
  );
}

/** etcd's default for `--quota-backend-bytes`, where the member does not report its own (before 3.6). */
const DEFAULT_QUOTA = 2 * 1024 ** 3;
/** The alarm is raised by a write that would have crossed the quota, so that the database itself is a little below it. */
const FULL = 0.9;

function refuseFutile(alarm: MemberAlarm, members: readonly MemberHealth[], given: number | undefined): void {
  const id = alarm.memberId.toString(16);
  if (alarm.type === "CORRUPT") {
    throw new MendError(
      "member-change-refused",
      `member ${id} has the alarm CORRUPT: its data differs from the others'`,
      {
        where: id,
        hint: "find the member that differs with kubemend etcd health, and replace it: member remove, empty its data dir, member add",
      },
    );
  }
  const status = members.find((member) => member.id === id)?.status;
  if (alarm.type !== "NOSPACE" || status === null || status === undefined) return;
  const quota = given ?? status.dbSizeQuota ?? DEFAULT_QUOTA;
  if (status.dbSize < FULL * quota) return;
  throw new MendError("member-change-refused", `the database of member ${id} still fills its quota`, {
    where: id,
    hint: `free space first: kubemend etcd compact REVISION, then kubemend etcd defrag ${input("cluster")}`,
  });
}
