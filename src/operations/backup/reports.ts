/**
 * What `verify` and `drill` leave in the repository, so that `list` and `status` can say when they last ran. A report
 * proves nothing: it is a note of when to look again.
 */
import { MendError } from "../../errors/errors.ts";
import type { Store } from "../../io/stores/store.ts";
import { REPORTS } from "../../repository/names.ts";

/** What failed is noted, and does not count as done. */
export type ReportKind = "verify" | "verify-failed" | "drill" | "drill-failed";

export interface ReportTimes {
  /** When one last found nothing wrong, ISO 8601; null where none did. */
  readonly lastVerified: string | null;
  readonly lastDrill: string | null;
}

/** Leaves a report. Where the credentials may not write, nothing is left, and `false` says so. */
export async function leaveReport(store: Store, kind: ReportKind, time: number, report: object): Promise<boolean> {
  const name = `${REPORTS}${kind}-${new Date(time).toISOString().replace(/[:.]/g, "-")}.json`;
  try {
    return await store.create(name, Buffer.from(`${JSON.stringify(report)}\n`));
  } catch (error) {
    if (error instanceof MendError && ["permission-denied", "store-refused"].includes(error.code)) return false;
    throw error;
  }
}

export interface DrillReport {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** How long the drill took. */
  readonly milliseconds: number;
  readonly ok: boolean;
}

/** The newest drill's own report; undefined where there is none that can be read. */
export async function newestDrill(store: Store): Promise<DrillReport | undefined> {
  let newest: string | undefined;
  for await (const { name } of store.list(`${REPORTS}drill-`)) newest = name;
  if (newest === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(await store.read(newest)).toString());
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof MendError && error.code === "not-found")) return undefined;
    throw error;
  }
  const { time, totalMilliseconds, ok } = (value ?? {}) as Readonly<Record<string, unknown>>;
  const at = typeof time === "string" ? Date.parse(time) : Number.NaN;
  if (Number.isNaN(at) || typeof totalMilliseconds !== "number") return undefined;
  return { time: at, milliseconds: totalMilliseconds, ok: ok === true };
}

export async function newestReports(store: Store): Promise<ReportTimes> {
  const newest: Record<"verify" | "drill", string | null> = { verify: null, drill: null };
  for await (const { name } of store.list(REPORTS)) {
    const [, kind, date, clock, fraction] =
      /^reports\/(verify|drill)-(\d{4}-\d{2}-\d{2})T(\d{2}-\d{2}-\d{2})-(\d{3})Z\.json$/.exec(name) ?? [];
    if (kind !== undefined) newest[kind as "verify" | "drill"] = `${date}T${clock?.replaceAll("-", ":")}.${fraction}Z`;
  }
  return { lastVerified: newest.verify, lastDrill: newest.drill };
}
