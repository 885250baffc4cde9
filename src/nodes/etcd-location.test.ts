import { expect, test } from "vitest";
import type { JsonObject } from "../kube/object.ts";
import { etcdDirectories, etcdDirectoriesOfPod } from "./etcd-location.ts";

test("of a command", () => {
  expect(etcdDirectories(["/usr/bin/etcd", "--data-dir", "/d", "--wal-dir=/w"], {})).toEqual({
    dataDir: "/d",
    walDir: "/w",
  });
  expect(etcdDirectories(["etcd", "-data-dir=/d"], { ETCD_DATA_DIR: "/other" })?.dataDir).toBe("/d");
  expect(etcdDirectories(["etcd"], { ETCD_DATA_DIR: "/env" })?.dataDir).toBe("/env");
  expect(etcdDirectories(["/bin/sh", "-ec", 'exec /usr/local/bin/etcd --name=x --data-dir="/a b"'], {})?.dataDir).toBe(
    "/a",
  );
  expect(etcdDirectories(["kube-apiserver", "--etcd-servers=x", "--data-dir=/no"], {})).toBeUndefined();
  expect(etcdDirectories(["etcdctl", "--data-dir=/no"], {})).toBeUndefined();
});

const pod = (container: JsonObject, volumes: JsonObject[]): JsonObject => ({
  kind: "Pod",
  spec: { containers: [container], volumes },
});

test("of a static pod as kubeadm makes it", () => {
  const manifest = pod(
    {
      command: ["etcd", "--data-dir=/var/lib/etcd", "--name=a"],
      volumeMounts: [
        { mountPath: "/var/lib/etcd", name: "data" },
        { mountPath: "/etc/kubernetes/pki/etcd", name: "certs" },
      ],
    },
    [
      { name: "data", hostPath: { path: "/srv/etcd/", type: "DirectoryOrCreate" } },
      { name: "certs", hostPath: { path: "/etc/kubernetes/pki/etcd" } },
    ],
  );
  expect(etcdDirectoriesOfPod(manifest)).toEqual(["/srv/etcd"]);
});

test("of a directory below a mount, with a subPath, and of what is no host directory", () => {
  const container = {
    command: ["/usr/local/bin/etcd"],
    args: ["--data-dir=/var/etcd/data", "--wal-dir=/wal"],
    volumeMounts: [
      { mountPath: "/var/etcd", name: "data", subPath: "etcd" },
      { mountPath: "/wal", name: "wal" },
    ],
  };
  const volumes = [
    { name: "data", hostPath: { path: "/disk" } },
    { name: "wal", emptyDir: {} },
  ];
  expect(etcdDirectoriesOfPod(pod(container, volumes))).toEqual(["/disk/etcd/data"]);
  expect(etcdDirectoriesOfPod(pod({ command: ["kube-apiserver"] }, []))).toEqual([]);
  expect(etcdDirectoriesOfPod(null)).toEqual([]);
});
