import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import { readJournal, readJournals, removeDrafts, removeUnbegun, writeJournal } from "./journal.ts";

const JOURNAL: NodeJournal = {
  id: "restore-1",
  state: "received",
  digest: "d",
  snapshot: null,
  manifests: null,
  made: [],
  dataDir: null,
  revision: null,
  bump: null,
  leads: false,
  service: null,
};

test("what a run that was killed while it wrote has left is in nobody's way", async () => {
  const root = mkdtempSync(join(tmpdir(), "journal-"));
  try {
    mkdirSync(join(root, JOURNAL.id));
    writeFileSync(join(root, JOURNAL.id, "journal.json.draft"), "{");
    await writeJournal(JOURNAL, root);
    expect(readJournal(JOURNAL.id, root)).toEqual(JOURNAL);
    expect(readdirSync(join(root, JOURNAL.id))).toEqual(["journal.json"]);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test("what came before there was a journal is removed, and nothing else", async () => {
  const root = mkdtempSync(join(tmpdir(), "journal-"));
  try {
    await writeJournal(JOURNAL, root);
    writeFileSync(join(root, JOURNAL.id, "snapshot.db"), "of one that has begun");
    for (const name of ["restore-2", "Another"]) mkdirSync(join(root, name));
    writeFileSync(join(root, "restore-2", "snapshot.db.part"), "every secret of the cluster");
    writeFileSync(join(root, "restore-2", "journal.json.draft"), "{");
    writeFileSync(join(root, "step.lock"), "");
    removeUnbegun(root);
    expect(readdirSync(root).sort()).toEqual(["Another", JOURNAL.id, "step.lock"]);
    expect(readdirSync(join(root, JOURNAL.id)).sort()).toEqual(["journal.json", "snapshot.db"]);
    expect(readJournals(root)).toEqual([JOURNAL]);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test("drafts of an operation are removed, and nothing that is whole", async () => {
  const root = mkdtempSync(join(tmpdir(), "journal-"));
  try {
    await writeJournal(JOURNAL, root);
    mkdirSync(join(root, JOURNAL.id, "manifests"));
    for (const name of ["etcd.yaml", "etcd.yaml.draft"]) writeFileSync(join(root, JOURNAL.id, "manifests", name), "");
    for (const name of ["snapshot.db.part", "journal.json.draft"]) writeFileSync(join(root, JOURNAL.id, name), "");
    removeDrafts(JOURNAL.id, root);
    expect(readdirSync(join(root, JOURNAL.id), { recursive: true }).sort()).toEqual([
      ...["journal.json", "manifests", "manifests/etcd.yaml"],
    ]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
