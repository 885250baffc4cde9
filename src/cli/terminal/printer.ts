/**
 * The one edge to the terminal: all that kubemend writes passes here, and comes out with what could steer a terminal
 * escaped, and with flags in place of the inputs that texts name. Escape sequences exist in this file only: for colours,
 * a line that moves, and a screen that is redrawn.
 */
import { isAscii } from "node:buffer";
import { escapeText } from "../../errors/unsafe-text.ts";
import { oneLine } from "./escape.ts";
import { piecesOf, type Style, type Text } from "./styled.ts";

/** A stream of text as the process has it. Takes text as it is. */
export interface TextSink {
  /** Resolves when the sink is ready for more, so that an export of gigabytes never piles up in memory. */
  write(text: string): Promise<void>;
  /** The same for bytes, which are written when this resolves. A sink without it gets them as text. */
  writeBytes?(bytes: Uint8Array): Promise<void>;
  /** True on a terminal: the only place for colours and moving progress. */
  readonly isTTY: boolean;
  /** The terminal's width in columns, or undefined where there is none. */
  readonly columns: number | undefined;
}

/** A stream of text as commands have it: the result (stdout), or what continues meanwhile (stderr). */
export interface Printer {
  readonly isTTY: boolean;
  readonly columns: number | undefined;
  /** Writes text with what could steer a terminal escaped; JSON keeps its exact meaning. Resolves when there is space for more. */
  write(text: Text): Promise<void>;
  /**
   * The same for UTF-8, of whole lines of JSON: what needs no escape is not looked at twice. The memory can be used
   * again when this resolves.
   */
  writeBytes(lines: Uint8Array): Promise<void>;
  /** Replaces the line that the cursor is on, cut at the terminal's width. Nothing where there is no terminal. */
  moveLine(text: string): Promise<void>;
  /** Empties that line. Nothing where there is no terminal. */
  clearLine(): Promise<void>;
  /** Replaces the `before` lines above the cursor by these, each cut at the terminal's width. Nothing where there is no terminal. */
  moveLines(lines: readonly Text[], before: number): Promise<void>;
  /** Empties the screen. Nothing where there is no terminal. */
  clearScreen(): Promise<void>;
}

const viewOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

const ESC = "\u001b";
const DELETE = 0x7f;
const COLOURS: Readonly<Record<Style, number>> = { error: 31, warning: 33, note: 36, good: 32 };

/** `withFlags` writes flags in place of the inputs that a text names. */
export function createPrinter(
  sink: TextSink,
  env: Readonly<Record<string, string | undefined>>,
  withFlags: (text: string) => string,
): Printer {
  const hasColour = sink.isTTY && !env.NO_COLOR;
  const coloured = (text: Text, most = Number.POSITIVE_INFINITY): string => {
    let all = "";
    let left = most;
    for (const piece of piecesOf(text)) {
      const isStyled = typeof piece !== "string";
      const escaped = escapeText(withFlags(isStyled ? piece.text : piece)).slice(0, Math.max(0, left));
      left -= escaped.length;
      all += isStyled && hasColour ? `${ESC}[1;${COLOURS[piece.style]}m${escaped}${ESC}[0m` : escaped;
    }
    return all;
  };
  const control = (sequence: string) => (sink.isTTY ? sink.write(sequence) : Promise.resolve());
  return {
    isTTY: sink.isTTY,
    columns: sink.columns,
    write(text) {
      if (typeof text === "string") return sink.write(escapeText(withFlags(text)));
      return sink.write(coloured(text));
    },
    moveLines(lines, before) {
      const most = (sink.columns ?? 80) - 1;
      const all = lines.map((line) => `${ESC}[K${coloured(line, most)}\n`).join("");
      return control(`\r${before > 0 ? `${ESC}[${before}A` : ""}${all}${ESC}[J`);
    },
    writeBytes(lines) {
      // In JSON, control characters of ASCII are escaped already, but for the last.
      const isSafe = isAscii(lines) && !viewOf(lines).includes(DELETE);
      if (isSafe && sink.writeBytes !== undefined) return sink.writeBytes(lines);
      return sink.write(escapeText(viewOf(lines).toString("utf8")));
    },
    moveLine: (text) => control(`\r${oneLine(withFlags(text)).slice(0, (sink.columns ?? 80) - 1)}${ESC}[K`),
    clearLine: () => control(`\r${ESC}[K`),
    clearScreen: () => control(`${ESC}[H${ESC}[2J`),
  };
}
