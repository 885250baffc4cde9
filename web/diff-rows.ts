/** Lines of two texts, paired for a view side by side. */

export type DiffRow =
  | { readonly kind: "same" | "changed"; readonly before: string | undefined; readonly after: string | undefined }
  | { readonly kind: "gap"; readonly lines: number };

/** Lines that are compared pairwise; beyond, the middle counts as replaced. */
const MOST_CELLS = 4_000_000;
const CONTEXT = 3;

/** No rows where the texts are the same. */
export function diffRows(before: string, after: string): readonly DiffRow[] {
  const [a, b] = [linesOf(before), linesOf(after)];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let tail = 0;
  while (tail < Math.min(a.length, b.length) - start && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const [left, right] = [a.slice(start, a.length - tail), b.slice(start, b.length - tail)];
  if (left.length === 0 && right.length === 0) return [];
  const same = (line: string): DiffRow => ({ kind: "same", before: line, after: line });
  const rows = [...a.slice(0, start).map(same), ...middle(left, right), ...a.slice(a.length - tail).map(same)];
  return folded(rows);
}

const linesOf = (text: string): string[] => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));

/** By the longest common subsequence of lines. */
function middle(a: readonly string[], b: readonly string[]): DiffRow[] {
  if (a.length * b.length > MOST_CELLS) return paired(a, b);
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] =
        a[i] === b[j]
          ? lengths[(i + 1) * width + j + 1]! + 1
          : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
    }
  }
  const rows: DiffRow[] = [];
  let [i, j] = [0, 0];
  let removed: string[] = [];
  let added: string[] = [];
  const flush = () => {
    rows.push(...paired(removed, added));
    removed = [];
    added = [];
  };
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      flush();
      rows.push({ kind: "same", before: a[i], after: b[j] });
      i++;
      j++;
    } else if (j === b.length || (i < a.length && lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!))
      removed.push(a[i++]!);
    else added.push(b[j++]!);
  }
  flush();
  return rows;
}

function paired(a: readonly string[], b: readonly string[]): DiffRow[] {
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => ({
    kind: "changed",
    before: a[i],
    after: b[i],
  }));
}

function folded(rows: readonly DiffRow[]): DiffRow[] {
  const near = rows.map(() => false);
  for (const [i, row] of rows.entries()) {
    if (row.kind !== "changed") continue;
    for (let j = Math.max(0, i - CONTEXT); j <= Math.min(rows.length - 1, i + CONTEXT); j++) near[j] = true;
  }
  const result: DiffRow[] = [];
  let hidden = 0;
  for (const [i, row] of rows.entries()) {
    if (near[i]) {
      if (hidden > 0) result.push({ kind: "gap", lines: hidden });
      hidden = 0;
      result.push(row);
    } else hidden++;
  }
  if (hidden > 0) result.push({ kind: "gap", lines: hidden });
  return result;
}
