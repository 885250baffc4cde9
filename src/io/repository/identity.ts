/**
 * Who reads a repository: an identity file as age's, with the repository's signing key beside it, so that a repository
 * that somebody else made in its place is noticed.
 */
import { MendError } from "../../errors/errors.ts";
import { Secret } from "../../errors/secret.ts";
import { readTextFile } from "../files/read-file.ts";

export interface Identity {
  /** `AGE-SECRET-KEY-1…` each. */
  readonly keys: readonly Secret[];
  /** The public signing keys that it trusts; none for a plain identity file of age's, which trusts what the repository says. */
  readonly signers: readonly string[];
}

export const NO_IDENTITY: Identity = { keys: [], signers: [] };

/** `former`: identities that the file opens too, of before a rotation. */
export function encodeIdentity(
  key: string,
  recipient: string,
  signers: readonly string[],
  repository: string,
  former: readonly Secret[] = [],
): string {
  return [
    "# Opens a kubemend backup repository. Keep it away from the cluster and from the repository: whoever has it reads every secret.",
    `# repository: ${repository}`,
    ...signers.map((signer) => `# signer: ${signer}`),
    `# public key: ${recipient}`,
    key,
    ...former.map((each) => each.expose()),
    "",
  ].join("\n");
}

/** Throws as reading a file does, and `config-invalid` for one without an identity. */
export function readIdentity(path: string): Identity {
  const lines = readTextFile(path)
    .split("\n")
    .map((line) => line.trim());
  const keys = lines.filter((line) => line.startsWith("AGE-SECRET-KEY-"));
  const signers = lines.flatMap((line) => /^# signer: (ed25519:\S+)$/.exec(line)?.[1] ?? []);
  if (keys.length === 0 && signers.length === 0) {
    throw new MendError("config-invalid", `"${path}" holds no age identity`, {
      where: path,
      hint: "give the identity file that kubemend backup init wrote: it has a line that begins with AGE-SECRET-KEY-1",
    });
  }
  return { keys: keys.map((key) => new Secret(key)), signers };
}
