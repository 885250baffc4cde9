/** A node's lost files, placed and made; and taken back. On the files of a real node of kubeadm's. */
import { createPublicKey, X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type KubeadmNode, writeNode } from "../../../../test/kubeadm-nodes.ts";
import { generateKey, issueCertificate, issueSelfSigned } from "../../../certificates/issue.ts";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import { readJournal, writeJournal } from "./journal.ts";
import { prepareNode, takeFilesBack } from "./prepare-node.ts";

const made: string[] = [];
afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true });
});

const VALID = { notBefore: new Date(Date.UTC(2026, 0)), notAfter: new Date(Date.UTC(2036, 0)) };
const ID = "restore-20261129-104217-3f9c2a";
const identity = {
  node: "m2",
  address: "10.77.0.12",
  serviceAddress: "10.96.0.1",
  domain: "cluster.local",
  minor: 36,
  port: 6443,
  endpoint: "https://10.77.0.11:6443",
  otherNames: ["10.77.0.11"],
};

async function lost(): Promise<{ readonly node: KubeadmNode; readonly root: string; readonly journal: NodeJournal }> {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-prepare-"));
  made.push(directory);
  const node = writeNode("m2", directory);
  rmSync(join(node.kubernetesDir, "manifests"), { recursive: true }); // as `stop` leaves it
  const root = join(directory, "operations");
  const empty = {
    manifests: null,
    dataDir: null,
    made: [],
    revision: 1,
    snapshot: null,
    bump: 1,
    leads: false,
    service: null,
  };
  const journal = await writeJournal({ ...empty, id: ID, digest: "d", state: "restored" }, root);
  return { node, root, journal };
}

/** Paths and contents. */
function contents(directory: string): Map<string, string> {
  const all = readdirSync(directory, { recursive: true }).map(String).sort();
  const names = all.filter((name) => !/\.undone-|\.until-/.test(name));
  const files = names.filter((name) => statSync(join(directory, name), { throwIfNoEntry: false })?.isFile() === true);
  return new Map(files.map((name) => [name, readFileSync(join(directory, name), "latin1")]));
}

const edges = (node: KubeadmNode, root: string) => ({
  signal: new AbortController().signal,
  report: () => {},
  now: Date.UTC(2026, 10, 29),
  kubernetesDir: node.kubernetesDir,
  kubeletDir: node.kubeletDir,
  root,
});

test("what is missing is placed and made, and undo leaves what was there before", async () => {
  const { node, root, journal } = await lost();
  const at = (path: string) => join(node.kubernetesDir, path);
  const key = readFileSync(at("pki/etcd/ca.key")).toString("base64");
  for (const path of [
    "pki/etcd/ca.key",
    "pki/etcd/peer.crt",
    "pki/etcd/peer.key",
    "pki/apiserver.crt",
    "admin.conf",
    "kubelet.conf",
  ])
    rmSync(at(path));
  const before = contents(node.kubernetesDir);
  const files = [{ path: at("pki/etcd/ca.key"), content: key, mode: 0o600, uid: 0, gid: 0 }];

  const prepared = await prepareNode(journal, { id: ID, files, identity, issue: true }, edges(node, root));
  expect(prepared.state).toBe("prepared");
  const peer = new X509Certificate(readFileSync(at("pki/etcd/peer.crt")));
  expect(peer.checkIssued(new X509Certificate(readFileSync(at("pki/etcd/ca.crt"))))).toBe(true);
  expect(peer.subjectAltName).toContain("IP Address:10.77.0.12");
  expect(new X509Certificate(readFileSync(at("pki/apiserver.crt"))).subjectAltName).toContain("IP Address:10.96.0.1");
  expect(readFileSync(at("admin.conf"), "utf8")).toContain("server: https://10.77.0.11:6443");
  expect(statSync(at("pki/etcd/ca.key")).mode & 0o777).toBe(0o600);

  const again = await prepareNode(readJournal(ID, root), { id: ID, files, identity, issue: true }, edges(node, root));
  expect(again.made).toEqual(prepared.made);

  writeFileSync(at(".admin.conf.kubemend"), "half"); // of a run that was killed while it wrote
  await takeFilesBack(again, () => {});
  expect(existsSync(at(".admin.conf.kubemend"))).toBe(false);
  expect(contents(node.kubernetesDir)).toEqual(before);
  await takeFilesBack(again, () => {}); // for a run that was cut off
  expect(contents(node.kubernetesDir)).toEqual(before);
  expect(existsSync(`${at("admin.conf")}.undone-${ID}`)).toBe(true);
});

test("certificates that are over are renewed with the names they had, and come back as they were", async () => {
  const { node, root, journal } = await lost();
  const before = contents(node.kubernetesDir);
  const file = join(node.kubernetesDir, "pki/apiserver.crt");
  const names = new X509Certificate(readFileSync(file)).subjectAltName;
  const later = { ...edges(node, root), now: Date.UTC(2029, 0, 1) };
  const prepared = await prepareNode(journal, { id: ID, files: [], identity, issue: true }, later);
  const renewed = new X509Certificate(readFileSync(file));
  expect(renewed.validToDate.getTime()).toBeGreaterThan(later.now);
  expect(renewed.subjectAltName).toBe(names);
  await takeFilesBack(prepared, () => {});
  const left = contents(node.kubernetesDir);
  for (const [path, content] of before) expect(left.get(path), path).toBe(content);
});

test("a certificate of another authority is somebody's choice, and stays", async () => {
  const { node, root, journal } = await lost();
  const foreign = await generateKey("ecdsa-p256");
  const authority = await issueSelfSigned({ commonName: "company", use: "authority", ...VALID }, foreign);
  const signer = { certificatePem: authority, privateKey: foreign.privateKey };
  const key = createPublicKey(readFileSync(join(node.kubernetesDir, "pki/apiserver.key")));
  const served = await issueCertificate({ commonName: "api.example.com", use: "server", ...VALID }, key, signer);
  const file = join(node.kubernetesDir, "pki/apiserver.crt");
  writeFileSync(file, served);
  rmSync(join(node.kubernetesDir, "admin.conf"));
  await prepareNode(journal, { id: ID, files: [], identity, issue: true }, edges(node, root));
  expect(readFileSync(file, "utf8")).toBe(served);
  expect(existsSync(join(node.kubernetesDir, "admin.conf"))).toBe(true);
});

test("a file that somebody changed since stays, and is reported", async () => {
  const { node, root, journal } = await lost();
  const path = join(node.kubernetesDir, "audit.yaml");
  const files = [{ path, content: Buffer.from("a: 1\n").toString("base64"), mode: 0o600, uid: 0, gid: 0 }];
  const prepared = await prepareNode(journal, { id: ID, files, identity, issue: false }, edges(node, root));
  expect(existsSync(path)).toBe(true);
  writeFileSync(path, "a: 2\n");
  const reported: string[] = [];
  await takeFilesBack(prepared, (text) => reported.push(text));
  expect(reported).toEqual([`${path} has changed since, and stays`]);
  expect(readFileSync(path, "utf8")).toBe("a: 2\n");
});
