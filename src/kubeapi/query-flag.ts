/**
 * A truth value of a query, as API servers read it: everything that is there is true but `false` and `0`. Python's
 * client writes `True`.
 */
export function isSet(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  return text !== null && !/^(false|0)$/i.test(text);
}
