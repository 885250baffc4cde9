/** A moment as users write it: `latest`, a revision, or a time; alone, or behind the `@` of a repository or a file. */
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";

export type Moment =
  | { readonly kind: "latest" }
  | { readonly kind: "revision"; readonly revision: number }
  | { readonly kind: "time"; readonly time: number };

export interface Place {
  /** A path or an URL. */
  readonly place: string;
  readonly moment: Moment | undefined;
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };
const AGO = /^(?:\d+(?:\.\d+)?\s*(?:s|m|h|d|w)[a-z]*\s*)+ago$/i;

/** `PLACE@MOMENT`, split at its last `@`; without a moment where what follows is none. `now` in milliseconds. */
export function splitMoment(text: string, now: number): Place {
  const at = text.lastIndexOf("@");
  if (at < 1) return { place: text, moment: undefined };
  const moment = readMoment(text.slice(at + 1), now);
  return moment === undefined ? { place: text, moment: undefined } : { place: text.slice(0, at), moment };
}

/** Throws `usage`. */
export function parseMoment(text: string, now: number): Moment {
  const moment = readMoment(text, now);
  if (moment !== undefined) return moment;
  throw new MendError("usage", `"${text}" is not a moment`, {
    hint: 'give latest, a revision, or a time such as 2026-11-29T10:42:17Z, "2026-11-29 10:42" (local), 10:42:17 or "90m ago"',
  });
}

/** A time alone. Throws `usage`. */
export function parseTimeOfDay(text: string, now: number): number {
  const moment = parseMoment(text, now);
  if (moment.kind === "time") return moment.time;
  throw new MendError("usage", `"${text}" is not a time`, {
    hint: 'give a time such as 2026-11-29T10:42:17Z, "2026-11-29 10:42" (local), 10:42:17 or "90m ago"',
  });
}

function readMoment(text: string, now: number): Moment | undefined {
  const given = text.trim();
  if (given === "latest") return { kind: "latest" };
  if (/^\d+$/.test(given)) {
    const revision = Number(given);
    return Number.isSafeInteger(revision) && revision > 0 ? { kind: "revision", revision } : undefined;
  }
  const time = readTime(given, now);
  return time === undefined ? undefined : { kind: "time", time };
}

function readTime(text: string, now: number): number | undefined {
  if (AGO.test(text)) {
    let total = 0;
    for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)\s*(s|m|h|d|w)/gi)) {
      total += Number(amount) * defined(UNITS[defined(unit).toLowerCase()]);
    }
    return Math.round(now - total);
  }
  const clock = /^(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?$/.exec(text);
  if (clock !== null) {
    const day = new Date(now);
    const [, hours, minutes, seconds = "0", fraction = "0"] = clock;
    if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined;
    day.setHours(Number(hours), Number(minutes), Number(seconds), Math.floor(Number(fraction) * 1000));
    // A clock time is of the last day on which it was: at 00:10, 23:50 is yesterday's.
    return day.getTime() > now ? day.getTime() - 86_400_000 : day.getTime();
  }
  const full = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2}(?:\.\d+)?)?)?\s*(Z|[+-]\d{2}:?\d{2})?$/i.exec(text);
  if (full === null) return undefined;
  const [, date, hours = "00:00", seconds = ":00", zone = ""] = full;
  const iso = `${date}T${hours}${seconds}${zone.toUpperCase().replace(/^([+-]\d{2})(\d{2})$/, "$1:$2")}`;
  const time = Date.parse(iso);
  return Number.isNaN(time) ? undefined : time;
}

/** Such as `2026-11-29T10:42:17Z (11:42:17 local, 90m ago)`. */
export function timeText(time: number, now: number): string {
  const date = new Date(time);
  const pad = (value: number): string => String(value).padStart(2, "0");
  const clock = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  const iso = date.toISOString().replace(/\.\d{3}Z$/, "Z");
  return `${iso} (${clock} local, ${agoText(now - time)})`;
}

/** Such as `90m ago`, two units at most. */
export function agoText(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 0) return `in ${durationText(-seconds)}`;
  return `${durationText(seconds)} ago`;
}

function durationText(seconds: number): string {
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
}
