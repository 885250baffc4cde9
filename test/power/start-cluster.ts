/**
 * `start` in a directory that holds the kubelet's manifests and the secrets of the temporary control plane; the cluster
 * is a stand-in. Run as a program, so that it can be recorded.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startControlPlane } from "../../src/operations/start/start.ts";
import { StartWorld } from "../start-world.ts";

export const START_FOLDERS = ["manifests", "kubernetes"] as const;

export async function startCluster(directory: string): Promise<void> {
  // What the world itself writes is elsewhere.
  const own = mkdtempSync(join(tmpdir(), "kubemend-power-start-"));
  for (const name of START_FOLDERS) {
    mkdirSync(join(directory, name), { recursive: true });
    symlinkSync(join(directory, name), join(own, name));
  }
  const world = await StartWorld.open(own);
  try {
    await startControlPlane(world.options());
  } finally {
    world.close();
    rmSync(own, { recursive: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  await startCluster(process.argv[2]!);
  process.stdout.write("started\n");
}
