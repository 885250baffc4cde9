/** How an error is printed: for people as `error:`, `where:` and `hint:`, with `-o json` as one line of JSON. */

import { CommanderError } from "commander";
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import { fromSystemError } from "../errors/system-error.ts";
import { likelyMeant } from "./suggestion.ts";
import { hanging, oneLine } from "./terminal/escape.ts";

/**
 * The command that was typed, as far as it is known: its words, such as `snapshot get`, and what could stand in place
 * of an unknown one.
 */
export interface TypedCommand {
  readonly words: string;
  readonly subcommands: readonly string[];
  readonly flags: readonly string[];
}

/** What went wrong in our own terms. */
export function asMendError(error: unknown, isInterrupted: boolean, command: TypedCommand): MendError {
  if (isInterrupted) return new MendError("interrupted", "interrupted");
  if (error instanceof MendError) return error;
  if (error instanceof CommanderError) {
    const message = error.message.replace(/^error: /, "");
    const help = `run kubemend ${command.words === "" ? "" : `${command.words} `}--help for examples`;
    const meant = suggestion(message, command);
    return new MendError("usage", message, {
      hint: meant === undefined ? help : `did you mean "${meant}"? or ${help}`,
    });
  }
  const { path, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (path !== undefined && syscall !== undefined) {
    // What nobody expected the system to refuse is the user's to look at, and no bug.
    const said = fromSystemError(error, syscall, path);
    if (said instanceof MendError) return said;
  }
  const message = error instanceof Error ? error.message : String(error);
  return new MendError("internal", `internal error: ${message}`, {
    hint: "this is a bug: report it with the command you ran and the lines below",
    cause: error,
  });
}

function suggestion(message: string, { subcommands, flags }: TypedCommand): string | undefined {
  const [, kind, word = ""] = /^unknown (command|option) '(.*)'$/s.exec(message) ?? [];
  if (kind === undefined) return undefined;
  return likelyMeant(defined(word.split("=")[0]), kind === "command" ? subcommands : flags);
}

export function errorText(error: MendError): string {
  if (error.code === "interrupted") return `${error.message}\n`;
  const lines = [`error: ${hanging(error.message)}`];
  if (error.where !== undefined) lines.push(`where: ${oneLine(error.where)}`);
  if (error.hint !== undefined) lines.push(`hint: ${hanging(error.hint)}`);
  return `${lines.join("\n")}\n`;
}

export function errorJson(error: MendError): string {
  const { code, message, where, hint } = error;
  return `${JSON.stringify({ error: { code, message, where, hint } })}\n`;
}

/** Whether `-o json` was asked for: known before parsing, because parsing itself may be what failed. */
export function wantsJson(argv: readonly string[]): boolean {
  return argv.some(
    (word, i) =>
      word === "-ojson" ||
      word === "--output=json" ||
      word === "-o=json" ||
      ((word === "-o" || word === "--output") && argv[i + 1] === "json"),
  );
}
