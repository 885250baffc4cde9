/**
 * One node of `cluster restore`, with a snapshot that was saved while things went wrong: its steps are killed at any
 * moment and asked for again, an etcd is started on what they restored, and all of it is taken back.
 */
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { checkKept, makeNode, restoreSteps, stateOf, UNDO_STEPS } from "../../power/node-jobs.ts";
import { startSteps } from "../../power/node-steps.ts";
import { checkRestored } from "./restored.ts";
import type { World } from "./world.ts";

const MEMBER = { name: "default", peerUrl: "http://localhost:2380", bumpRevision: 0 };
const MOST_KILLS = 3;

export async function restoreNode(world: World): Promise<void> {
  const snapshot = world.saved.at(-1);
  if (snapshot === undefined) return;
  // Not below /var/lib, which the node has for itself.
  const directory = mkdtempSync(join(tmpdir(), "kubemend-node-"));
  const [node, file, payload] = ["root", "steps", "payload"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(node);
  cpSync(snapshot.file, payload);
  makeNode(node);
  const before = stateOf(node);
  const run = async (steps: typeof UNDO_STEPS): Promise<boolean> => {
    writeFileSync(file, steps.map((step) => JSON.stringify(step)).join("\n"));
    for (let kills = world.chance.below(MOST_KILLS + 1); ; kills--) {
      const isLast = kills <= 0;
      const { code, stderr } = await take(node, file, payload, isLast ? undefined : world.chance.between(50, 1500));
      if (code === 0) return true;
      if (isLast) {
        world.wrong(`a step of a cluster's restore fails: ${stderr}`);
        return false;
      }
      world.counts["commands killed"]++;
      checkKept(node);
    }
  };
  try {
    if (!(await run(restoreSteps(readFileSync(payload), MEMBER)))) return;
    checkKept(node);
    // The undo needs what was restored.
    const copy = world.newPath("restored");
    cpSync(join(node, "var/lib/etcd"), copy, { recursive: true });
    await checkRestored(world, copy, MEMBER.name, snapshot.revision);
    if (!(await run(UNDO_STEPS))) return;
    if (JSON.stringify(stateOf(node)) !== JSON.stringify(before))
      world.wrong("an undo leaves another node than there was");
  } catch (error) {
    world.wrong(`a node of a cluster's restore: ${(error as Error).message}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function take(
  node: string,
  file: string,
  payload: string,
  killAfter: number | undefined,
): Promise<{ readonly code: number | null; readonly stderr: string }> {
  const child = startSteps(node, file, payload);
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = once(child, "close") as Promise<[number | null]>;
  if (killAfter !== undefined) {
    await Promise.race([ended, sleep(killAfter)]);
    child.kill("SIGKILL");
  }
  const [code] = await ended;
  return { code, stderr };
}
