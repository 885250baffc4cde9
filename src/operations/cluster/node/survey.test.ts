import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { generateKey, issueSelfSigned } from "../../../certificates/issue.ts";
import { listCertificates } from "../../certificate/list-certificates.ts";
import { restoreSnapshot } from "../../snapshot/restore.ts";
import { isKubeletCertificateLost, revisionsBeside } from "./survey.ts";

const SNAPSHOT = join(import.meta.dirname, "../../../../test/fixtures/kubeadm-ha-k136/snapshot.db.gz");

test("a kubelet.conf whose certificate was on a disk that is lost counts as missing; where it is there, it does not", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-survey-"));
  const [kubernetesDir, kubeletDir] = [join(directory, "kubernetes"), join(directory, "kubelet")];
  const key = await generateKey("ecdsa-p256");
  const [notBefore, notAfter] = [-1, 1].map((days) => new Date(Date.now() + days * 86_400_000)) as [Date, Date];
  const certificate = await issueSelfSigned({ commonName: "m1", use: "client", notBefore, notAfter }, key);
  const place = (user: object): void => {
    const config = { kind: "Config", users: [{ name: "system:node:m1", user }] };
    writeFileSync(join(kubernetesDir, "kubelet.conf"), JSON.stringify(config));
  };
  const isLost = () => isKubeletCertificateLost(listCertificates({ kubernetesDir, kubeletDir }, Date.now()));
  try {
    mkdirSync(join(kubernetesDir, "manifests"), { recursive: true });
    place({ "client-certificate": join(kubeletDir, "pki/kubelet-client-current.pem") });
    expect(isLost()).toBe(true);
    mkdirSync(join(kubeletDir, "pki"), { recursive: true });
    writeFileSync(join(kubeletDir, "pki/kubelet-client-current.pem"), `${certificate}${key.privateKeyPem}`);
    expect(isLost()).toBe(false);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("data that was taken back, or moved aside on its own disk, says how far clients have seen", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-beside-"));
  try {
    const dataDir = join(directory, "etcd");
    mkdirSync(join(dataDir, "lost+found"), { recursive: true });
    mkdirSync(join(directory, "etcd.notes"));
    expect(revisionsBeside(dataDir)).toEqual([]);
    const member = {
      name: "m1",
      initialCluster: "m1=http://10.0.0.1:2380",
      initialAdvertisePeerUrls: "http://10.0.0.1:2380",
    };
    const of = (place: string, bumpRevision: number) =>
      restoreSnapshot(SNAPSHOT, { ...member, dataDir: place, bumpRevision, initialClusterToken: "t" });
    const { revision } = await of(join(directory, "etcd.undone-restore-1"), 1000);
    await of(join(dataDir, "before-restore-2"), 3000);
    mkdirSync(join(directory, "etcd.before-restore/member/snap"), { recursive: true }); // damaged
    expect(revisionsBeside(dataDir).sort()).toEqual([revision, revision + 2000]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
