/**
 * Kubectl's tables taken apart, and what Kubernetes has changed in them since 1.20, whose API server's answers are
 * recorded in the fixtures.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

export const FIXTURES: string = join(import.meta.dirname, "fixtures");

export interface Recorded {
  readonly args: readonly string[];
  readonly now: number;
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function readRecorded(fixture: string, file: string): readonly Recorded[] {
  return JSON.parse(gunzipSync(readFileSync(join(FIXTURES, fixture, file))).toString("utf8"));
}

export type Row = Readonly<Record<string, string>>;

/** The tables of an output: rows by column name. Columns start where their names do. */
export function tables(text: string): readonly (readonly Row[])[] {
  return text.split("\n\n").map((block) => {
    const [header = "", ...lines] = block.split("\n").filter((line) => line !== "");
    const columns = [...header.matchAll(/\S+(?: \S+)*/g)].map((match) => ({ name: match[0], start: match.index }));
    return lines.map((line) => {
      const characters = [...line];
      const cell = (i: number) =>
        characters
          .slice(columns[i]!.start, columns[i + 1]?.start)
          .join("")
          .trim();
      return Object.fromEntries(columns.map(({ name }, i) => [name, cell(i)]));
    });
  });
}

const SINCE_1_20: readonly ((column: string, cell: string, row: Row) => string)[] = [
  // 1.22 tells when a container restarted last.
  (column, cell) => (column === "RESTARTS" ? cell.replace(/ \(.* ago\)$/, "") : cell),
  // 1.27: a pod that ended is not called Terminating.
  (column, cell, row) => (column === "STATUS" && /\bsucceeded$/.test(row.NAME ?? "") ? "ended" : cell),
  // 1.36 prints the architecture, and which class of ingresses is the default.
  (column, cell) => (column === "KERNEL-VERSION" ? cell.replace(/ \(\w+\)$/, "") : cell),
  (column, cell, row) => (column === "NAME" && "CONTROLLER" in row ? cell.replace(/ \(default\)$/, "") : cell),
  // 1.29 names the metrics of autoscalers.
  (column, cell) => (column === "TARGETS" ? cell.replace(/(^|, )\w+: /g, "$1") : cell),
  // A series was counted one too many.
  (column, cell, row) => (column === "COUNT" && /(new|series)\.17a|3bbb08feb/.test(row.NAME ?? "") ? "series" : cell),
  // The API server makes these again when it starts.
  (column, cell, row) => (column === "AGE" && /^v\w+\..*fx\.example\.com$/.test(row.NAME ?? "") ? "new" : cell),
];

/** The cells of the columns that both rows have, as they may be compared. */
export const common = (row: Row, other: Row): Row =>
  Object.fromEntries(
    Object.keys(row)
      .filter((column) => column in other)
      .map((column) => [column, SINCE_1_20.reduce((cell, rule) => rule(column, cell, row), row[column]!)]),
  );
