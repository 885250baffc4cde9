import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import { readJournal } from "./journal.ts";
import { startEtcd } from "./start-etcd.ts";

const ETCD =
  "kind: Pod\nmetadata: {name: etcd, namespace: kube-system}\nspec: {containers: [{name: etcd, command: [etcd]}]}\n";

let root: string;
let from: string;
let journal: NodeJournal;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "start-etcd-"));
  from = join(root, "manifests");
  const kept = join(root, "kept");
  for (const directory of [from, kept]) mkdirSync(directory);
  for (const name of ["etcd", "kube-scheduler"])
    writeFileSync(join(kept, `${name}.yaml`), ETCD.replaceAll("etcd", name));
  journal = {
    id: "restore-1",
    state: "prepared",
    digest: "",
    snapshot: null,
    manifests: { from, kept, names: ["etcd.yaml", "kube-scheduler.yaml"], spare: [] },
    dataDir: null,
    made: [],
    revision: null,
    bump: null,
    leads: false,
    service: null,
  };
});
afterEach(() => rmSync(root, { recursive: true }));

function start(hasBegun: () => boolean): Promise<{ readonly said: string[]; readonly after: NodeJournal }> {
  const said: string[] = [];
  const options = { report: (text: string) => void said.push(text), hasBegun, patience: 1, pause: 1 };
  return startEtcd(journal, options, root).then((after) => ({ said, after }));
}

test("etcd's manifest alone is put back", async () => {
  const { said, after } = await start(() => true);
  expect([said, after.state, readJournal("restore-1", root).state]).toEqual([[], "etcd-started", "etcd-started"]);
  expect(readFileSync(join(from, "etcd.yaml"), "utf8")).toBe(ETCD);
  expect(existsSync(join(from, "kube-scheduler.yaml"))).toBe(false);
});

test("one that the kubelet has turned away is taken out and put back", async () => {
  const said: string[] = [];
  const report = (text: string): void => void said.push(text);
  // The kubelet lets it in when it comes for the second time.
  const options = { report, hasBegun: () => said.length > 0, patience: 1, pause: 1 };
  expect((await startEtcd(journal, options, root)).state).toBe("etcd-started");
  expect(said).toEqual(["the kubelet does not start etcd: its manifest is taken out and put back"]);
  expect(readFileSync(join(from, "etcd.yaml"), "utf8")).toBe(ETCD);
});

test("one that never begins is left to the proof, with its manifest in place", async () => {
  const { said, after } = await start(() => false);
  expect([said.length, after.state]).toEqual([2, "etcd-started"]);
  expect(existsSync(join(from, "etcd.yaml"))).toBe(true);
});
