/**
 * Facts as they may be shown to strangers: what looks like a secret is hidden, and names and addresses are replaced,
 * each always by the same word, so that what belongs together still does.
 */
import type { JsonObject, JsonValue } from "../kube/object.ts";

const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [^-]+-----[\s\S]*?(?:-----END [^-]+-----|$)/g, "<hidden: PEM>"],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?/g, "<hidden: token>"],
  [/\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g, "<hidden: token>"],
  [/\bAGE-SECRET-KEY-[A-Z0-9]+/gi, "<hidden: key>"],
  [/(:\/\/)[^/\s@]+@/g, "$1<hidden>@"],
  [/\b(Bearer|Basic)\s+[\w+/=.~-]{6,}/gi, "$1 <hidden>"],
  [
    /((?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|private[-_]?key)["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;]+)/gi,
    "$1<hidden>",
  ],
  // Base64 and hexadecimal, but not digests, which say which image or file it is.
  [/(?<!sha256:)(?<![\w+=])(?=[\w+]*\d)(?=[\w+]*[A-Za-z])[\w+]{40,}={0,2}/g, "<hidden: 40 characters or more>"],
];

/** A key of a field whose value is never shown, whatever it is. */
const SECRET_FIELD = /^(password|passwd|secret|token|.*-key-data|client-secret|data|stringData)$/i;

/** IPv4, and what may be IPv6. */
const ADDRESS = /\b(?:\d{1,3}\.){3}\d{1,3}\b|(?<![\w:.-])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:-]|\.\w)/gi;
const OWN = /^(?:127\.|0\.0\.0\.0$|::1$)/;

export interface RedactOptions {
  /** Names of machines; undefined leaves names and addresses as they are. */
  readonly machines: readonly string[] | undefined;
}

/** The same value, with every text in it redacted. Names of fields stay. */
export function redact(value: JsonValue, { machines }: RedactOptions): JsonValue {
  const nameOf = machines === undefined ? undefined : renamer(machines);
  const redactText = (text: string): string => {
    const withoutSecrets = SECRETS.reduce((shown, [pattern, put]) => shown.replace(pattern, put), text);
    return nameOf === undefined ? withoutSecrets : nameOf(withoutSecrets);
  };
  const walk = (each: JsonValue): JsonValue => {
    if (typeof each === "string") return redactText(each);
    if (Array.isArray(each)) return (each as readonly JsonValue[]).map(walk);
    if (typeof each !== "object" || each === null) return each;
    return Object.fromEntries(
      Object.entries(each as JsonObject).flatMap(([name, field]) => {
        if (field === undefined) return [];
        return [[name, SECRET_FIELD.test(name) && field !== null ? "<hidden>" : walk(field)]];
      }),
    );
  };
  return walk(value);
}

function renamer(machines: readonly string[]): (text: string) => string {
  const addresses = new Map<string, string>();
  const names = [...new Set(machines.filter((each) => each !== "" && each !== "localhost"))];
  const known = new Map(names.map((name, i) => [name, `machine-${i + 1}`]));
  // The longest first: `node-10` before `node-1`.
  const patterns = names
    .sort((a, b) => b.length - a.length)
    .map((name) => [new RegExp(`(?<![\\w.-])${escapePattern(name)}(?![\\w-]|\\.\\w)`, "gi"), name] as const);
  return (text) => {
    const named = patterns.reduce((shown, [pattern, name]) => shown.replace(pattern, known.get(name) ?? name), text);
    return named.replace(ADDRESS, (address) => {
      if (OWN.test(address) || !isAddress(address)) return address;
      const word = addresses.get(address) ?? `address-${addresses.size + 1}`;
      addresses.set(address, word);
      return word;
    });
  };
}

/** A time such as `10:42:17` has colons too: IPv6 has eight groups, or leaves some out. */
function isAddress(text: string): boolean {
  return text.includes(".") || text.split("::").length === 2 || /^[^:]+(?::[^:]+){7}$/.test(text);
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
