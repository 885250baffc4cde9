/** Who wrote an object and when, in two cells. */
import type { Writer } from "../../compare/writers.ts";
import { oneLine } from "../terminal/escape.ts";

export function writersText(writers: readonly Writer[]): { readonly time: string; readonly by: string } {
  const names = writers.map(({ manager, subresource }) =>
    subresource === "" ? manager : `${manager} (${subresource})`,
  );
  return {
    time: writers.find(({ time }) => time !== "")?.time ?? "unknown",
    by: oneLine([...new Set(names)].join(", ")) || "unknown",
  };
}
