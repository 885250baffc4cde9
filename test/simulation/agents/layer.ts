/** The real node agents of three control-plane nodes on virtual time: deterministic from the first event to the last. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Outcome } from "../outcome.ts";

export async function* runAgentSeeds(from: number, count: number): AsyncGenerator<Outcome> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "worker.ts"), String(from), String(count)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line) as Outcome;
  const [code] = (await exited) as [number | null];
  if (code !== 0) throw new Error(`the simulation ended with ${code}`);
}
