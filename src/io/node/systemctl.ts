/** systemd's own command, for a service of this machine. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { defined } from "../../errors/defined.ts";
import { type ErrorCode, MendError } from "../../errors/errors.ts";
import { recordChange } from "../audit/audit-trail.ts";

const run = promisify(execFile);
/** systemd kills what does not end within 90 s, unless the unit gives it more; it may be a unit that gives it for ever. */
const PATIENCE_MS = 180_000;

export interface SystemctlErrors {
  readonly code: ErrorCode;
  readonly hint: string;
}

/** What it prints. Throws an error of the code given where it fails, and where it does not end. */
export async function systemctl(
  words: readonly string[],
  { code, hint }: SystemctlErrors,
  patience = PATIENCE_MS,
): Promise<string> {
  try {
    const { stdout } = await run("systemctl", words, { timeout: patience, killSignal: "SIGKILL" });
    if (words[0] !== "show") recordChange({ action: `systemctl ${words[0]}`, target: defined(words.at(-1)) });
    return stdout;
  } catch (error) {
    const { killed, stderr } = error as { readonly killed?: boolean; readonly stderr?: unknown };
    if (killed === true) {
      const unit = defined(words.at(-1));
      throw new MendError("timeout", `systemctl ${words.join(" ")} has not ended within ${patience / 1000} s`, {
        hint: `see systemctl status ${unit}; systemctl kill --signal=SIGKILL ${unit} ends it; then run the same command again`,
        cause: error,
      });
    }
    const said = String(stderr ?? "").trim();
    throw new MendError(code, `systemctl ${words.join(" ")} fails: ${said || (error as Error).message}`, {
      hint,
      cause: error,
    });
  }
}
