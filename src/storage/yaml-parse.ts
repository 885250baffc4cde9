/** YAML as `--storage-media-type=application/yaml` writes it: the JSON of an object, printed with sorted keys by Go's yaml package. */
import { parse } from "yaml";
import type { JsonValue } from "./object.ts";

/** Whether the bytes begin as such YAML does: with a field's name, a colon and a space or line break. */
export function looksLikeYaml(value: Uint8Array): boolean {
  const start = Buffer.from(value.subarray(0, 64)).toString("latin1");
  return /^[A-Za-z][A-Za-z0-9]*:[ \n]/.test(start);
}

/** Throws where the text is not YAML, repeats a key, or uses aliases (which can grow without bound and are never written). */
export function decodeYaml(text: string): JsonValue {
  const value: unknown = parse(text, {
    intAsBigInt: true,
    maxAliasCount: 0,
    stringKeys: true,
    logLevel: "silent",
    version: "1.2",
  });
  return narrow(value);
}

/** Integers that fit a number become one; minus zero is served as zero. */
function narrow(value: unknown): JsonValue {
  if (typeof value === "bigint") {
    return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  }
  if (Array.isArray(value)) return value.map(narrow);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, narrow(item)]));
  }
  if (value === undefined) return null;
  return value === 0 ? 0 : (value as JsonValue);
}
