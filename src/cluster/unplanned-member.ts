/** A member of etcd in a backup's control plane that no plan of a restore can have. */
import type { ControlPlaneFacts } from "../controlplane/control-plane.ts";
import { staticEtcdMembers, unclearEtcdMembers } from "../controlplane/static-etcd.ts";
import { separateLog } from "./etcd-manifest.ts";

/**
 * Why the restore of some member cannot be planned, as a sentence: all of them have to be known, since a restore of
 * some is another cluster. Undefined where each can. `without`: nodes that no longer are.
 */
export function unplannedMember(
  plane: Pick<ControlPlaneFacts, "nodes">,
  without: readonly string[],
): string | undefined {
  const isThere = ({ node }: { readonly node: string }): boolean => !without.includes(node);
  const [unclear] = unclearEtcdMembers(plane).filter(isThere);
  if (unclear !== undefined)
    return `the manifest of etcd on node "${unclear.node}" does not say its ${unclear.lacking.join(", ")}`;
  const members = staticEtcdMembers(plane).filter(isThere);
  const twice = members.find(({ node }, at) => members.findIndex((each) => each.node === node) !== at);
  if (twice !== undefined) return `node "${twice.node}" runs more than one etcd as a static pod`;
  for (const { node, walDir } of members) if (walDir !== undefined) return separateLog(node, walDir);
  return undefined;
}
