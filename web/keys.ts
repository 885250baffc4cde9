/** Keys that work everywhere in the page, unless something is being typed. */
import { useEffect } from "preact/hooks";
import { go, href } from "./route.ts";

export function useKeys(at: string): void {
  useEffect(() => {
    let wentOn = 0;
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const after = performance.now() - wentOn < 1500;
      wentOn = 0;
      const places: Readonly<Record<string, readonly string[]>> = {
        o: [],
        b: ["browse"],
        c: ["changes"],
        r: ["give-back"],
      };
      if (after && places[event.key] !== undefined) {
        event.preventDefault();
        go(href(places[event.key]!, { at }));
      } else if (event.key === "g") wentOn = performance.now();
      else if (event.key === "/") {
        event.preventDefault();
        document.querySelector<HTMLInputElement>("#search")?.focus();
      } else if (event.key === "[" || event.key === "]") {
        dispatchEvent(new CustomEvent("step-moment", { detail: event.key === "[" ? -1 : 1 }));
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [at]);
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) &&
    (target as HTMLInputElement).type !== "range"
  );
}
