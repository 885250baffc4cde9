/**
 * What names, keys and messages from files and servers may not do to a terminal: move its cursor, set its title,
 * reorder its text. Characters that could are written as JSON writes them, `\u001b`, so that JSON text that passes
 * through here still means exactly the same.
 *
 * They are: controls (C0 but the line feed and the tab, DEL, C1), U+2028 and U+2029, marks and overrides of the writing
 * direction (U+061C, U+200E, U+200F, U+202A-E, U+2066-9), and what is invisible: zero-width space, word joiner, byte
 * order mark, annotations, tags (U+E0000-E007F). The joiners U+200C and U+200D stay: scripts and emoji need them.
 */
export const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/;
const UNSAFE_ALL = new RegExp(UNSAFE, "g");
const NAMES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f" };

/** The text with what could steer a terminal escaped. Line feeds and tabs stay. */
export function escapeText(text: string): string {
  return UNSAFE.test(text) ? text.replace(UNSAFE_ALL, escapedCharacter) : text;
}

/** JSON on one line, for a file or a page that somebody may look at in a terminal: it means exactly the same. */
export function plainJson(value: unknown): string {
  return escapeText(JSON.stringify(value));
}

/** Of one character, which may be two code units. */
export function escapedCharacter(character: string): string {
  const name = NAMES[character];
  if (name !== undefined) return name;
  return character
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
}
