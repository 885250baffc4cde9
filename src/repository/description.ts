/**
 * `repository.json`: what a repository is, written once by `backup init`. Not a secret, and signed: who could exchange
 * the recipients would read everything that is stored from then on.
 */
import { z } from "zod";
import { MendError } from "../errors/errors.ts";
import { isSignedBy, readSignature, type SigningKey, signatureText } from "./signing.ts";

const FORMAT = "kubemend backup repository 1";

export const PUBLIC_KEY = z.string().regex(/^ed25519:[A-Za-z0-9+/]{43}=$/);
/** Public keys of who can read, `age1…`; null for a repository that is not encrypted. */
export const RECIPIENTS = z
  .array(z.string().regex(/^age1[a-z0-9]+$/))
  .min(1)
  .nullable();

const SCHEMA = z.object({
  format: z.literal(FORMAT),
  /** 32 hex digits. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  created: z.iso.datetime(),
  /** The public key of who writes, `ed25519:BASE64`. */
  signer: PUBLIC_KEY,
  recipients: RECIPIENTS,
  /** Whether the store was seen to refuse a second object of the same name. */
  exclusive: z.boolean(),
});

/** The signature is of the other fields, as compact JSON in the order of the schema. */
const SIGNED_SCHEMA = SCHEMA.extend({ signature: z.string() });

export type RepositoryDescription = Omit<z.infer<typeof SCHEMA>, "format">;

/** `key` is that of the description's signer. */
export function encodeDescription(description: RepositoryDescription, key: SigningKey): Uint8Array {
  const fields = SCHEMA.parse({ format: FORMAT, ...description });
  const signature = signatureText(key.sign(signedBytes(fields)));
  return Buffer.from(`${JSON.stringify({ ...fields, signature }, null, 2)}\n`);
}

function signedBytes(fields: z.infer<typeof SCHEMA>): Uint8Array {
  return Buffer.from(JSON.stringify(SCHEMA.parse(fields)));
}

/** Throws `repository-damaged`. */
export function decodeDescription(bytes: Uint8Array, where: string): RepositoryDescription {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch (error) {
    throw invalid(where, "it is not JSON", error);
  }
  const result = SIGNED_SCHEMA.safeParse(value);
  if (result.success) {
    const { signature: text, ...fields } = result.data;
    const signature = readSignature(text);
    if (signature === undefined || !isSignedBy(fields.signer, signedBytes(fields), signature))
      throw invalid(where, "its signature was not made with the signing key that it names");
    const { format: _, ...description } = fields;
    return description;
  }
  const [issue] = result.error.issues;
  throw invalid(where, `${issue?.path.join(".") || "it"}: ${issue?.message}`);
}

function invalid(where: string, text: string, cause?: unknown): MendError {
  return new MendError("repository-damaged", `"${where}" does not describe a backup repository: ${text}`, {
    where,
    hint: "check the address; a newer kubemend may have written it",
    ...(cause === undefined ? {} : { cause }),
  });
}
