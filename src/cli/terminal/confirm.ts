/** Asks once before something that cannot be taken back easily. */
import { MendError } from "../../errors/errors.ts";
import type { Host } from "../host.ts";

/** True with `--yes`. What is about to happen has been written before; the question ends it. Throws `usage` where nobody can be asked. */
export async function confirm(host: Host, isYes: boolean, question: string): Promise<boolean> {
  if (isYes) return true;
  if (host.ask === undefined) {
    throw new MendError("usage", "this has to be confirmed, and there is no terminal to ask at; nothing was changed", {
      hint: "look at what --dry-run prints, and then pass --yes",
    });
  }
  const answer = await host.ask(`${question} [y/N] `);
  return /^\s*y(?:es)?\s*$/i.test(answer);
}
