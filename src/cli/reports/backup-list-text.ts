/** A repository for people: spans first, because what can be restored is what one asks for. */
import type { BackupList, ListedGap, ListedSpan } from "../../operations/backup/list.ts";
import { timeText } from "../../repository/moment.ts";
import { byteText } from "../terminal/byte-text.ts";
import { tableText } from "../terminal/table.ts";

export function backupListText(list: BackupList, now: number): string {
  const time = (iso: string | null): string => (iso === null ? "unknown" : timeText(Date.parse(iso), now));
  const lines = [
    `repository ${list.id} at "${list.repository}": ${list.links} links, ${byteText(list.storedBytes)}, ` +
      `${list.encrypted ? "encrypted" : "NOT encrypted"}`,
  ];
  if (list.spans.length === 0) lines.push("no backup yet: run kubemend backup now, or kubemend backup run");
  for (const span of list.spans) {
    const gap = list.gaps.find((each) => each.history === span.history && each.toRevision + 1 === span.fromRevision);
    if (gap !== undefined) lines.push(...gapLines(gap, time));
    lines.push(...spanLines(span, list.spans, time));
  }
  for (const { node, files, time: at } of list.nodes) lines.push(`node ${node}: ${files} files, ${time(at)}`);
  lines.push(`last verified: ${list.lastVerified === null ? "never" : time(list.lastVerified)}`);
  lines.push(`last drill:    ${list.lastDrill === null ? "never" : time(list.lastDrill)}`);
  return `${lines.join("\n")}\n`;
}

function spanLines(span: ListedSpan, all: readonly ListedSpan[], time: (iso: string | null) => string): string[] {
  const several = new Set(all.map(({ history }) => history)).size > 1;
  const history = several ? `history ${span.history} (cluster ${span.cluster}): ` : "";
  const what = span.continuous ? "every moment" : "the moments of these fulls";
  const rows = span.fulls.map((full) => [
    `  full ${full.sequence}`,
    `revision ${full.revision}`,
    time(full.time),
    `${byteText(full.storedBytes)} of ${byteText(full.databaseBytes)}`,
    full.reason,
  ]);
  const lines = [`${history}revisions ${span.fromRevision} to ${span.toRevision}, and by time ${what}:`];
  if (span.continuous) {
    lines.push(`  from ${time(span.fromTime)}`, `  to   ${time(span.toTime)}`);
    lines.push(`  ${span.changes} changes in ${span.deltas} deltas`);
  }
  return [...lines, tableText(rows).trimEnd()];
}

function gapLines(gap: ListedGap, time: (iso: string | null) => string): string[] {
  return [
    `GAP: revisions ${gap.fromRevision} to ${gap.toRevision} cannot be restored`,
    `  between ${time(gap.fromTime)}`,
    `  and     ${time(gap.toTime)}`,
  ];
}
