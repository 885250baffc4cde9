/** What `bench/scale.ts --json` records, and its table on docs/performance.md. */
import { aligned } from "./aligned.ts";

export interface ScaleRow {
  /** What the file holds. */
  readonly snapshot: string;
  readonly bytes: number;
  readonly command: string;
  /** Seconds. */
  readonly wall: number;
  readonly cpu: number;
  /** MiB. */
  readonly peakMemory: number;
}

export interface ScaleResults {
  /** The day of the run, such as `2026-11-29`. */
  readonly day: string;
  readonly processor: string;
  readonly cores: number;
  readonly node: string;
  /** Processes that were running or waiting to, over a minute: the least and the most of all runs. */
  readonly load: readonly [least: number, most: number];
  readonly rows: readonly ScaleRow[];
}

/** The table as Markdown. */
export function scaleTable({ day, processor, cores, node, load, rows }: ScaleResults): string {
  const cells = rows.map(({ snapshot, bytes, command, wall, cpu, peakMemory }) => [
    `${(bytes / 1e9).toFixed(1)} GB: ${snapshot}`,
    command,
    cpu.toFixed(1),
    wall.toFixed(1),
    ((cpu * 1e9) / bytes).toFixed(1),
    peakMemory.toFixed(0),
  ]);
  const head = ["snapshot", "command", "CPU s", "wall s", "CPU s a GB", "peak MiB"];
  return `${processor}, ${cores} cores, Node ${node}, ${day},
load ${load[0].toFixed(1)} to ${load[1].toFixed(1)}, one run each:\n\n${aligned([head, ...cells], 2)}`;
}
