/** metav1.Duration: nanoseconds in protobuf, the text of Go's `time.Duration.String` in JSON. */
import { defined } from "../errors/defined.ts";
import type { WireReader } from "../protobuf/reader.ts";

/** Nanoseconds as Go prints them: `1m30s`, `1.5ms`, `0s`. */
export function formatDuration(nanoseconds: number | bigint): string {
  const value = BigInt(nanoseconds);
  if (value === 0n) return "0s";
  const sign = value < 0n ? "-" : "";
  const size = value < 0n ? -value : value;
  if (size < 1_000n) return `${sign}${size}ns`;
  if (size < 1_000_000n) return `${sign}${decimal(size, 1_000n)}µs`;
  if (size < 1_000_000_000n) return `${sign}${decimal(size, 1_000_000n)}ms`;
  const minutes = size / 60_000_000_000n;
  const seconds = `${decimal(size % 60_000_000_000n, 1_000_000_000n)}s`;
  if (minutes === 0n) return sign + seconds;
  return `${sign}${minutes >= 60n ? `${minutes / 60n}h` : ""}${minutes % 60n}m${seconds}`;
}

function decimal(value: bigint, unit: bigint): string {
  const fraction = (value % unit)
    .toString()
    .padStart(unit.toString().length - 1, "0")
    .replace(/0+$/, "");
  return fraction === "" ? `${value / unit}` : `${value / unit}.${fraction}`;
}

/** The nanoseconds of a `Duration` message that ends at `end`. */
export function readDuration(reader: WireReader, end: number): number | bigint {
  let nanoseconds: number | bigint = 0;
  while (reader.pos < end) {
    const tag = reader.varint32(end);
    if (tag === 0x08) nanoseconds = reader.int64(end);
    else reader.skip(tag & 7, end);
  }
  return nanoseconds;
}

const UNITS: Readonly<Record<string, bigint>> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  µs: 1_000n,
  us: 1_000n,
  ns: 1n,
};

/** The inverse of {@link formatDuration}; undefined where the text is no duration. */
export function parseDuration(text: string): bigint | undefined {
  const match = /^(-?)((?:\d+(?:\.\d+)?(?:h|ms|m|s|µs|us|ns))+)$/.exec(text);
  if (!match) return undefined;
  let total = 0n;
  for (const [, whole, fraction = "", unit] of defined(match[2]).matchAll(/(\d+)(?:\.(\d+))?(h|ms|m|s|µs|us|ns)/g)) {
    const scale = defined(UNITS[defined(unit)]);
    total += BigInt(defined(whole)) * scale + (BigInt(fraction || "0") * scale) / 10n ** BigInt(fraction.length);
  }
  return match[1] === "-" ? -total : total;
}
