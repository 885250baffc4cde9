/** Encrypts values as the API server does at rest: the inverse of `encryption.ts`. */
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import { CIPHERS } from "./ciphers.ts";
import { providersByResource, readEncryptionHeader } from "./encryption.ts";
import type { EncryptionConfig, EncryptionKey } from "./encryption-config.ts";
import { resourceOfKey } from "./object-key.ts";

/**
 * The value to store under an etcd key: encrypted by the first provider for its resource, or plain where that is
 * `identity` or no rule covers it. Without a config, plain. Throws `unsupported` for a KMS plugin.
 */
export function sealValue(
  plain: Uint8Array,
  key: string,
  config: EncryptionConfig | undefined,
  prefix: string,
): Uint8Array {
  const resource = config && resourceOfKey(key, prefix);
  const [provider] = (resource && providersByResource(defined(config))(resource)) ?? [];
  if (provider === undefined || provider.type === "identity") return plain;
  if (provider.type === "kms") {
    throw new MendError("unsupported", `"${key}" is to be encrypted by KMS plugin "${provider.name}"`, {
      where: key,
      hint: "only the plugin can do that, which needs its key service: leave this object out, or remove it",
    });
  }
  const [first] = provider.keys as readonly [EncryptionKey, ...EncryptionKey[]];
  const header = Buffer.from(`k8s:enc:${provider.type}:v1:${first.name}:`);
  return Buffer.concat([header, CIPHERS[provider.type].seal(plain, first.secret, key)]);
}

/** Whether a stored value is encrypted. */
export function isSealed(value: Uint8Array): boolean {
  return readEncryptionHeader(value) !== undefined;
}
