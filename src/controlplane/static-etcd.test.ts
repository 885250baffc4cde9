import { expect, test } from "vitest";
import type { JsonObject } from "../kube/object.ts";
import { staticEtcdMembers, unclearEtcdMembers } from "./static-etcd.ts";

const VOLUMES = [
  { name: "data", hostPath: { path: "/var/lib/etcd" } },
  { name: "log", hostPath: { path: "/data/wal" } },
];
const MOUNTS = [
  { name: "data", mountPath: "/etcd" },
  { name: "log", mountPath: "/wal" },
];
const URL = "https://10.0.0.11:2380";

function plane(container: JsonObject): Parameters<typeof staticEtcdMembers>[0] {
  const spec = { volumes: VOLUMES, containers: [{ name: "etcd", volumeMounts: MOUNTS, ...container }] };
  const mirrorPod = { apiVersion: "v1", kind: "Pod", metadata: { name: "etcd-m1" }, spec };
  const pod = { name: "etcd", component: "etcd", mirrorPod };
  return { nodes: [{ name: "m1", pods: [pod] }] } as never;
}

const member = { node: "m1", name: "m1", peerUrl: URL, dataDir: "/var/lib/etcd", walDir: undefined };

test.each([
  ["flags", { command: ["etcd", "--name=m1", `--initial-advertise-peer-urls=${URL}`, "--data-dir=/etcd"] }, member],
  [
    "flags without an equals sign, in arguments",
    { command: ["etcd"], args: ["--name", "m1", "--initial-advertise-peer-urls", URL, "--data-dir", "/etcd/"] },
    member,
  ],
  [
    "flags in quotes, behind a shell",
    { command: ["sh", "-c", `exec etcd --name="m1" --initial-advertise-peer-urls='${URL}' --data-dir=/etcd/sub`] },
    { ...member, dataDir: "/var/lib/etcd/sub" },
  ],
  [
    "variables",
    {
      command: ["etcd", "--data-dir=/etcd"],
      env: [
        { name: "ETCD_NAME", value: "m1" },
        { name: "ETCD_INITIAL_ADVERTISE_PEER_URLS", value: URL },
      ],
    },
    member,
  ],
  [
    "a log in a directory of its own, which sorts before the data",
    {
      command: ["etcd", "--name=m1", `--initial-advertise-peer-urls=${URL}`, "--data-dir=/etcd", "--wal-dir=/wal/m1"],
    },
    { ...member, walDir: "/data/wal/m1" },
  ],
])("%s", (_, container, found) => {
  expect(staticEtcdMembers(plane(container))).toEqual([found]);
  expect(unclearEtcdMembers(plane(container))).toEqual([]);
});

test.each([
  ["no name", { command: ["etcd", `--initial-advertise-peer-urls=${URL}`, "--data-dir=/etcd"] }, ["name"]],
  [
    "a name that the kubelet completes",
    { command: ["etcd", "--name=$(NODE_NAME)", `--initial-advertise-peer-urls=${URL}`, "--data-dir=/etcd"] },
    ["name"],
  ],
  [
    "data within the container",
    { command: ["etcd", "--name=m1", `--initial-advertise-peer-urls=${URL}`, "--data-dir=/var/lib/etcd"] },
    ["data-dir"],
  ],
  [
    "a configuration file",
    { command: ["etcd", "--config-file=/etc/etcd.yaml"] },
    ["name", "initial-advertise-peer-urls", "data-dir"],
  ],
])("unclear: %s", (_, container, lacking) => {
  expect(staticEtcdMembers(plane(container))).toEqual([]);
  expect(unclearEtcdMembers(plane(container))).toEqual([{ node: "m1", lacking }]);
});
