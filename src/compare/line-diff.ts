/**
 * Which lines of a text changed, as `diff -u` shows it. Myers' greedy algorithm; texts that differ nearly everywhere
 * are shown as replaced.
 */

import { defined } from "../errors/defined.ts";
export interface Hunk {
  /** The first line of the hunk in each text, from 1. */
  readonly beforeStart: number;
  readonly afterStart: number;
  /** Each with " ", "-" or "+" in front. */
  readonly lines: readonly string[];
}

/** More edits than this in one text are not looked for: memory grows with their square. */
const MOST_EDITS = 2000;

type Line = readonly [sign: " " | "-" | "+", text: string];

/** Hunks with `context` lines around each change. */
export function diffLines(before: readonly string[], after: readonly string[], context = 3): Hunk[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let tail = 0;
  const shorter = Math.min(before.length, after.length);
  while (tail < shorter - start && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  const one = before.slice(start, before.length - tail);
  const two = after.slice(start, after.length - tail);
  const keep = (text: string): Line => [" ", text];
  const lines = [
    ...before.slice(0, start).map(keep),
    ...edits(one, two),
    ...before.slice(before.length - tail).map(keep),
  ];
  return toHunks(lines, context);
}

function edits(before: readonly string[], after: readonly string[]): Line[] {
  const [n, m] = [before.length, after.length];
  const most = Math.min(n + m, MOST_EDITS);
  const offset = most + 1;
  const frontier = new Int32Array(2 * most + 3);
  const trace: Int32Array[] = [];
  for (let d = 0; d <= most; d++) {
    trace.push(frontier.slice());
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && defined(frontier[offset + k - 1]) < defined(frontier[offset + k + 1]));
      let x = down ? defined(frontier[offset + k + 1]) : defined(frontier[offset + k - 1]) + 1;
      let y = x - k;
      while (x < n && y < m && before[x] === after[y]) {
        x++;
        y++;
      }
      frontier[offset + k] = x;
      if (x >= n && y >= m) return walkBack(before, after, trace, offset);
    }
  }
  const all = (sign: "-" | "+", lines: readonly string[]) => lines.map((text): Line => [sign, text]);
  return [...all("-", before), ...all("+", after)];
}

function walkBack(
  before: readonly string[],
  after: readonly string[],
  trace: readonly Int32Array[],
  offset: number,
): Line[] {
  const lines: Line[] = [];
  let [x, y] = [before.length, after.length];
  for (let d = trace.length - 1; d >= 0; d--) {
    const frontier = defined(trace[d]);
    const k = x - y;
    const down = k === -d || (k !== d && defined(frontier[offset + k - 1]) < defined(frontier[offset + k + 1]));
    const fromK = down ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : defined(frontier[offset + fromK]);
    const fromY = d === 0 ? 0 : fromX - fromK;
    while (x > fromX && y > fromY && x > 0 && y > 0) {
      if (before[x - 1] !== after[y - 1]) break;
      lines.push([" ", defined(before[--x])]);
      y--;
    }
    if (d === 0) break;
    if (down) lines.push(["+", defined(after[--y])]);
    else lines.push(["-", defined(before[--x])]);
  }
  return lines.reverse();
}

function toHunks(lines: readonly Line[], context: number): Hunk[] {
  const hunks: Hunk[] = [];
  let i = 0;
  let [beforeLine, afterLine] = [1, 1];
  const advance = (to: number) => {
    for (; i < to; i++) {
      if (defined(lines[i])[0] !== "+") beforeLine++;
      if (defined(lines[i])[0] !== "-") afterLine++;
    }
  };
  for (;;) {
    let change = i;
    while (change < lines.length && defined(lines[change])[0] === " ") change++;
    if (change === lines.length) return hunks;
    advance(Math.max(i, change - context));
    const start = i;
    const [beforeStart, afterStart] = [beforeLine, afterLine];
    let end = change;
    for (let quiet = 0; end < lines.length && quiet <= 2 * context; end++) {
      quiet = defined(lines[end])[0] === " " ? quiet + 1 : 0;
    }
    while (end > change && defined(lines[end - 1])[0] === " ") end--;
    end = Math.min(lines.length, end + context);
    hunks.push({ beforeStart, afterStart, lines: lines.slice(start, end).map(([sign, text]) => sign + text) });
    advance(end);
  }
}
