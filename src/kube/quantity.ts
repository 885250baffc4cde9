/** Amounts of CPU and memory as Kubernetes writes them, as numbers. Source: k8s.io/apimachinery/pkg/api/resource/quantity.go. */

const FACTORS: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** Cores or bytes: `250m` is 0.25, `1Gi` 1073741824, `1e3` 1000. 0 for what is no quantity. */
export function parseQuantity(value: unknown): number {
  if (typeof value === "number") return value;
  const match =
    typeof value === "string" ? /^([+-]?\d*\.?\d+|[+-]?\d+\.)([a-zA-Z]{0,2}|[eE][+-]?\d+)$/.exec(value) : null;
  if (match === null) return 0;
  const [, digits, suffix = ""] = match;
  const factor = FACTORS[suffix] ?? (/^[eE][+-]?\d+$/.test(suffix) ? 10 ** Number(suffix.slice(1)) : 0);
  return Number(digits) * factor;
}

/** In the unit of `like`, rounded up: what is `6e9` like `1Gi` is `6Gi`. */
export function quantityText(value: number, like: string): string {
  const suffix = /[a-zA-Z]*$/.exec(like)?.[0] ?? "";
  const factor = FACTORS[suffix] ?? 1;
  // Sums of fractions end a hair above what they should.
  return `${Math.ceil(value / factor - 1e-6)}${FACTORS[suffix] === undefined ? "" : suffix}`;
}
