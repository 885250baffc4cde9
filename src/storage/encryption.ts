/**
 * Encryption at rest: opens values that the API server encrypted before it gave them to etcd. Such a value starts with
 * `k8s:enc:PROVIDER:v1:KEYNAME:`, then the bytes of the cipher. Source: k8s.io/apiserver/pkg/storage/value/encrypt and
 * pkg/server/options/encryptionconfig.
 */
import { defined } from "../errors/defined.ts";
import type { DecodedValue, StoredValue, Transformer } from "../kube/object.ts";
import { CIPHERS, type CipherName } from "./ciphers.ts";
import type { EncryptionConfig, EncryptionProvider } from "./encryption-config.ts";
import { type ResourceId, resourceOfKey } from "./object-key.ts";

type Opened = ReturnType<Transformer["open"]>;

/** What an encrypted value says about itself. */
export interface EncryptionHeader {
  /** `aescbc`, `aesgcm`, `secretbox`, `kms`, or one that this version does not know. */
  readonly provider: string;
  readonly version: string;
  /** The key's name; for KMS the plugin's. Empty when the value does not hold one. */
  readonly keyName: string;
}

const PREFIX = Buffer.from("k8s:enc:");
/** A longer provider, version or key name than any real one: the value is not read further in search of a colon. */
const LONGEST_HEADER = 1024;

/** Reads `k8s:enc:PROVIDER:VERSION:KEYNAME:`, or returns undefined when the value is not encrypted. */
export function readEncryptionHeader(value: Uint8Array): EncryptionHeader | undefined {
  for (let i = 0; i < PREFIX.length; i++) if (value[i] !== PREFIX[i]) return undefined;
  const text = latin1(value.subarray(PREFIX.length, LONGEST_HEADER));
  const [provider = "", version = "", keyName] = text.split(":", 3);
  const closed = text.startsWith(`${provider}:${version}:${keyName}:`);
  return {
    provider,
    version,
    keyName: closed ? utf8(defined(keyName)) : "",
  };
}

/**
 * A transformer with the keys of `config`, or, without one, one that only recognises encrypted values. Values that are
 * not encrypted, such as those written before encryption was turned on, come back as they are. `prefix` is the etcd
 * prefix without a slash at its end.
 */
export function createTransformer(config?: Pick<EncryptionConfig, "rules">, prefix?: string): Transformer {
  if (config === undefined) return { open: (stored) => withoutKeys(stored) };
  const providersOf = providersByResource(config);
  return {
    open(stored) {
      const header = readEncryptionHeader(stored.value);
      if (header === undefined) return stored.value;
      if (header.provider === "kms") return kms(header);
      const resource = resourceOfKey(stored.key, prefix);
      return decrypt(stored, header, resource && providersOf(resource), resource);
    },
  };
}

function withoutKeys(stored: StoredValue): Opened {
  const header = readEncryptionHeader(stored.value);
  if (header === undefined) return stored.value;
  if (header.provider === "kms") return kms(header);
  return encrypted(
    header,
    `encrypted with ${header.provider} key "${header.keyName}", and no encryption config was given`,
  );
}

function kms(header: EncryptionHeader): Opened {
  return encrypted(
    header,
    `encrypted by KMS ${header.version} plugin "${header.keyName}": only the plugin can decrypt it, which needs its key service`,
  );
}

function encrypted(
  { provider, keyName }: EncryptionHeader,
  text: string,
): Extract<DecodedValue, { state: "encrypted" }> {
  return { state: "encrypted", provider, keyName, text };
}

/**
 * The providers for a resource, found as the API server finds them: a rule for the resource itself, then one for its group, then `*.*`; a
 * rule that comes after a wildcard which covers it is never used; and rules that name the same resource add up.
 */
export function providersByResource(
  config: Pick<EncryptionConfig, "rules">,
): (resource: ResourceId) => readonly EncryptionProvider[] | undefined {
  const rules = new Map<string, EncryptionProvider[]>();
  for (const { resources, providers } of config.rules) {
    for (const name of new Set(resources)) {
      const dot = name.indexOf(".");
      const resource = dot < 0 ? name : name.slice(0, dot);
      const group = dot < 0 ? "" : name.slice(dot + 1);
      const masked = (resource !== "*" && rules.has(`*.${group}`)) || (name !== "*.*" && rules.has("*.*"));
      if (masked) continue;
      const id = `${resource}.${group}`;
      rules.set(id, [...(rules.get(id) ?? []), ...providers]);
    }
  }
  return ({ resource, groups }) => {
    for (const group of groups) {
      const found = rules.get(`${resource}.${group}`);
      if (found) return found;
    }
    for (const group of groups) {
      const found = rules.get(`*.${group}`);
      if (found) return found;
    }
    return rules.get("*.*");
  };
}

function decrypt(
  stored: StoredValue,
  header: EncryptionHeader,
  providers: readonly EncryptionProvider[] | undefined,
  resource: ResourceId | undefined,
): Opened {
  const what = `encrypted with ${header.provider} key "${header.keyName}"`;
  if (providers === undefined) {
    return encrypted(
      header,
      `${what}, and no rule of the encryption config covers "${resourceName(stored, resource)}"`,
    );
  }
  const cipher = Object.hasOwn(CIPHERS, header.provider) ? CIPHERS[header.provider as CipherName] : undefined;
  if (cipher === undefined) return encrypted(header, `${what}, a provider that this version does not know`);
  let tried = false;
  for (const provider of providers) {
    if (provider.type !== header.provider || !("keys" in provider)) continue;
    for (const key of provider.keys) {
      const start = `k8s:enc:${provider.type}:v1:${key.name}:`;
      if (!startsWith(stored.value, start)) continue;
      tried = true;
      const plain = cipher.open(stored.value.subarray(Buffer.byteLength(start)), key.secret, stored.key);
      if (plain !== undefined) return plain;
    }
  }
  if (tried) {
    const text =
      `${header.provider} key "${header.keyName}" of the encryption config does not open it: the key is ` +
      "another one of the same name, or the value is damaged";
    return { state: "unreadable", text };
  }
  const names = providers.flatMap((provider) =>
    provider.type === header.provider && "keys" in provider ? provider.keys.map((key) => `"${key.name}"`) : [],
  );
  const given = names.length === 0 ? `no ${header.provider} key` : `only ${names.join(", ")}`;
  return encrypted(header, `${what}, and the encryption config has ${given} for "${resourceName(stored, resource)}"`);
}

function resourceName(stored: StoredValue, resource: ResourceId | undefined): string {
  if (resource === undefined) return stored.key;
  const [group] = resource.groups;
  return group ? `${resource.resource}.${group}` : resource.resource;
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  const start = Buffer.from(text);
  return bytes.length >= start.length && start.equals(bytes.subarray(0, start.length));
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
const utf8 = (text: string): string => Buffer.from(text, "latin1").toString("utf8");
