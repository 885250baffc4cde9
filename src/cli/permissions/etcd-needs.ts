/**
 * What commands that go to etcd itself need of an etcd whose authentication is on (`etcdctl auth enable`). Measured
 * against real servers: test/etcd-permissions.test.ts.
 */

/** `root`: the role root; `read`: a role that may read the cluster's keys; `none`: any user. */
export type EtcdNeed = "root" | "read" | "none";

/** By what the user types. */
export const ETCD_NEEDS: Readonly<Record<string, EtcdNeed>> = {
  "snapshot save": "root",
  "etcd health": "root",
  "etcd members": "none",
  "etcd member list": "none",
  "etcd member add": "root",
  "etcd member remove": "root",
  "etcd member update": "root",
  "etcd member promote": "root",
  "etcd move-leader": "none",
  "etcd compact": "none",
  "etcd defrag": "root",
  "etcd alarm list": "none",
  "etcd alarm disarm": "none",
  recover: "read",
  "backup now": "root",
  "backup run": "root",
};
