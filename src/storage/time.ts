/** metav1.Time and metav1.MicroTime: seconds and nanoseconds since 1970 in protobuf, RFC 3339 in UTC in JSON. Go's zero time is null. */
import { WireError, type WireReader } from "../protobuf/reader.ts";

const DAY = 86_400;
/** 0001-01-01T00:00:00Z, which Go's `IsZero` means. */
const ZERO_SECONDS = -62_135_596_800;

let lastDay = Number.NaN;
let lastDate = "";
const TWO_DIGITS = Array.from({ length: 60 }, (_, n) => String(n).padStart(2, "0"));

/** `YYYY-MM-DDT` of a day since 1970 (the civil calendar's inverse, after Howard Hinnant's days algorithm). */
function dateOf(day: number): string {
  if (day === lastDay) return lastDate;
  const shifted = day + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const dayOfMonth = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const digits = year < 0 ? `-${String(-year).padStart(4, "0")}` : String(year).padStart(4, "0");
  lastDay = day;
  lastDate = `${digits}-${TWO_DIGITS[month]}-${TWO_DIGITS[dayOfMonth]}T`;
  return lastDate;
}

/** Seconds since 1970, and microseconds where they are to be shown, as RFC 3339. */
export function formatTime(seconds: number, micros?: number): string {
  const day = Math.floor(seconds / DAY);
  const rest = seconds - day * DAY;
  const hour = Math.floor(rest / 3600);
  const minute = Math.floor((rest - hour * 3600) / 60);
  const fraction = micros === undefined ? "" : `.${String(micros).padStart(6, "0")}`;
  return `${dateOf(day)}${TWO_DIGITS[hour]}:${TWO_DIGITS[minute]}:${TWO_DIGITS[rest % 60]}${fraction}Z`;
}

/** A `Timestamp` message that ends at `end`, as RFC 3339; undefined for the zero time. */
export function readTime(reader: WireReader, end: number, micro: boolean): string | undefined {
  if (reader.pos === end) return undefined;
  let seconds = 0;
  let nanos = 0;
  const start = reader.pos;
  while (reader.pos < end) {
    const tag = reader.varint32(end);
    if (tag === 0x08) seconds = Number(reader.int64(end));
    else if (tag === 0x10) nanos = reader.varint32(end) | 0;
    else reader.skip(tag & 7, end);
  }
  // Go prints years of up to nineteen digits, but the API server never stores one past 9999.
  if (seconds < -99_999_999_999 || seconds > 999_999_999_999) throw new WireError("a time is out of range", start);
  if (!micro) return seconds === ZERO_SECONDS ? undefined : formatTime(seconds);
  const micros = Math.trunc(nanos / 1000);
  const carry = Math.floor(micros / 1_000_000);
  if (seconds === ZERO_SECONDS && micros === 0) return undefined;
  return formatTime(seconds + carry, micros - carry * 1_000_000);
}

interface Time {
  readonly seconds: number;
  readonly nanos: number;
}

/** RFC 3339 back to seconds and nanoseconds (whole microseconds); undefined where the text is no time. */
export function parseTime(text: string): Time | undefined {
  return parsePlainTime(text) ?? parseAnyTime(text);
}

/** What `formatTime` makes of whole seconds in years of four digits: `2026-11-30T03:04:05Z`. */
function parsePlainTime(text: string): Time | undefined {
  if (text.length !== 20) return undefined;
  for (let at = 0; at < 20; at++) {
    const code = text.charCodeAt(at);
    const mark = MARKS.charCodeAt(at);
    if (mark === DIGIT ? code < 0x30 || code > 0x39 : code !== mark) return undefined;
  }
  const two = (at: number): number => text.charCodeAt(at) * 10 + text.charCodeAt(at + 1) - 528;
  const seconds = secondsOf(two(0) * 100 + two(2), two(5), two(8), two(11), two(14), two(17));
  return seconds === undefined ? undefined : { seconds, nanos: 0 };
}

/** Since 1970; undefined where the calendar or the clock has no such time, as Go says too. */
function secondsOf(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): number | undefined {
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  const days = daysOf(year, month, day);
  if (day > 28 && days >= daysOf(month === 12 ? year + 1 : year, (month % 12) + 1, 1)) return undefined;
  return days * DAY + hour * 3600 + minute * 60 + second;
}

const MARKS = "0000-00-00T00:00:00Z";
const DIGIT = 0x30;

/** Days since 1970 (Howard Hinnant's algorithm). */
function daysOf(year: number, month: number, day: number): number {
  const y = year - (month <= 2 ? 1 : 0);
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function parseAnyTime(text: string): Time | undefined {
  const match = /^(-?\d{4,6})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second, fraction, sign, offsetHours, offsetMinutes] = match;
  const local = secondsOf(Number(year), Number(month), Number(day), Number(hour), Number(minute), Number(second));
  if (local === undefined) return undefined;
  const offset = sign ? (sign === "-" ? -60 : 60) * (Number(offsetHours) * 60 + Number(offsetMinutes)) : 0;
  return { seconds: local - offset, nanos: fraction ? Number(fraction.padEnd(9, "0")) : 0 };
}
