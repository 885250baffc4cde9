/** Options of the commands that use a backup repository. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { Command } from "commander";
import { MendError } from "../../errors/errors.ts";
import type { WriteAccess } from "../../operations/backup/open-for-writing.ts";
import type { Host } from "../host.ts";

/** What a repository is given as. */
export const REPOSITORY_ARGUMENT = "a directory";

export interface WriterOptions {
  readonly signingKey?: string;
}

/** `--signing-key`, for whatever adds to a repository. */
export function writerOptions(command: Command): Command {
  return command.option(
    "--signing-key <file>",
    "the key that backup init wrote (default: $KUBEMEND_BACKUP_SIGNING_KEY)",
  );
}

/** Throws `usage` where no key is given. */
export function writeAccess(host: Host, options: WriterOptions): WriteAccess {
  const { env, cwd, now, signal } = host;
  const file = options.signingKey ?? env.KUBEMEND_BACKUP_SIGNING_KEY;
  if (file === undefined || file === "") {
    throw new MendError("usage", "no signing key is given", {
      hint: "pass --signing-key FILE, the file that kubemend backup init wrote",
    });
  }
  const writer = env.NODE_NAME || hostname();
  return { env, cwd, now, signal, signingKeyFile: resolve(cwd, file), writer };
}
