/** The order of names in every list that kubemend prints: by UTF-16 code units, so that it never depends on a locale. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
