/** What a long operation says while it runs. */
import type { Host } from "../host.ts";
import { hanging } from "./escape.ts";

/** A line for each step, with the seconds since the command began in front; nothing with `--quiet`. */
export function stepLines(host: Host, quiet: boolean): (text: string) => void {
  const began = host.now();
  return (text) => {
    if (quiet) return;
    const seconds = String(Math.round((host.now() - began) / 1000)).padStart(4);
    void host.stderr.write(`${seconds} s  ${hanging(text, " ".repeat(8))}\n`);
  };
}
