/**
 * How old a source is, by its own content. etcd keeps no times, but Kubernetes objects do: leases are renewed every few seconds, so the
 * latest renewal tells within a minute when a backup was taken, whatever the file's own date says.
 */

import { objectOf, objectsOf, textOf } from "./fields.ts";
import { readLease } from "./lease.ts";
import type { KubeObject } from "./object.ts";

/** A moment and what it was read from. */
export interface LastSign {
  /** RFC 3339. */
  readonly time: string;
  /** Such as `lease kube-node-lease/node1 renewed`. */
  readonly source: string;
}

/** The later of two signs; `found` may hold several moments, of which the latest counts. */
export function laterSign(last: LastSign | undefined, found: LastSign | undefined): LastSign | undefined {
  if (found === undefined) return last;
  return last === undefined || Date.parse(found.time) > Date.parse(last.time) ? found : last;
}

/** The latest moment that an object speaks of, or undefined when it speaks of none. */
export function lastSignOf(object: KubeObject): LastSign | undefined {
  const { kind, metadata } = object;
  const name = metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
  const label = `${kind.toLowerCase()} ${name}`;
  let last = signAt(textOf(metadata.creationTimestamp), `${label} created`);
  if (kind === "Node") {
    for (const condition of objectsOf(objectOf(object.status).conditions)) {
      last = laterSign(last, signAt(textOf(condition.lastHeartbeatTime), `${label} reported`));
    }
  }
  const renewed = kind === "Lease" ? "renewed" : "renewed by its leader";
  return laterSign(last, signAt(readLease(object)?.renewTime ?? "", `${label} ${renewed}`));
}

function signAt(time: string, source: string): LastSign | undefined {
  return Number.isNaN(Date.parse(time)) ? undefined : { time, source };
}
