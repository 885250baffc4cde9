/**
 * How long the store itself keeps an object from being removed or changed (write once, read many), as the address of a
 * repository says it: `?lock=governance:30d` or `?lock=compliance:30d`. Under governance who has a special right may
 * still remove an object, under compliance nobody may, the owner of the account included.
 */
import { MendError } from "../../errors/errors.ts";
import { REPORTS } from "../../repository/names.ts";

export interface Retention {
  readonly mode: "governance" | "compliance";
  readonly milliseconds: number;
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

/** Undefined for an address without one. Throws `usage`. */
export function retentionOf(url: URL): Retention | undefined {
  const text = url.searchParams.get("lock");
  if (text === null) return undefined;
  const [, mode, amount, unit = ""] = /^(governance|compliance):(\d{1,6})([hdw])$/.exec(text) ?? [];
  if (mode !== undefined && Number(amount) > 0) {
    return { mode: mode as Retention["mode"], milliseconds: Number(amount) * (UNITS[unit] ?? 0) };
  }
  throw new MendError("usage", `"lock=${text}" is not a retention`, {
    hint: "give lock=governance:30d or lock=compliance:30d, with h, d or w",
  });
}

/** Until when an object of this name is locked, if it is written now; undefined for one that is not. Nothing depends on reports. */
export function lockedUntil(retention: Retention | undefined, name: string, now: number): Date | undefined {
  if (retention === undefined || name.startsWith(REPORTS)) return undefined;
  // Whole seconds: Azure takes no fractions.
  return new Date(Math.ceil((now + retention.milliseconds) / 1000) * 1000);
}
