/** The figures of many seeds. */
import type { Outcome } from "./outcome.ts";

export interface LayerOutcome extends Omit<Outcome, "story"> {
  readonly layer: string;
}

interface LayerFigures {
  readonly layer: string;
  readonly seeds: number;
  readonly failed: readonly number[];
  readonly happened: string;
}

function figures(outcomes: readonly LayerOutcome[]): LayerFigures[] {
  const layers = [...new Set(outcomes.map(({ layer }) => layer))].sort();
  return layers.map((layer) => {
    // A seed that was played again counts once, as it came out last.
    const last = new Map(outcomes.filter((each) => each.layer === layer).map((each) => [each.seed, each]));
    const sums: Record<string, number> = {};
    for (const { counts } of last.values()) {
      for (const [what, number] of Object.entries(counts)) sums[what] = (sums[what] ?? 0) + number;
    }
    const happened = Object.entries(sums).map(([what, number]) => `${number.toLocaleString("en")} ${what}`);
    const failed = [...last.values()].filter(({ faults }) => faults.length > 0).map(({ seed }) => seed);
    return { layer, seeds: last.size, failed, happened: happened.join(", ") };
  });
}

export function summaryOf(outcomes: readonly LayerOutcome[]): string[] {
  return figures(outcomes).map(
    ({ layer, seeds, failed, happened }) => `${layer}: ${seeds - failed.length} of ${seeds} seeds passed; ${happened}`,
  );
}

/** @param recorded rows of an earlier recording, which stay for the layers that were not run */
export function figuresOf(
  outcomes: readonly LayerOutcome[],
  recorded: readonly (readonly [layer: string, cells: readonly (string | number)[]])[],
): string[] {
  const kept = recorded.filter(([name]) => !outcomes.some(({ layer }) => layer === name));
  return [
    "| layer | seeds | passed | failed | in all |",
    "| --- | ---: | ---: | --- | --- |",
    ...kept.map(([layer, cells]) => `| ${[layer, ...cells].join(" | ")} |`),
    ...figures(outcomes).map(
      ({ layer, seeds, failed, happened }) =>
        `| ${layer} | ${seeds} | ${seeds - failed.length} | ${failed.join(", ") || "none"} | ${happened} |`,
    ),
  ];
}
