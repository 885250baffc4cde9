/** How long ago something was, in kubectl's words. Source: k8s.io/apimachinery/pkg/util/duration, HumanDuration. */
import { parseTime } from "../../storage/time.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Milliseconds in at most two units, the fewer the longer it is: `90s`, `4m5s`, `3h20m`, `2d3h`, `400d`, `3y12d`. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / SECOND);
  if (!(seconds >= -1)) return "<invalid>"; // clocks may disagree by a second
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(milliseconds / MINUTE);
  if (minutes < 10) return `${minutes}m${rest(seconds % 60, "s")}`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(milliseconds / HOUR);
  if (hours < 8) return `${hours}h${rest(minutes % 60, "m")}`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (days < 8) return `${days}d${rest(hours % 24, "h")}`;
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  return days < 2920 ? `${years}y${rest(days % 365, "d")}` : `${years}y`;
}

function rest(count: number, unit: string): string {
  return count === 0 ? "" : `${count}${unit}`;
}

/** How long before `now` an RFC 3339 time was; `<unknown>` when there is none. */
export function since(time: unknown, now: number): string {
  if (typeof time !== "string" || time === "") return "<unknown>";
  const at = parseTime(time);
  return at === undefined ? "<invalid>" : humanDuration(now - at.seconds * SECOND - at.nanos / 1e6);
}
