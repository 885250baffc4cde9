/** What commands that use a backup repository have in common. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { MendError } from "../../errors/errors.ts";
import type { WriteAccess } from "../../operations/backup/open-for-writing.ts";
import type { Host } from "../host.ts";
import { argument } from "./define-command.ts";
import { words } from "./flag.ts";

/** What a repository is given as. */
export const REPOSITORY_TEXT = "a directory, s3://BUCKET/PREFIX, azblob://CONTAINER/PREFIX, or sftp://USER@HOST/PATH";
export const REPOSITORY_ARGUMENT = argument("<repository>", REPOSITORY_TEXT);

/** For whatever adds to a repository. */
export const SIGNING_KEY_FLAG = words(
  "--signing-key <file>",
  "the key that backup init wrote (default: $KUBEMEND_BACKUP_SIGNING_KEY)",
);

/** Throws `usage` where no key is given. */
export function writeAccess(host: Host, signingKey: string | undefined): WriteAccess {
  const { env, cwd, now, signal } = host;
  const file = signingKey ?? env.KUBEMEND_BACKUP_SIGNING_KEY;
  if (file === undefined || file === "") {
    throw new MendError("usage", "no signing key is given", {
      hint: "pass --signing-key FILE, the file that kubemend backup init wrote",
    });
  }
  const writer = env.NODE_NAME || hostname();
  return { env, cwd, now, signal, signingKeyFile: resolve(cwd, file), writer };
}
