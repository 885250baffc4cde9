import { expect, test } from "vitest";
import { unplannedMember } from "./unplanned-member.ts";

type Plane = Parameters<typeof unplannedMember>[0];

/** Nodes with the words of their etcds, one for each pod. */
function plane(nodes: Readonly<Record<string, readonly string[]>>): Plane {
  const pod = (words: string) => ({
    name: "etcd",
    component: "etcd",
    mirrorPod: {
      spec: {
        volumes: [{ name: "host", hostPath: { path: "/srv" } }],
        containers: [{ name: "etcd", command: words.split(" "), volumeMounts: [{ name: "host", mountPath: "/srv" }] }],
      },
    },
  });
  return { nodes: Object.entries(nodes).map(([name, pods]) => ({ name, pods: pods.map(pod) })) } as never;
}

const etcd = (name: string, more = ""): string =>
  `etcd --name=${name} --initial-advertise-peer-urls=https://${name}:2380 --data-dir=/srv/etcd${more}`;

test("members that say everything", () => {
  expect(unplannedMember(plane({ m1: [etcd("m1")], m2: [etcd("m2")] }), [])).toBeUndefined();
});

test.each([
  [
    "one of three says too little, so that two would be restored",
    { m1: [etcd("m1")], m2: ["etcd --config-file=/srv/etcd.yaml"], m3: [etcd("m3")] },
    'the manifest of etcd on node "m2" does not say its name, initial-advertise-peer-urls, data-dir',
  ],
  ["two on one node", { m1: [etcd("main"), etcd("events")] }, 'node "m1" runs more than one etcd as a static pod'],
  [
    "a log on a disk of its own",
    { m1: [etcd("m1", " --wal-dir=/srv/wal")] },
    'node "m1": etcd keeps its log apart from its data, in /srv/wal (--wal-dir), which this command does not restore: ' +
      "see the option for it of kubemend snapshot restore and etcd salvage, for one node at a time",
  ],
])("%s", (_, nodes, text) => expect(unplannedMember(plane(nodes), [])).toBe(text));

test("of a node that is left out, nothing has to be known", () => {
  expect(unplannedMember(plane({ m1: [etcd("m1")], m2: ["etcd"] }), ["m2"])).toBeUndefined();
});
