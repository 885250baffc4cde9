/** `repository.json`: what a repository is, written once by `backup init`. Not a secret. */
import { z } from "zod";
import { MendError } from "../errors/errors.ts";

const FORMAT = "kubemend backup repository 1";

const SCHEMA = z.object({
  format: z.literal(FORMAT),
  /** 32 hex digits. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  created: z.iso.datetime(),
  /** The public key of who writes, `ed25519:BASE64`. */
  signer: z.string().regex(/^ed25519:[A-Za-z0-9+/]{43}=$/),
  /** Public keys of who can read, `age1…`; null for a repository that is not encrypted. */
  recipients: z
    .array(z.string().regex(/^age1[a-z0-9]+$/))
    .min(1)
    .nullable(),
  /** Whether the store was seen to refuse a second object of the same name. */
  exclusive: z.boolean(),
});

export type RepositoryDescription = Omit<z.infer<typeof SCHEMA>, "format">;

export function encodeDescription(description: RepositoryDescription): Uint8Array {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, ...description }, null, 2)}\n`);
}

/** Throws `repository-damaged`. */
export function decodeDescription(bytes: Uint8Array, where: string): RepositoryDescription {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch (error) {
    throw invalid(where, "it is not JSON", error);
  }
  const result = SCHEMA.safeParse(value);
  if (result.success) {
    const { format: _, ...description } = result.data;
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
