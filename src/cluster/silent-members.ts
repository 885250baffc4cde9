/** Restored members that do not answer, by names that a person knows. */
import type { MemberHealth } from "../diagnosis/etcd-health.ts";
import { formatMemberId, type Membership } from "../wal/membership.ts";

/** A member has no name of its own before it has started once: it is the planned one's. */
export function silentMembers(
  seen: readonly Pick<MemberHealth, "id" | "name" | "status">[],
  planned: Membership,
): readonly string[] {
  const names = new Map(planned.members.map(({ id, name }) => [formatMemberId(id), name]));
  return seen.filter(({ status }) => status === null).map(({ id, name }) => name || (names.get(id) ?? id));
}
