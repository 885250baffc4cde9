/** What the audit log says: a line of JSON for each change, and one for how the run ended. Pure. */
import { plainJson } from "../../errors/unsafe-text.ts";
import type { Change, Evidence } from "../../io/audit/audit-trail.ts";
import type { WhoRuns } from "../../io/node/own-identity.ts";

/** The words and the names are stable: docs/permissions.md. */
export interface RunFacts {
  /** Random: the lines of a run share it. */
  readonly run: string;
  readonly version: string;
  /** As it is typed, without arguments: those may hold secrets. */
  readonly command: string;
  readonly actor: WhoRuns;
}

export interface RunEnd {
  readonly exitCode: number;
  /** The code of the error that ended it. */
  readonly error?: string;
  /** How many changes there were, each counted. */
  readonly changes: number;
}

/** More say nothing new: a run reads few snapshots and follows few findings. */
const MOST_EVIDENCE = 20;

export function changeLine(time: number, facts: RunFacts, change: Change, evidence: readonly Evidence[]): string {
  const { action, target, from, by, uncertain } = change;
  return line(time, facts, {
    event: "change",
    action,
    target,
    ...(from !== undefined && { from }),
    ...(by !== undefined && { by }),
    ...(uncertain === true && { uncertain }),
    ...evidenceOf(evidence),
  });
}

export function endLine(time: number, facts: RunFacts, end: RunEnd, evidence: readonly Evidence[]): string {
  const { exitCode, error, changes } = end;
  const outcome = exitCode === 0 ? "done" : exitCode === 130 ? "interrupted" : "failed";
  return line(time, facts, {
    event: "end",
    outcome,
    exitCode,
    ...(error !== undefined && { error }),
    changes,
    ...evidenceOf(evidence),
  });
}

function line(time: number, { run, version, command, actor }: RunFacts, what: object): string {
  return plainJson({ time: new Date(time).toISOString(), run, command, actor, ...what, version });
}

function evidenceOf(evidence: readonly Evidence[]): {
  readonly evidence?: readonly Evidence[];
  readonly more?: number;
} {
  if (evidence.length === 0) return {};
  const more = evidence.length - MOST_EVIDENCE;
  return { evidence: evidence.slice(0, MOST_EVIDENCE), ...(more > 0 && { more }) };
}
