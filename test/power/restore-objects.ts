/**
 * `objects restore`, and `objects undo`, against a stand-in API server whose objects are files: `api/NAME`, flushed
 * before it answers, as etcd does. Run as a program, so that it can be recorded.
 */
import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubeObject } from "../../src/kube/object.ts";
import { kubemend } from "../kubemend.ts";
import { startRestorable } from "../restorable-cluster.ts";

/** What the cluster has of what was restored. */
export function restoredNames(directory: string): string[] {
  return readdirSync(join(directory, "api"))
    .filter((name) => !name.startsWith("."))
    .sort();
}

function flush(path: string, flags: string, text = ""): void {
  const descriptor = openSync(path, flags);
  if (text !== "") writeSync(descriptor, text);
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/** Runs a command against the cluster. Throws what it printed where it did not end with 0. */
export async function runOnCluster(directory: string, words: readonly string[]): Promise<void> {
  const api = join(directory, "api");
  const own = mkdtempSync(join(tmpdir(), "kubemend-power-api-"));
  const objects = restoredNames(directory).map(
    (name) => JSON.parse(readFileSync(join(api, name), "utf8")) as KubeObject,
  );
  const server = await startRestorable(own, ["kube-system", "default"], objects, (what, name, object) => {
    if (what === "deleted") rmSync(join(api, name), { force: true });
    else {
      const staged = join(api, `.${name}`);
      rmSync(staged, { force: true });
      flush(staged, "wx", JSON.stringify(object));
      renameSync(staged, join(api, name));
    }
    flush(api, "r");
  });
  try {
    const { code, stderr, stdout } = await kubemend(directory, words, { KUBECONFIG: server.kubeconfig });
    if (code !== 0) throw new Error(`${words.join(" ")}: exit code ${code}\n${stdout}${stderr}`);
  } finally {
    server.close();
    rmSync(own, { recursive: true });
  }
}

export const restoreWords = (directory: string, backup: string, undo = "undo"): readonly string[] => [
  ...["objects", "restore", backup, "configmaps", "-n", "default", "--yes"],
  ...["--undo-file", join(directory, undo)],
];

export const undoWords = (directory: string): readonly string[] => [
  "objects",
  "undo",
  join(directory, "undo"),
  "--yes",
];

if (process.argv[1] === import.meta.filename) {
  const [what, directory = "", backup = ""] = process.argv.slice(2);
  await runOnCluster(directory, what === "undo" ? undoWords(directory) : restoreWords(directory, backup));
  process.stdout.write("done\n");
}
