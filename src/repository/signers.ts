/** Who signs the links of a repository: a key, and after each rotation another one, from a link on. */
import { defined } from "../errors/defined.ts";

export interface Signer {
  /** The public key, `ed25519:BASE64`. */
  readonly key: string;
  /** The first link that it signs. */
  readonly from: number;
}

/** Ascending; the first one signs from link 1 on. */
export type Signers = readonly Signer[];

/** The public key that signs a link. A link that a former key signed later is not accepted: that key may be stolen. */
export function signerAt(signers: Signers, sequence: number): string {
  return defined(signers.findLast(({ from }) => from <= sequence) ?? signers[0]).key;
}

export function currentSigner(signers: Signers): Signer {
  return defined(signers.at(-1));
}
