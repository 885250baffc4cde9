/** Columns that a text takes on a terminal, near enough: code points. */
export function textWidth(text: string): number {
  let width = text.length;
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) === 0xd800) width--;
  return width;
}

/** Filled with spaces up to a width: `start` to the right of them, or `end` before them. */
export function padded(text: string, width: number, side: "start" | "end"): string {
  const spaces = " ".repeat(Math.max(0, width - textWidth(text)));
  return side === "start" ? spaces + text : text + spaces;
}
