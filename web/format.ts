/** Numbers, sizes and times as people read them. */

export const count = (value: number): string => value.toLocaleString("en");

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(value: number): string {
  let [amount, unit] = [value, 0];
  for (; amount >= 1024 && unit < UNITS.length - 1; unit++) amount /= 1024;
  return `${amount >= 100 || unit === 0 ? Math.round(amount) : amount.toFixed(1)} ${UNITS[unit]}`;
}

/** `2026-11-29 10:42:17`, in UTC. */
export function time(iso: string | null): string {
  return iso === null || iso === "" ? "" : `${iso.slice(0, 10)} ${iso.slice(11, 19)}`;
}

export function ago(iso: string | null, now: number): string {
  if (iso === null || iso === "") return "";
  const seconds = Math.round((now - Date.parse(iso)) / 1000);
  if (!Number.isFinite(seconds)) return "";
  const [value, unit] =
    seconds < 120
      ? [seconds, "second"]
      : seconds < 7200
        ? [Math.round(seconds / 60), "minute"]
        : seconds < 172_800
          ? [Math.round(seconds / 3600), "hour"]
          : [Math.round(seconds / 86_400), "day"];
  return `${value} ${unit}${value === 1 ? "" : "s"} ago`;
}

/** How long from one time to another, such as `7 min`. */
export function span(from: string | null, to: string | null): string {
  if (from === null || to === null) return "";
  const seconds = Math.round((Date.parse(to) - Date.parse(from)) / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200
    ? `${Math.round(seconds / 60)} min`
    : seconds < 172_800
      ? `${Math.round(seconds / 3600)} h`
      : `${Math.round(seconds / 86_400)} days`;
}
