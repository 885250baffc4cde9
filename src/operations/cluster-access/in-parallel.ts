/** Many requests at a time, but never so many that they are a burden to the API server. */

import { defined } from "../../errors/defined.ts";

const AT_ONCE = 10;

/** The results in the order of `items`. The first error ends it, once what runs has ended. */
export async function inParallel<T, R>(
  items: readonly T[],
  each: (item: T) => Promise<R>,
  atOnce = AT_ONCE,
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const worker = async () => {
    while (next < items.length && failure === undefined) {
      const i = next++;
      try {
        results[i] = await each(defined(items[i]));
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  if (failure !== undefined) throw failure.error;
  return results;
}
