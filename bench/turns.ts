/**
 * Programs that do the same work, run in turns (A B A B), so that what else the machine does meets all of them: medians
 * and spread of each, CPU time first, because that is what a busy machine changes least.
 */
import { type Cost, measure } from "./measure.ts";

export interface Contender {
  readonly tool: string;
  readonly command: readonly string[];
}

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface Measured {
  readonly tool: string;
  /** Seconds; null where GNU time is missing. */
  readonly cpu: Spread | null;
  readonly wall: Spread;
  /** MiB, the most of all runs; null where GNU time is missing. */
  readonly peakMemory: number | null;
}

/** What each took, or what went wrong. */
export function inTurns(contenders: readonly Contender[], runs: number, before: () => void): (Measured | string)[] {
  const costs = contenders.map((): Cost[] => []);
  const faults = new Map<number, string>();
  for (let run = 0; run < runs; run++) {
    contenders.forEach(({ command }, i) => {
      if (faults.has(i)) return;
      const cost = measure(command, 1, before);
      if (typeof cost === "string") faults.set(i, cost);
      else costs[i]!.push(cost);
    });
  }
  return contenders.map(({ tool }, i) => faults.get(i) ?? summary(tool, costs[i]!));
}

function summary(tool: string, costs: readonly Cost[]): Measured {
  const isTimed = costs.every(({ cpuSeconds }) => !Number.isNaN(cpuSeconds));
  return {
    tool,
    cpu: isTimed ? spread(costs.map(({ cpuSeconds }) => cpuSeconds)) : null,
    wall: spread(costs.map(({ wallSeconds }) => wallSeconds)),
    peakMemory: isTimed ? Math.round(Math.max(...costs.map(({ peakMemory }) => peakMemory))) : null,
  };
}

/** Such as `2.89 (2.88-2.92)`: the median, the least and the most. */
export function spreadText({ median, least, most }: Spread): string {
  return `${median.toFixed(2)} (${least.toFixed(2)}-${most.toFixed(2)})`;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
  return { median: rounded(median), least: rounded(sorted[0]!), most: rounded(sorted.at(-1)!) };
}

function rounded(seconds: number): number {
  return Number(seconds.toFixed(3));
}
