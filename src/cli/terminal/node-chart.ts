/**
 * A picture of several nodes at the bottom of the terminal, one line a node, redrawn whenever something changes;
 * lines that stay go by above it. Where there is no terminal nothing moves: then only the lines are written.
 */
import type { Host } from "../host.ts";
import { oneLine } from "./escape.ts";
import { styled, type Text } from "./styled.ts";
import { padded, textWidth } from "./width.ts";

type ChartMark = "waiting" | "working" | "done" | "failed";

interface Row {
  /** Steps that are done, of how many. */
  done: number;
  mark: ChartMark;
  text: string;
}

const SIGNS: Readonly<Record<ChartMark, Text>> = {
  waiting: "·",
  working: styled("note", ">"),
  done: styled("good", "+"),
  failed: styled("error", "!"),
};

export class NodeChart {
  readonly #host: Host;
  readonly #steps: number;
  readonly #rows = new Map<string, Row>();
  #drawn = 0;

  constructor(host: Host, steps: number) {
    this.#host = host;
    this.#steps = steps;
  }

  /** Nodes in the order of their lines. */
  begin(nodes: readonly string[]): void {
    for (const node of nodes) if (!this.#rows.has(node)) this.#rows.set(node, { done: 0, mark: "waiting", text: "" });
    this.#draw();
  }

  set(node: string, change: Partial<Row>): void {
    const row = this.#rows.get(node) ?? { done: 0, mark: "waiting", text: "" };
    this.#rows.set(node, Object.assign(row, change));
    this.#draw();
  }

  /** A line that stays. */
  print(text: string): void {
    this.clear();
    void this.#host.stderr.write(`${oneLine(text)}\n`);
    this.#draw();
  }

  /** Takes the picture away. */
  clear(): void {
    if (this.#drawn > 0) void this.#host.stderr.moveLines([], this.#drawn);
    this.#drawn = 0;
  }

  #draw(): void {
    if (!this.#host.stderr.isTTY) return;
    const lines = chartLines(this.#rows, this.#steps);
    void this.#host.stderr.moveLines(lines, this.#drawn);
    this.#drawn = lines.length;
  }
}

/** Such as `  cp1  ====----  > starting etcd: waiting for cp2`. */
function chartLines(rows: ReadonlyMap<string, Readonly<Row>>, steps: number): Text[] {
  const width = Math.max(0, ...[...rows.keys()].map((node) => textWidth(node)));
  return [...rows].map(([node, { done, mark, text }]) => {
    const bar = steps === 0 ? "" : `${"=".repeat(Math.min(done, steps))}${"-".repeat(Math.max(0, steps - done))}  `;
    return [`  ${padded(oneLine(node), width, "end")}  ${bar}`, SIGNS[mark], ` ${oneLine(text)}`];
  });
}
