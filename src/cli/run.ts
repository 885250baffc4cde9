/** Runs one command line against a {@link ProcessHost} and returns its exit code: 0 done, 1 failed or broken, 2 wrong usage, 3 nothing could be judged, 130 interrupted. */
import { CommanderError } from "commander";
import { MendError } from "../errors/errors.ts";
import { EXIT, type ExitCode } from "./command.ts";
import { hostOf, type ProcessHost } from "./host.ts";
import { createProgram } from "./program.ts";
import { hanging, oneLine } from "./terminal/escape.ts";

export async function run(argv: readonly string[], process: ProcessHost): Promise<ExitCode> {
  const host = hostOf(process);
  let code: ExitCode = EXIT.done;
  const pending: Promise<void>[] = [];
  const program = await createProgram(
    {
      host,
      exit(exitCode) {
        code = exitCode;
      },
    },
    {
      writeOut: (text) => pending.push(host.stdout.write(text)),
      writeErr: (text) => pending.push(host.stderr.write(text)),
    },
    argv[0],
  );
  try {
    await program.parseAsync([...argv], { from: "user" });
    await Promise.all(pending);
    return code;
  } catch (error) {
    await Promise.all(pending);
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    if (host.signal.aborted) {
      await host.stderr.write("interrupted\n");
      return EXIT.interrupted;
    }
    const mend = asMendError(error);
    await host.stderr.write(wantsJson(argv) ? errorJson(mend) : errorText(mend));
    if (mend.code === "internal" && error instanceof Error && error.stack) await host.stderr.write(`${error.stack}\n`);
    return mend.code === "usage" ? EXIT.usage : EXIT.failed;
  }
}

function asMendError(error: unknown): MendError {
  if (error instanceof MendError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new MendError("internal", `internal error: ${message}`, {
    hint: "this is a bug: report it with the command you ran and the lines below",
    cause: error,
  });
}

function errorText(error: MendError): string {
  const lines = [`error: ${hanging(error.message)}`];
  if (error.where !== undefined) lines.push(`where: ${oneLine(error.where)}`);
  if (error.hint !== undefined) lines.push(`hint: ${hanging(error.hint)}`);
  return `${lines.join("\n")}\n`;
}

function errorJson(error: MendError): string {
  const { code, message, where, hint } = error;
  return `${JSON.stringify({ error: { code, message, where, hint } })}\n`;
}

/** Whether `-o json` was asked for: known before parsing, because parsing itself may be what failed. */
function wantsJson(argv: readonly string[]): boolean {
  return argv.some(
    (word, i) =>
      word === "-ojson" ||
      word === "--output=json" ||
      word === "-o=json" ||
      ((word === "-o" || word === "--output") && argv[i + 1] === "json"),
  );
}
