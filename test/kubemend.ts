/** The command line as a user runs it, in this process. */
import type { ProcessHost } from "../src/cli/host.ts";
import { run } from "../src/cli/run.ts";
import type { TextSink } from "../src/cli/terminal/printer.ts";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `wrote` gets all that was written so far, whenever that grows. */
export async function kubemend(
  cwd: string,
  argv: readonly string[],
  env: ProcessHost["env"] = {},
  more: Partial<Pick<ProcessHost, "ask" | "askSecret" | "now" | "signal">> = {},
  wrote: (all: string) => void = () => {},
): Promise<Outcome> {
  const written = { stdout: "", stderr: "" };
  const sink = (name: keyof typeof written): TextSink => ({
    isTTY: false,
    columns: undefined,
    write(text) {
      written[name] += text;
      wrote(written.stdout + written.stderr);
      return Promise.resolve();
    },
  });
  const { signal } = new AbortController();
  const host: ProcessHost = {
    stdout: sink("stdout"),
    stderr: sink("stderr"),
    env,
    cwd,
    now: Date.now,
    signal,
    ...more,
  };
  return { code: await run(argv, host), ...written };
}
