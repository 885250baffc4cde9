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
