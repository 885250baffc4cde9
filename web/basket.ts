/** Objects that are marked to be given back. They stay marked while the page is open, whatever moment is looked at. */
import { useEffect, useState } from "preact/hooks";
import type { ResourceId } from "./api.ts";

export interface Marked extends ResourceId {
  readonly namespace: string | null;
  readonly name: string;
  /** The moment that it is to be given back from. */
  readonly revision: number;
}

type Listener = () => void;

const keyOf = ({ group, plural, namespace, name }: Pick<Marked, "group" | "plural" | "namespace" | "name">): string =>
  JSON.stringify([group, plural, namespace, name]);

function createBasket() {
  const marked = new Map<string, Marked>();
  const listeners = new Set<Listener>();
  const changed = () => {
    for (const listener of listeners) listener();
  };
  return {
    list: (): readonly Marked[] => [...marked.values()],
    has: (object: Pick<Marked, "group" | "plural" | "namespace" | "name">) => marked.has(keyOf(object)),
    toggle(object: Marked) {
      const key = keyOf(object);
      if (!marked.delete(key)) marked.set(key, object);
      changed();
    },
    clear() {
      marked.clear();
      changed();
    },
    listen(listener: Listener): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export type Basket = ReturnType<typeof createBasket>;

export const basket: Basket = createBasket();

export function useBasket(): readonly Marked[] {
  const [list, setList] = useState(basket.list);
  useEffect(() => basket.listen(() => setList(basket.list())), []);
  return list;
}
