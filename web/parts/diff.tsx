/** Two texts side by side, with what they share folded away. */
import { diffRows } from "../diff-rows.ts";

export function Diff({
  before,
  after,
  names,
}: {
  readonly before: string;
  readonly after: string;
  readonly names: readonly [string, string];
}) {
  const rows = diffRows(before, after);
  if (rows.length === 0) return <p class="dim">Both are the same.</p>;
  return (
    <section class="diff" tabIndex={0} aria-label={`${names[0]} beside ${names[1]}`}>
      <div class="names">{names[0]}</div>
      <div class="names">{names[1]}</div>
      {rows.map((row) =>
        row.kind === "gap" ? (
          <div class="gap">{row.lines} lines the same</div>
        ) : (
          <>
            <div class={`side-line left ${row.before === undefined ? "" : row.kind === "changed" ? "old" : ""}`}>
              {row.before === undefined ? "" : row.before}
            </div>
            <div class={`side-line ${row.after === undefined ? "" : row.kind === "changed" ? "new" : ""}`}>
              {row.after === undefined ? "" : row.after}
            </div>
          </>
        ),
      )}
    </section>
  );
}
