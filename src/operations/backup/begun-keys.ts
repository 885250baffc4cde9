/** The keys of a `backup init` that was interrupted before the repository was made. */
import { existsSync } from "node:fs";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { readTextFile } from "../../io/files/read-file.ts";
import { readIdentity } from "../../io/repository/identity.ts";
import { parseSigningKey, signingKeyPurpose } from "../../repository/signing.ts";

export interface BegunKeys {
  /** Of the repository. */
  readonly id: string;
  /** The signing key. */
  readonly pem: string;
  /** Of the identity, where that is on the disk too. */
  readonly recipient: string | undefined;
}

/**
 * Undefined where neither file is there. Throws `already-exists` where one is that was not made for a repository at this
 * address: it may be the only copy of another one's key.
 */
export async function findBegun(
  address: string,
  signingKeyFile: string,
  identityFile: string | undefined,
): Promise<BegunKeys | undefined> {
  const hasIdentity = identityFile !== undefined && existsSync(identityFile);
  if (!existsSync(signingKeyFile)) {
    if (hasIdentity) throw alreadyThere(identityFile);
    return undefined;
  }
  const pem = readTextFile(signingKeyFile);
  const purpose = signingKeyPurpose(pem);
  if (purpose?.address !== address) throw alreadyThere(signingKeyFile);
  const { publicKey } = parseSigningKey(pem, signingKeyFile);
  if (!hasIdentity) return { id: purpose.repository, pem, recipient: undefined };
  const { keys, signers } = readIdentity(identityFile);
  if (keys.length !== 1 || signers.join() !== publicKey) throw alreadyThere(identityFile);
  const { identityToRecipient } = await import("age-encryption");
  return { id: purpose.repository, pem, recipient: await identityToRecipient(defined(keys[0]).expose()) };
}

function alreadyThere(path: string): MendError {
  return new MendError("already-exists", `"${path}" exists already`, {
    where: path,
    hint: "a key that was lost cannot be made again: choose another path, or move that file away",
  });
}
