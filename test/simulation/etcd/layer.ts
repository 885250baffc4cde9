/** Real members of etcd, real faults, and the real commands, in the network of a bed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createBed } from "../../../testbed/bed.ts";
import { whyNoBed } from "../../../testbed/requirements.ts";
import type { Outcome } from "../outcome.ts";
import type { SeedResult } from "./run-seed.ts";

export async function* runEtcdSeeds(from: number, count: number): AsyncGenerator<Outcome> {
  const why = whyNoBed();
  if (why !== undefined) throw new Error(why);
  using bed = createBed();
  const worker = join(import.meta.dirname, "worker.ts");
  const child = spawn(
    "nsenter",
    [`--net=/run/netns/${bed.namespace()}`, "--", process.execPath, worker, bed.id, String(from), String(count)],
    { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, KUBEMEND_TESTBED_ID: bed.id } },
  );
  const exited = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) {
    const { seed, seconds, faults, story, suite, ending, counts } = JSON.parse(line) as SeedResult;
    yield { seed, seconds, faults, story, title: `etcd of ${suite}, ${ending}`, counts };
  }
  const [code] = (await exited) as [number | null];
  if (code !== 0) throw new Error(`the simulation ended with ${code}`);
}
