/**
 * Ctrl-C while a command is busy without waiting for anything: signals are heard between two turns of the event loop
 * only, so a loop that takes long has to end its turn. The clock is one that says that each round took long.
 */
import { existsSync, mkdtempSync, openSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type FileSystem, realFileSystem } from "../src/io/files/durable/file-system.ts";
import { listChanges } from "../src/operations/objects/changes.ts";
import { editSnapshot } from "../src/operations/snapshot/edit.ts";
import { exportTree } from "../src/operations/snapshot/export.ts";
import { restoreSnapshot } from "../src/operations/snapshot/restore.ts";
import { clusterEntries, madeSnapshot } from "./made-snapshot.ts";

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "interrupted-"));
  file = join(directory, "snapshot.db");
  const maps = Array.from({ length: 300 }, (_, i) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "default", name: `map-${i}` },
  }));
  writeFileSync(file, madeSnapshot(clusterEntries(maps)));
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => (now += 100));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true });
});

const member = {
  name: "m",
  initialCluster: "m=http://127.0.0.1:2380",
  initialClusterToken: "t",
  initialAdvertisePeerUrls: "http://127.0.0.1:2380",
};

/** Runs it with a signal that is aborted by the event loop, once `begin` was called. */
async function interrupted(run: (signal: AbortSignal, begin: () => void) => Promise<unknown>): Promise<void> {
  const interruption = new AbortController();
  const begin = (): void => void setImmediate(() => interruption.abort(new Error("interrupted")));
  await expect(run(interruption.signal, begin)).rejects.toThrow("interrupted");
}

test("snapshot export, into a directory", async () => {
  await interrupted((signal, begin) =>
    exportTree(file, join(directory, "out"), {
      types: [],
      signal,
      progress: ({ step }) => void (step === "exporting" && begin()),
    }),
  );
  expect(readdirSync(directory)).toEqual(["snapshot.db"]);
});

test.each(["at a revision", "compacted"])("snapshot restore that writes the database again: %s", async (what) => {
  const dataDir = join(directory, "data");
  let reads = 0;
  await interrupted((signal, begin) => {
    const rest = what === "compacted" ? { compact: true } : { atRevision: 5 };
    // The rewriting begins after the old content was dropped.
    const fileSystem = {
      ...realFileSystem,
      copy: async (...args: Parameters<typeof realFileSystem.copy>) => {
        const copied = await realFileSystem.copy(...args);
        return {
          ...copied,
          truncate: (size: number) => {
            reads++;
            copied.truncate(size);
            begin();
          },
        };
      },
    };
    return restoreSnapshot(file, { ...member, ...rest, dataDir, signal, fileSystem });
  });
  expect(reads).toBe(1);
  expect(existsSync(dataDir)).toBe(false);
});

test("objects changes", async () => {
  const selection = { requests: [], namespace: undefined, selector: [] };
  await interrupted((signal, begin) => listChanges(file, { selection, all: true, signal }, begin));
});

test("snapshot edit", async () => {
  await interrupted((signal, begin) => {
    const fileSystem: FileSystem = {
      ...realFileSystem,
      create(path, mode) {
        begin();
        return realFileSystem.create(path, mode);
      },
    };
    const request = { remove: ["configmaps/map-1"], set: [], from: [], namespace: "default", selector: "" };
    return editSnapshot(file, join(directory, "out.db"), {
      request,
      isDryRun: false,
      signal,
      fileSystem,
      now: Date.now,
    });
  });
  expect(readdirSync(directory)).toEqual(["snapshot.db"]);
});

test.each([
  ["whole", (path: string) => writeFileSync(path, Buffer.alloc(8 << 20, 1))],
  [
    "sparse",
    (path: string) => {
      writeFileSync(path, Buffer.alloc(2 << 20, 1));
      truncateSync(path, 64 << 20);
    },
  ],
])("a copy of a file that is %s", async (_, make) => {
  const from = join(directory, "from");
  make(from);
  const source = openSync(from, "r");
  await interrupted((signal, begin) => {
    begin();
    return realFileSystem.copy(source, join(directory, "to"), 0o600, signal);
  });
});
