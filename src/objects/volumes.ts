/** Claims and volumes that find each other again, and what became of the data meanwhile. */
import { objectOf, textOf } from "../kube/fields.ts";
import type { KubeObject } from "../kube/object.ts";
import { withFreeClaim, withoutVolume } from "./rewrite.ts";

/** What becomes of a claim that is given back. */
export type ClaimPlan =
  /** It names the volume, which waits for it. */
  | { readonly claim: KubeObject; readonly volume: "as-is" | "none"; readonly note: string }
  /** The volume of the cluster must forget the UID of the claim that was deleted. */
  | { readonly claim: KubeObject; readonly volume: "free"; readonly freed: KubeObject; readonly note: string }
  /** The volume's object is gone, but not what it stands for. */
  | { readonly claim: KubeObject; readonly volume: "create"; readonly note: string }
  | { readonly blocked: string };

/**
 * `claim` is as it will be created. `live`: the volume that it names, in the cluster; `saved`: the same in the backup.
 * `isNamed`: somebody asked for the volume itself, and knows that its storage is there.
 */
export function planClaim(
  claim: KubeObject,
  live: KubeObject | undefined,
  saved: KubeObject | undefined,
  isNamed: boolean,
): ClaimPlan {
  const name = textOf(objectOf(claim.spec).volumeName);
  if (name === "") return { claim, volume: "none", note: "" };
  const empty = (why: string): ClaimPlan => ({
    claim: withoutVolume(claim),
    volume: "none",
    note: `DATA IS LOST: ${why}; the claim gets a new, empty volume`,
  });
  if (live === undefined) {
    if (saved === undefined) return empty(`volume "${name}" is neither in the cluster nor in the backup`);
    const policy = textOf(objectOf(saved.spec).persistentVolumeReclaimPolicy);
    if (policy === "Retain")
      return { claim, volume: "create", note: `volume "${name}" was retained: its object is made again` };
    if (isNamed) return { claim, volume: "create", note: `volume "${name}" is made again, as asked for` };
    return empty(`volume "${name}" is gone, and its reclaim policy ${policy} deleted what was on it`);
  }
  const { namespace, name: own } = claim.metadata;
  const reference = objectOf(objectOf(live.spec).claimRef);
  const holder = textOf(reference.name) === "" ? undefined : `${textOf(reference.namespace)}/${textOf(reference.name)}`;
  if (live.metadata.deletionTimestamp !== undefined) return empty(`volume "${name}" is being deleted`);
  if (holder === undefined) return { claim, volume: "as-is", note: "" };
  if (holder !== `${namespace}/${own}`) return { blocked: `its volume "${name}" now belongs to claim "${holder}"` };
  if (textOf(reference.uid) === "") return { claim, volume: "as-is", note: "" };
  const freed: KubeObject = { ...live, spec: withFreeClaim(objectOf(live.spec)) };
  return { claim, volume: "free", freed, note: `it gets its volume "${name}" back, with all that is on it` };
}
