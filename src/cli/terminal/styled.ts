/** Text with colours in it. A colour is a value, not characters, because the terminal's edge escapes every character that steers. */

/** What a colour says. */
export type Style = "error" | "warning" | "note" | "good";

/** A piece of text in a colour; as a string, the text alone. */
export class Styled {
  readonly style: Style;
  readonly text: string;

  constructor(style: Style, text: string) {
    this.style = style;
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

export type Text = string | Styled | readonly Text[];

export function styled(style: Style, text: string): Styled {
  return new Styled(style, text);
}

/** The pieces, one after the other. */
export function* piecesOf(text: Text): Generator<string | Styled> {
  if (typeof text === "string" || text instanceof Styled) yield text;
  else for (const part of text) yield* piecesOf(part);
}
