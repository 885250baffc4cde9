/** `backup list`: what a repository can restore, where there are gaps, and what it takes. */

import { headsOf } from "../../io/repository/repository.ts";
import type { FullHead, Head } from "../../repository/head.ts";
import { readTimeline } from "../../repository/timeline.ts";
import type { MomentAccess } from "../../snapshot/moment-access.ts";
import { openForReading } from "../../snapshot/open-moment.ts";
import { newestReports, type ReportTimes } from "./reports.ts";

interface ListedFull {
  readonly sequence: number;
  readonly revision: number;
  readonly oldestRevision: number;
  /** ISO 8601; null for what was imported without one. */
  readonly time: string | null;
  readonly storedBytes: number;
  readonly databaseBytes: number;
  readonly reason: string;
  readonly writer: string;
}

export interface ListedSpan {
  readonly history: number;
  readonly cluster: string;
  readonly fromRevision: number;
  readonly toRevision: number;
  readonly fromTime: string | null;
  readonly toTime: string | null;
  /** Whether every moment between the times can be restored, and not only those of the fulls. */
  readonly continuous: boolean;
  readonly deltas: number;
  readonly changes: number;
  readonly fulls: readonly ListedFull[];
}

/** Revisions that cannot be restored, between two spans of one history. */
export interface ListedGap {
  readonly history: number;
  readonly fromRevision: number;
  readonly toRevision: number;
  readonly fromTime: string | null;
  readonly toTime: string | null;
}

export interface BackupList extends ReportTimes {
  readonly repository: string;
  readonly id: string;
  readonly encrypted: boolean;
  readonly links: number;
  /** The last link: what a later `verify` can be given as the known end of the chain. */
  readonly tip: { readonly sequence: number; readonly hash: string } | null;
  readonly storedBytes: number;
  readonly spans: readonly ListedSpan[];
  readonly gaps: readonly ListedGap[];
  readonly nodes: readonly { readonly node: string; readonly files: number; readonly time: string }[];
}

export async function listBackups(address: string, access: MomentAccess): Promise<BackupList> {
  const { repository, links } = await openForReading(address, access);
  try {
    const heads = headsOf(links);
    const last = links.at(-1);
    const spans = listSpans(heads);
    return {
      repository: repository.store.url,
      id: repository.description.id,
      encrypted: repository.description.recipients !== null,
      links: links.length,
      tip: last === undefined ? null : { sequence: last.sequence, hash: last.signed.hash },
      storedBytes: heads.reduce((sum, head) => sum + head.content.size, 0),
      spans,
      gaps: listGaps(spans),
      nodes: listNodes(heads),
      ...(await newestReports(repository.store)),
    };
  } finally {
    await repository.store.close();
  }
}

function listSpans(heads: readonly Head[]): ListedSpan[] {
  return readTimeline(heads).spans.map((span) => ({
    history: span.history,
    cluster: span.cluster,
    fromRevision: span.from,
    toRevision: span.to,
    fromTime: span.times === null ? null : new Date(span.times.from).toISOString(),
    toTime: span.times === null ? null : new Date(span.times.to).toISOString(),
    continuous: span.deltas.length > 0,
    deltas: span.deltas.length,
    changes: span.deltas.reduce((sum, delta) => sum + delta.events, 0),
    fulls: span.fulls.map(listFull),
  }));
}

function listFull(full: FullHead): ListedFull {
  return {
    sequence: full.sequence,
    revision: full.revisions.to,
    oldestRevision: full.revisions.from,
    time: full.times?.to ?? null,
    storedBytes: full.content.size,
    databaseBytes: full.content.plainSize,
    reason: full.reason,
    writer: full.writer,
  };
}

function listGaps(spans: readonly ListedSpan[]): ListedGap[] {
  return spans.flatMap((span, i) => {
    const before = spans.slice(0, i).findLast(({ history }) => history === span.history);
    if (before === undefined) return [];
    return [
      {
        history: span.history,
        fromRevision: before.toRevision + 1,
        toRevision: span.fromRevision - 1,
        fromTime: before.toTime,
        toTime: span.fromTime,
      },
    ];
  });
}

function listNodes(heads: readonly Head[]): { node: string; files: number; time: string }[] {
  const newest = new Map<string, { node: string; files: number; time: string }>();
  for (const head of heads) {
    if (head.kind === "node") newest.set(head.node, { node: head.node, files: head.files, time: head.written });
  }
  return [...newest.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
}
