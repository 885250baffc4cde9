import { expect, test } from "vitest";
import { withFlags } from "../cli/options/input-flags.ts";
import type { RestorePlan } from "./restore-plan.ts";
import { runbookOf } from "./runbook.ts";

const member = (number: number) => ({
  node: `cp${number}`,
  name: `cp${number}`,
  address: `10.0.0.1${number}`,
  peerUrl: `https://10.0.0.1${number}:2380`,
  clientUrls: [`https://10.0.0.1${number}:2379`],
  dataDir: "/var/lib/etcd",
});
const members = [member(1), member(2)];
const plan: RestorePlan = {
  id: "restore-1",
  digest: "d",
  backup: { path: "backup.db", size: 1, revision: 1000, keys: 300, sha256: "ab" },
  members,
  initialCluster: members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(","),
  token: "kubemend-restore-1",
  bumpRevision: 1_000_000_000,
  without: ["cp3"],
  files: {},
};

test("every node has its restore, with one cluster and one token; parts come in the order that keeps old members out", () => {
  const text = withFlags(runbookOf({ plan, file: "backup.db", sha256: "ab", export: undefined }));
  for (const { node, name, peerUrl } of members) {
    const [, block] = text.split(`On ${node} (`);
    expect(block).toContain(`--name ${name} \\\n  --initial-cluster ${plan.initialCluster} \\\n`);
    expect(block).toContain(`--initial-cluster-token ${plan.token} --initial-advertise-peer-urls ${peerUrl}`);
    expect(block).toContain("--bump-revision 1000000000 --mark-compacted");
  }
  const at = (part: string) => text.indexOf(part);
  expect(at("sudo mv /etc/kubernetes/manifests/etcd.yaml ")).toBeLessThan(at("snapshot restore"));
  expect(at("snapshot restore")).toBeLessThan(at("/etcd.yaml /etc/kubernetes/manifests/\n"));
  expect(at("etcd health --restored-from backup.db")).toBeLessThan(at("## 5. Start the rest"));
  expect(text).toContain("Left out: cp3.");
});

test("what the backup names is quoted for the shell, and a lost manifest comes from the backup", () => {
  const [first, second] = members as [(typeof members)[0], (typeof members)[0]];
  const odd = { ...plan, members: [{ ...first, dataDir: "/var/lib/my etcd", name: "cp1;reboot" }, second] };
  const text = withFlags(runbookOf({ plan: odd, file: "my backup.db", sha256: "ab", export: undefined }));
  expect(text).toContain("snapshot restore 'my backup.db' --replace --data-dir '/var/lib/my etcd' --name 'cp1;reboot'");
  expect(text).toContain("echo 'ab  my backup.db' | sha256sum -c");
  expect(text).toContain("kubemend recover --etcd-backup-file 'my backup.db' --recovery-dir recovered");
  expect(text).toContain("restart the kubelet on every node");
});

test("a moment of a repository is written to a file first", () => {
  const text = runbookOf({
    plan,
    file: "backup.db",
    sha256: undefined,
    export: "kubemend backup restore /r --to-revision 1",
  });
  expect(text.indexOf("kubemend backup restore /r")).toBeLessThan(text.indexOf("kubemend snapshot verify backup.db"));
  expect(text).not.toContain("sha256sum");
});

test("an etcd of its own hosts is stopped and started as their service, and reached as the API servers reach it", () => {
  const external = {
    controlPlane: ["m1", "m2"],
    cacert: "/etc/etcd/ca.pem",
    cert: "/etc/etcd/c.pem",
    key: "/etc/etcd/k.pem",
  };
  const text = withFlags(runbookOf({ plan, file: "backup.db", sha256: "ab", export: undefined, external }));
  const at = (part: string) => text.indexOf(part);
  expect(at("sudo mv /etc/kubernetes/manifests/kube-apiserver.yaml ")).toBeGreaterThan(0);
  expect(at("manifests/etcd.yaml")).toBe(-1);
  expect(at("sudo systemctl stop etcd")).toBeLessThan(at("snapshot restore"));
  expect(at("snapshot restore")).toBeLessThan(at("sudo systemctl start etcd"));
  expect(text).toContain("--cacert /etc/etcd/ca.pem --cert /etc/etcd/c.pem --key /etc/etcd/k.pem");
});
