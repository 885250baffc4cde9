import { expect, test } from "vitest";
import { hostPathOf, mountsBelow, parseMountTable } from "./mount-table.ts";

const HOST = parseMountTable(`22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw shared:5 - proc proc rw
30 22 8:17 / /data rw shared:9 - xfs /dev/sdb1 rw
41 22 0:50 / /var/lib/kubelet/pods/u1/volumes/kubernetes.io~secret/token rw - tmpfs tmpfs rw
42 41 0:51 / /var/lib/kubelet/pods/u1/volumes/kubernetes.io~secret/token/deeper rw - tmpfs tmpfs rw
43 22 0:52 / /var/lib/kubelet/pods/u1/volumes/x\\040y rw - nfs4 server:/a rw
44 22 0:53 / /var/lib/kubelet/pods/u1/volumes/x\\040y rw - tmpfs tmpfs rw
45 22 0:54 / /var/lib/kubelet/pods-of-another rw - tmpfs tmpfs rw
46 22 8:1 /var/lib/kubelet /var/lib/kubelet rw shared:3 - ext4 /dev/sda1 rw
not a line
`);

test("mounts below a directory, deepest and newest first", () => {
  const below = mountsBelow(HOST, "/var/lib/kubelet/pods");
  expect(below.map(({ point, type }) => `${type} ${point.slice("/var/lib/kubelet/pods/u1/volumes/".length)}`)).toEqual([
    "tmpfs kubernetes.io~secret/token/deeper",
    "tmpfs kubernetes.io~secret/token",
    "tmpfs x y",
    "nfs4 x y",
  ]);
  expect(mountsBelow(HOST, "/var/lib/kubelet/pods/u1/volumes/x y")).toEqual([]);
  expect(mountsBelow(HOST, "/").length).toBe(HOST.length - 1);
});

test("a container's path on the host", () => {
  const container = parseMountTable(`900 800 0:99 / / rw - overlay overlay rw
901 900 8:1 /var/etcd /var/etcd rw - ext4 /dev/sda1 rw
902 900 8:17 /etcd/wal /wal rw - xfs /dev/sdb1 rw
903 900 0:77 / /scratch rw - tmpfs tmpfs rw`);
  expect(hostPathOf("/var/etcd/data", container, HOST)).toBe("/var/etcd/data");
  expect(hostPathOf("/var/etcd", container, HOST)).toBe("/var/etcd");
  expect(hostPathOf("/wal", container, HOST)).toBe("/data/etcd/wal");
  expect(hostPathOf("/wal/0", container, HOST)).toBe("/data/etcd/wal/0");
  expect(hostPathOf("/scratch/x", container, HOST)).toBeUndefined();
  expect(hostPathOf("/inside", container, HOST)).toBeUndefined();
  expect(hostPathOf("/var/lib/etcd", HOST, HOST)).toBe("/var/lib/etcd");
});
