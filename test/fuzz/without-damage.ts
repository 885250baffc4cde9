import { MendError } from "../../src/errors/errors.ts";

/**
 * Gives the same bytes to each decoder, whether those before it took them or not. Throws what is no `MendError` of the
 * user's.
 */
export function withoutDamage(decoders: readonly ((bytes: Uint8Array) => unknown)[], bytes: Uint8Array): void {
  for (const decode of decoders) {
    try {
      decode(bytes);
    } catch (error) {
      if (!(error instanceof MendError) || error.code === "internal") throw error;
    }
  }
}
