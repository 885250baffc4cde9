/**
 * A record of what `backup prune` removes, signed and written before anything is, so that a link that is missing
 * without one was removed by somebody else:
 *
 *     kubemend pruned 1 {JSON}
 *     SIGNATURE
 */
import { z } from "zod";
import { MendError } from "../errors/errors.ts";
import { currentSigner, type Signers } from "./signers.ts";
import { isSignedBy, readSignature, type SigningKey, signatureText } from "./signing.ts";

const MAGIC = "kubemend pruned 1 ";

export const PRUNED_RANGE = z.object({
  from: z.number().int().positive(),
  to: z.number().int().positive(),
  /** The hash of the last link of the range, which the link after it holds. */
  lastHash: z.string().regex(/^[0-9a-f]{64}$/),
});
const SCHEMA = z.object({ repository: z.string(), time: z.iso.datetime(), ranges: z.array(PRUNED_RANGE) });

export type PrunedRange = z.infer<typeof PRUNED_RANGE>;
export type PruneRecord = z.infer<typeof SCHEMA>;

export function encodePruneRecord(record: PruneRecord, key: SigningKey): Uint8Array {
  const line = Buffer.from(`${MAGIC}${JSON.stringify(record)}\n`);
  return Buffer.concat([line, Buffer.from(`${signatureText(key.sign(line))}\n`)]);
}

/**
 * Undefined for one that a former key signed: its rotation names what had been pruned. Throws `repository-damaged` for
 * what is no record of this repository.
 */
export function decodePruneRecord(
  bytes: Uint8Array,
  repository: string,
  signers: Signers,
  where: string,
): PruneRecord | undefined {
  const buffer = Buffer.from(bytes);
  const end = buffer.indexOf(0x0a) + 1;
  const refuse = (text: string): never => {
    throw new MendError("repository-damaged", `"${where}" is not a record of a prune: ${text}`, { where });
  };
  if (end === 0 || buffer.subarray(0, MAGIC.length).toString("latin1") !== MAGIC)
    return refuse("it does not begin as one does");
  const line = buffer.subarray(0, end);
  const [, text = ""] = /^(\S+)\n$/.exec(buffer.subarray(end).toString("latin1")) ?? [];
  const signature = readSignature(text);
  const by = signature && signers.findLast(({ key }) => isSignedBy(key, line, signature));
  if (by === undefined) return refuse("its signature was not made with the repository's signing key");
  if (by !== currentSigner(signers)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line.subarray(MAGIC.length).toString());
  } catch {
    return refuse("it is not JSON");
  }
  const result = SCHEMA.safeParse(value);
  if (!result.success) return refuse(result.error.issues[0]?.message ?? "it lacks something");
  if (result.data.repository !== repository) return refuse(`it belongs to the repository ${result.data.repository}`);
  return result.data;
}
