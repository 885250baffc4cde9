/** The little XML that stores answer with: texts of elements, by name. Not for documents that somebody wrote. */

import { defined } from "../../errors/defined.ts";

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** The texts of all elements of a name, in order. */
export function* tagTexts(xml: string, name: string): Generator<string> {
  for (const [, text] of xml.matchAll(new RegExp(`<${name}(?: [^>]*)?>([\\s\\S]*?)</${name}>`, "g")))
    yield decode(defined(text));
}

export function tagText(xml: string, name: string): string | undefined {
  for (const text of tagTexts(xml, name)) return text;
  return undefined;
}

function decode(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([0-9a-fA-F]+)|([a-z]+));/g, (whole, decimal, hex, name) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    return ENTITIES[name] ?? whole;
  });
}
