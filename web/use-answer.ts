/** An answer of the server in a component: what it is, that it is on its way, or why there is none. */
import { useEffect, useState } from "preact/hooks";
import { ask, type Query } from "./api.ts";

export interface Answer<T> {
  readonly value: T | undefined;
  readonly error: string | undefined;
  readonly isLoading: boolean;
}

/** Asks again when path, query, moment or `again` change. The last value stays until the next one is there. */
export function useAnswer<T>(path: string | undefined, query: Query, at: string, again = 0): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T>>({ value: undefined, error: undefined, isLoading: true });
  const key = `${path} ${JSON.stringify(query)} ${at} ${again}`;
  useEffect(() => {
    if (path === undefined) return;
    const abort = new AbortController();
    setAnswer((last) => ({ ...last, isLoading: true }));
    ask<T>(path, query, at, abort.signal).then(
      (value) => setAnswer({ value, error: undefined, isLoading: false }),
      (error: Error) => {
        if (!abort.signal.aborted) setAnswer({ value: undefined, error: error.message, isLoading: false });
      },
    );
    return () => abort.abort();
  }, [key]);
  return answer;
}
