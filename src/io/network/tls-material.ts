import type { SecureContextOptions } from "node:tls";

/** What a connection shows of itself and accepts of the other side. */
export interface TlsMaterial extends Pick<SecureContextOptions, "ca" | "cert" | "key"> {
  readonly rejectUnauthorized: boolean;
}
