/** Quantities by value, exactly: `1`, `1000m` and `1e0` are one amount. Source: k8s.io/apimachinery/pkg/api/resource. */

const DECIMAL: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  "": 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const BINARY: Readonly<Record<string, bigint>> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };
/** Kubernetes keeps nothing below a nano. */
const NANO_DIGITS = 9;
/** Larger exponents are no amount that anybody means, and would make numbers of any length. */
const MOST_EXPONENT = 40;

/** The amount in nanos (10^-9), rounded away from zero as Kubernetes rounds; undefined for what is no quantity. */
export function quantityInNanos(value: unknown): bigint | undefined {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string" || text.length > 100) return undefined;
  const match = /^([+-]?)(\d*)(?:\.(\d*))?([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/.exec(text);
  if (match === null) return undefined;
  const [, sign = "", whole = "", fraction = "", suffix = ""] = match;
  if (whole === "" && fraction === "") return undefined;
  const digits = BigInt(`${whole}${fraction}` || "0");
  const shift = BINARY[suffix];
  const exponent = shift === undefined ? (DECIMAL[suffix] ?? Number(suffix.slice(1))) : 0;
  if (!(Math.abs(exponent) <= MOST_EXPONENT)) return undefined;
  const scaled = shift === undefined ? digits : digits << shift;
  const power = exponent - fraction.length + NANO_DIGITS;
  const nanos = power >= 0 ? scaled * 10n ** BigInt(power) : divideUp(scaled, 10n ** BigInt(-power));
  return sign === "-" ? -nanos : nanos;
}

function divideUp(value: bigint, by: bigint): bigint {
  return (value + by - 1n) / by;
}
