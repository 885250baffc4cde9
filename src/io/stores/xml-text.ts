/** The little XML that stores answer with: texts of elements, by name. Not for documents that somebody wrote. */

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
const LARGEST_CODE_POINT = 0x10ffff;

/** The texts of all elements of a name, in order. One that does not end is none. Reads the text once, whatever is in it. */
export function* tagTexts(xml: string, name: string): Generator<string> {
  const close = `</${name}>`;
  for (let at = 0; ; ) {
    const open = xml.indexOf(`<${name}`, at);
    if (open < 0) return;
    const afterName = open + name.length + 1;
    at = afterName;
    const isWhole = xml[afterName] === ">" || xml[afterName] === " ";
    if (!isWhole) continue; // another name, which begins like this one
    const from = xml.indexOf(">", afterName) + 1;
    if (from > 0 && xml[from - 2] === "/") {
      yield "";
      at = from;
      continue;
    }
    const to = from === 0 ? -1 : xml.indexOf(close, from);
    if (to < 0) return;
    yield decode(xml.slice(from, to));
    at = to + close.length;
  }
}

export function tagText(xml: string, name: string): string | undefined {
  for (const text of tagTexts(xml, name)) return text;
  return undefined;
}

/** Whether a text is one element of a name, from its beginning to its end. */
export function isElement(xml: string, name: string): boolean {
  const text = xml.replace(/^\uFEFF?\s*(?:<\?xml [^>]*\?>)?\s*/, "");
  const begins = text.startsWith(`<${name}`) && [" ", ">", "/"].includes(text.charAt(name.length + 1));
  const end = text.trimEnd();
  return begins && (end.endsWith(`</${name}>`) || (end.endsWith("/>") && end.indexOf("<", 1) < 0));
}

function decode(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]+));/g, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code > LARGEST_CODE_POINT ? whole : String.fromCodePoint(code);
  });
}
