/** Numbers, spans and lists, as they are said in findings. */

/** Such as `41 s`, `12 min`, `3 h`, `5 d`: whole units, rounded down. */
export function spanText(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

/** Such as `1 pod`, `3 pods`. */
export function countText(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

/** Such as `once`, `3 times`. */
export function timesText(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

/** Such as `a, b, c and 4 more`. */
export function someOf(names: readonly string[], most = 3): string {
  const shown = names.slice(0, most).join(", ");
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}

/** Such as `03:14:05Z`, or with its day where that is another than `now`'s. */
export function clockText(time: number, now: number): string {
  const text = new Date(time).toISOString().replace(/\.\d+Z$/, "Z");
  return text.slice(0, 10) === new Date(now).toISOString().slice(0, 10) ? text.slice(11) : text;
}
