/** What is recorded of a request to etcd: every one that is not known to read. */
import { MendError } from "../../errors/errors.ts";
import { recordChange } from "../audit/audit-trail.ts";

/** Of `etcdserverpb` (etcd's rpc.proto). */
const READS: ReadonlySet<string> = new Set([
  "KV/Range",
  "Cluster/MemberList",
  "Maintenance/Status",
  "Maintenance/Hash",
  "Maintenance/HashKV",
  "Lease/LeaseTimeToLive",
  "Lease/LeaseLeases",
  "Auth/Authenticate",
  "Auth/AuthStatus",
]);
const UNANSWERED: ReadonlySet<string> = new Set(["timeout", "etcd-unreachable"]);

/** Runs a request and records what it changed, also where it is not known whether it did. `by` is the member, and as whom. */
export async function recordEtcdChange<T>(
  method: string,
  message: Uint8Array,
  by: string,
  run: () => Promise<T>,
): Promise<T> {
  // Without a message it lists the alarms.
  if (READS.has(method) || (method === "Maintenance/Alarm" && message.length === 0)) return run();
  try {
    const answer = await run();
    recordChange({ action: method, target: "etcd", by });
    return answer;
  } catch (error) {
    if (!(error instanceof MendError) || UNANSWERED.has(error.code))
      recordChange({ action: method, target: "etcd", by, uncertain: true });
    throw error;
  }
}
