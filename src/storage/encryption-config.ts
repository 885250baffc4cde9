/**
 * The file that `kube-apiserver --encryption-provider-config` reads: which resources are encrypted at rest, with which keys. Both kinds of it:
 * `EncryptionConfiguration` of apiserver.config.k8s.io/v1, and `EncryptionConfig` of v1 (before Kubernetes 1.13), in YAML or JSON.
 * Source: k8s.io/apiserver/pkg/apis/apiserver/v1 and its validation.
 */
import { parseDocument } from "yaml";
import { z } from "zod";
import { MendError } from "../errors/errors.ts";

export type CipherName = "aescbc" | "aesgcm" | "secretbox";

export interface EncryptionKey {
  readonly name: string;
  /** 16, 24 or 32 bytes; 32 for secretbox. */
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
}

function keysOf(lengths: readonly number[]) {
  const allowed = lengths.length === 1 ? `${lengths[0]}` : `${lengths.slice(0, -1).join(", ")} or ${lengths.at(-1)}`;
  const secret = z.string().transform((text, context) => {
    const trimmed = text.trim();
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(trimmed) || trimmed === "") {
      context.addIssue({ code: "custom", message: `expected base64 of ${allowed} bytes, found other text` });
      return z.NEVER;
    }
    const bytes = new Uint8Array(Buffer.from(trimmed, "base64"));
    if (!lengths.includes(bytes.length)) {
      context.addIssue({ code: "custom", message: `expected a key of ${allowed} bytes, found ${bytes.length}` });
      return z.NEVER;
    }
    return bytes;
  });
  const key = z.strictObject({ name: z.string().min(1, "expected a key name, found an empty one"), secret });
  return z.strictObject({ keys: z.array(key).min(1, "expected at least one key") });
}

const AES = keysOf([16, 24, 32]);
const SECRETBOX = keysOf([32]);
const KMS = z.looseObject({
  apiVersion: z.enum(["v1", "v2"]).optional(),
  name: z.string().min(1, "expected the plugin's name"),
});

const PROVIDER_NAMES = ["identity", "aescbc", "aesgcm", "secretbox", "kms"];
const PROVIDER = z
  .looseObject({
    identity: z.union([z.looseObject({}), z.null()]).optional(),
    aescbc: AES.optional(),
    aesgcm: AES.optional(),
    secretbox: SECRETBOX.optional(),
    kms: KMS.optional(),
  })
  .transform((given, context): EncryptionProvider => {
    const named = Object.entries(given).filter(([, value]) => value !== undefined);
    const unknown = named.find(([name]) => !PROVIDER_NAMES.includes(name));
    if (unknown !== undefined) {
      context.addIssue({ code: "custom", message: `unknown provider "${unknown[0]}"` });
      return z.NEVER;
    }
    if (named.length !== 1) {
      const found = named.length === 0 ? "none" : named.map(([name]) => name).join(" and ");
      context.addIssue({
        code: "custom",
        message: `expected exactly one of identity, aescbc, aesgcm, secretbox and kms, found ${found}`,
      });
      return z.NEVER;
    }
    if (given.aescbc) return { type: "aescbc", keys: given.aescbc.keys };
    if (given.aesgcm) return { type: "aesgcm", keys: given.aesgcm.keys };
    if (given.secretbox) return { type: "secretbox", keys: given.secretbox.keys };
    if (given.kms) return { type: "kms", version: given.kms.apiVersion ?? "v1", name: given.kms.name };
    return { type: "identity" };
  });

const CONFIG = z.strictObject({
  apiVersion: z.string(),
  kind: z.string(),
  resources: z
    .array(
      z.strictObject({
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
 * Reads an encryption config. `name` is how messages call it, such as its path. Throws `encryption-config-invalid` with every wrong
 * field and its path; a key's bytes never get into a message.
 */
export function parseEncryptionConfig(text: string, name: string): EncryptionConfig {
  const value = parseYaml(text, name);
  const { apiVersion, kind } = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  if (!KINDS.some(([version, name]) => version === apiVersion && name === kind)) {
    throw new MendError(
      "encryption-config-invalid",
      `"${name}" is not an encryption config: expected kind "EncryptionConfiguration" of "apiserver.config.k8s.io/v1", found ${
        typeof kind === "string" ? `"${kind}" of "${String(apiVersion)}"` : "no kind"
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
  return { rules: result.data.resources };
}

function parseYaml(text: string, name: string): unknown {
  const document = parseDocument(text, { prettyErrors: false, logLevel: "error" });
  const [syntaxError] = document.errors;
  const message = `"${name}" is neither YAML nor JSON`;
  if (syntaxError !== undefined) {
    const line = text.slice(0, syntaxError.pos[0]).split("\n").length;
    throw new MendError("encryption-config-invalid", message, {
      where: `${name} · line ${line}`,
      cause: syntaxError,
    });
  }
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw new MendError("encryption-config-invalid", message, { cause }); // aliases that resolve to nothing, or to far too much
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
  if (issue.code === "unrecognized_keys") return `unknown field ${issue.keys.map((key) => `"${key}"`).join(", ")}`;
  if (issue.code === "custom") return issue.message;
  const text = issue.message.replace(/^Invalid \w+: /, "").replace("received", "found");
  return text[0] === undefined ? text : text[0].toLowerCase() + text.slice(1);
}
