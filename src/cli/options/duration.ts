/** The one grammar of durations on the command line. */
import { InvalidArgumentError } from "commander";

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const GRAMMAR = /^(?:\d+(?:\.\d+)?|(?:\d+(?:\.\d+)?(?:ms|s|m|h))+)$/;
/** Longer than anybody waits, and short enough for a timer's 31 bits. */
const LONGEST_MS = 480 * 3_600_000;

/**
 * Milliseconds of `90s`, `1.5m`, `1h30m`, `500ms`; a plain number counts seconds, as kubectl and etcdctl have it.
 * Throws `InvalidArgumentError` for anything else, for what is shorter than `least` (more than nothing, unless it is
 * `0`), and for more than 480h.
 */
export function parseDuration(text: string, least?: string): number {
  if (!GRAMMAR.test(text)) throw new InvalidArgumentError("expected a duration such as 90s, 1.5m or 1h30m");
  const value = millisecondsOf(text);
  const shortest = least === undefined ? 1 : millisecondsOf(least);
  if (value < shortest) throw new InvalidArgumentError(`expected a duration of ${least ?? "1ms"} or more`);
  if (value > LONGEST_MS) throw new InvalidArgumentError("expected a duration of 480h or less");
  return value;
}

function millisecondsOf(text: string): number {
  if (/^[\d.]+$/.test(text)) return Math.round(Number(text) * UNITS.s);
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g))
    total += Number(amount) * UNITS[unit as keyof typeof UNITS];
  return Math.round(total);
}
