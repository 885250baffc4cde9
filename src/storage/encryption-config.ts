/**
 * The file that `kube-apiserver --encryption-provider-config` reads: which resources are encrypted at rest, with which
 * keys. Both kinds of it: `EncryptionConfiguration` of apiserver.config.k8s.io/v1, and `EncryptionConfig` of v1 (before
 * Kubernetes 1.13), in YAML or JSON. Source: k8s.io/apiserver/pkg/apis/apiserver/v1 and its validation.
 */
import { z } from "zod";
import { type Finding, MendError } from "../errors/errors.ts";
import { shownWord } from "../errors/secret.ts";
import { readYaml, YamlFault } from "../kube/read-yaml.ts";
import { CIPHER_NAMES, CIPHERS, type CipherName } from "./ciphers.ts";

export interface EncryptionKey {
  readonly name: string;
  /** As many bytes as the cipher takes. */
  readonly secret: Uint8Array;
}

export type EncryptionProvider =
  | { readonly type: "identity" }
  | { readonly type: CipherName; readonly keys: readonly EncryptionKey[] }
  | { readonly type: "kms"; readonly version: "v1" | "v2"; readonly name: string };

/** The providers of some resources: the first one encrypts, each of them decrypts. */
export interface EncryptionRule {
  /** `secrets`, `deployments.apps`, `*.apps` (a whole group), `*.` (the core group), `*.*` (everything). */
  readonly resources: readonly string[];
  readonly providers: readonly EncryptionProvider[];
}

export interface EncryptionConfig {
  readonly rules: readonly EncryptionRule[];
  /** Fields that no API server knows: newer ones refuse a file that has any, older ones pass over them. */
  readonly findings: readonly Finding[];
}

function keysOf(lengths: readonly number[]) {
  const allowed = lengths.length === 1 ? `${lengths[0]}` : `${lengths.slice(0, -1).join(", ")} or ${lengths.at(-1)}`;
  const secret = z.string().transform((text, context) => {
    // Go's base64 passes over line breaks, wherever they are, and over nothing else.
    const joined = text.replace(/[\r\n]/g, "");
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(joined) || joined === "") {
      context.addIssue({ code: "custom", message: `expected base64 of ${allowed} bytes, found other text` });
      return z.NEVER;
    }
    const bytes = new Uint8Array(Buffer.from(joined, "base64"));
    if (!lengths.includes(bytes.length)) {
      context.addIssue({ code: "custom", message: `expected a key of ${allowed} bytes, found ${bytes.length}` });
      return z.NEVER;
    }
    return bytes;
  });
  const key = z.looseObject({ name: z.string().min(1, "expected a key name, found an empty one"), secret });
  return z.looseObject({ keys: z.array(key).min(1, "expected at least one key") });
}

const KMS = z.looseObject({
  apiVersion: z.enum(["v1", "v2"]).optional(),
  name: z.string().min(1, "expected the plugin's name"),
});

const PROVIDER_NAMES = ["identity", ...CIPHER_NAMES, "kms"];
type CipherField = z.ZodType<{ readonly keys: readonly EncryptionKey[] } | null | undefined>;

function cipherFields(): Record<CipherName, CipherField> {
  const fields = CIPHER_NAMES.map((name) => [name, keysOf(CIPHERS[name].keySizes).nullish()]);
  return Object.fromEntries(fields) as Record<CipherName, CipherField>;
}

const PROVIDER = z
  .looseObject({
    identity: z.looseObject({}).nullish(),
    ...cipherFields(),
    kms: KMS.nullish(),
  })
  .transform((given, context): EncryptionProvider => {
    // null is as good as left out, and another name is a field that an API server does not know.
    const all = Object.entries(given).filter(([, value]) => value !== undefined && value !== null);
    const named = all.filter(([name]) => PROVIDER_NAMES.includes(name));
    const unknown = all.find(([name]) => !PROVIDER_NAMES.includes(name));
    if (named.length === 0 && unknown !== undefined) {
      context.addIssue({ code: "custom", message: `unknown provider "${shownWord(unknown[0])}"` });
      return z.NEVER;
    }
    if (named.length !== 1) {
      const found = named.length === 0 ? "none" : named.map(([name]) => name).join(" and ");
      context.addIssue({
        code: "custom",
        message: `expected exactly one of ${PROVIDER_NAMES.slice(0, -1).join(", ")} and kms, found ${found}`,
      });
      return z.NEVER;
    }
    for (const type of CIPHER_NAMES) {
      const keys = given[type]?.keys;
      if (keys !== undefined) return { type, keys };
    }
    if (given.kms) return { type: "kms", version: given.kms.apiVersion ?? "v1", name: given.kms.name };
    return { type: "identity" };
  });

const CONFIG = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  resources: z
    .array(
      z.looseObject({
        resources: z.array(z.string().min(1)).min(1, "expected at least one resource"),
        providers: z.array(PROVIDER).min(1, "expected at least one provider"),
      }),
    )
    .min(1, "expected at least one rule"),
});

const KINDS: readonly (readonly [apiVersion: string, kind: string])[] = [
  ["apiserver.config.k8s.io/v1", "EncryptionConfiguration"],
  ["v1", "EncryptionConfig"],
];

/**
 * Reads an encryption config. `name` is how messages call it, such as its path. Throws `encryption-config-invalid` with
 * every wrong
 * field and its path; a key's bytes never get into a message.
 */
export function parseEncryptionConfig(text: string, name: string): EncryptionConfig {
  const value = parseYaml(text, name);
  const { apiVersion, kind } = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  if (!KINDS.some(([version, name]) => version === apiVersion && name === kind)) {
    throw new MendError(
      "encryption-config-invalid",
      `"${name}" is not an encryption config: expected kind "EncryptionConfiguration" of "apiserver.config.k8s.io/v1", found ${
        typeof kind === "string" ? `"${shownWord(kind)}" of "${shownVersion(apiVersion)}"` : "no kind"
      }`,
      { hint: "pass the file that kube-apiserver was given as --encryption-provider-config" },
    );
  }
  const result = CONFIG.safeParse(value);
  if (!result.success) {
    const wrong = result.error.issues.map((issue) => `${pathText(issue.path)}: ${issueText(issue)}`);
    throw new MendError("encryption-config-invalid", `"${name}" is wrong at ${wrong.join("; ")}`, {
      hint: "pass the file as kube-apiserver was given it",
    });
  }
  const rules = result.data.resources.map(({ resources, providers }) => ({ resources, providers }));
  const unknown = [...unknownFields(value as Fields, FIELDS, "")];
  if (unknown.length === 0) return { rules, findings: [] };
  const noted = `the encryption config has fields that nobody knows (${unknown.join(", ")}): a newer API server refuses it`;
  return { rules, findings: [{ level: "warning", code: "encryption-config-unknown-field", where: name, text: noted }] };
}

/** As API versions are written: anything else may be anything. */
function shownVersion(version: unknown): string {
  return typeof version === "string" && /^[a-z.0-9]{0,40}(?:\/v\d[a-z0-9]{0,8})?$/.test(version) ? version : "…";
}

type Fields = Readonly<Record<string, unknown>>;
/** Known fields, with those of the objects in them. */
interface Known {
  readonly [name: string]: Known | undefined;
}

const KEYS: Known = { keys: { name: {}, secret: {} } };
const KMS_FIELDS: Known = { apiVersion: {}, name: {}, cachesize: {}, endpoint: {}, timeout: {} };
const FIELDS: Known = {
  apiVersion: {},
  kind: {},
  resources: {
    resources: {},
    providers: {
      identity: {},
      ...Object.fromEntries(CIPHER_NAMES.map((name) => [name, KEYS])),
      kms: KMS_FIELDS,
    },
  },
};

/** Their paths, never their values. */
function* unknownFields(value: unknown, known: Known, path: string): Generator<string> {
  if (Array.isArray(value)) {
    for (const [i, each] of value.entries()) yield* unknownFields(each, known, `${path}[${i}]`);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, each] of Object.entries(value)) {
      const place = path === "" ? shownWord(name) : `${path}.${shownWord(name)}`;
      if (!Object.hasOwn(known, name)) yield place;
      else yield* unknownFields(each, known[name] ?? {}, place);
    }
  }
}

/** The first document, as Kubernetes reads a file. */
function parseYaml(text: string, name: string): unknown {
  try {
    return readYaml(text);
  } catch (error) {
    if (!(error instanceof YamlFault)) throw error;
    throw new MendError("encryption-config-invalid", `"${name}" is neither YAML nor JSON: ${error.message}`, {
      where: error.line === undefined ? name : `${name} · line ${error.line}`,
      hint: "pass the file as kube-apiserver was given it",
    });
  }
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("")
    .replace(/^\./, "");
}

/** zod's sentences in this project's grammar. */
function issueText(issue: z.core.$ZodIssue): string {
  if (issue.code === "custom") return issue.message;
  const text = issue.message.replace(/^Invalid \w+: /, "").replace("received", "found");
  return text[0] === undefined ? text : text[0].toLowerCase() + text.slice(1);
}
