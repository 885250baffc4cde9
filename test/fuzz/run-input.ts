/** Runs one input through a reader, and judges how it ends. */
import { inspect } from "node:util";
import { errorJson, errorText } from "../../src/cli/error-text.ts";
import { MendError } from "../../src/errors/errors.ts";
import { damagedInput } from "./damage-input.ts";
import type { FuzzTarget } from "./target.ts";

/** CPU seconds that no input may take: the readers are given little, and the machine's other work does not count. */
const MOST_SECONDS = 5;

export interface Verdict {
  /** What is wrong, where something is. */
  readonly broken?: string;
  /** Whether the input was refused. */
  readonly refused: boolean;
}

export async function runInput(target: FuzzTarget, bytes: Uint8Array): Promise<Verdict> {
  const before = process.cpuUsage();
  let shown: string;
  let refused = false;
  try {
    const result = await target.run(bytes);
    shown = typeof result === "string" ? result : "";
  } catch (error) {
    refused = true;
    if (!isAnswer(target, error)) return { refused, broken: inspect(error) };
    shown = error instanceof MendError ? errorText(error) + errorJson(error) + inspect(error) : String(error);
  }
  const { user, system } = process.cpuUsage(before);
  if ((user + system) / 1e6 > MOST_SECONDS) return { refused, broken: `it took ${(user + system) / 1e6} s of CPU` };
  const found = target.secrets?.find((secret) => shown.includes(secret));
  if (found !== undefined) return { refused, broken: `it shows the secret ${found}:\n${shown}` };
  return { refused };
}

function isAnswer({ faults = [] }: FuzzTarget, error: unknown): boolean {
  if (error instanceof MendError) return error.code !== "internal";
  return faults.some((fault) => error instanceof fault);
}

export interface Failure {
  readonly target: string;
  readonly seed: number;
  readonly input: Uint8Array;
  readonly broken: string;
}

/** The inputs of seeds `from` to `from + count - 1`. Ends at the first that breaks something. */
export async function runSeeds(
  target: FuzzTarget,
  corpus: readonly Uint8Array[],
  from: number,
  count: number,
): Promise<{ readonly refused: number; readonly failure?: Failure }> {
  let refused = 0;
  for (let seed = from; seed < from + count; seed++) {
    const input = damagedInput(corpus, seed, target);
    const verdict = await runInput(target, input);
    if (verdict.refused) refused++;
    if (verdict.broken !== undefined)
      return { refused, failure: { target: target.name, seed, input, broken: verdict.broken } };
  }
  return { refused };
}
