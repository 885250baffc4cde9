/** Kubernetes quantities, as far as a quota must be raised by them: `500m`, `2`, `1Gi` (apimachinery/pkg/api/resource). */

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

/** NaN for what is none. */
export function quantityOf(text: string): number {
  const [, number = "", suffix = ""] = /^([+-]?[\d.]+(?:[eE][+-]?\d+)?)([a-zA-Z]*)$/.exec(text) ?? [];
  const factor = FACTORS[suffix];
  return number === "" || factor === undefined ? Number.NaN : Number(number) * factor;
}

/** In the unit of `like`, rounded up: what is `6e9` like `1Gi` is `6Gi`. */
export function quantityText(value: number, like: string): string {
  const suffix = /[a-zA-Z]*$/.exec(like)?.[0] ?? "";
  const factor = FACTORS[suffix] ?? 1;
  // Sums of fractions end a hair above what they should.
  return `${Math.ceil(value / factor - 1e-6)}${FACTORS[suffix] === undefined ? "" : suffix}`;
}
