/** YAML as `--storage-media-type=application/yaml` writes it: the JSON of an object, printed with sorted keys by Go's yaml package. */
import type { JsonValue } from "../kube/object.ts";
import { readYaml, YamlFault } from "../kube/read-yaml.ts";
import type { TimeLimit } from "../kube/within-time.ts";
import { MAX_DEPTH } from "./json-parse.ts";

/** Whether the bytes begin as such YAML does: with a field's name, a colon and a space or line break. */
export function looksLikeYaml(value: Uint8Array): boolean {
  const start = Buffer.from(value.subarray(0, 64)).toString("latin1");
  return /^[A-Za-z][A-Za-z0-9]*:[ \n]/.test(start);
}

/** As long as any value that etcd takes, and longer. */
const LIMITS = { characters: 16 << 20, explicitKeys: 16, anchors: 2000 };
/** Threads that sweep a file read it, and those end with the main one. */
const TIME: TimeLimit = { milliseconds: 30_000, hearsInterrupt: false };

/**
 * Throws a SyntaxError or RangeError where the text is not YAML, repeats a key, is nested too deeply, or uses aliases
 * (which can grow without bound and are never written).
 */
export function decodeYaml(text: string, time: TimeLimit = TIME): JsonValue {
  let value: unknown;
  try {
    const options = { version: "1.2", repeated: "fault", aliases: 0, bigints: true } as const;
    value = readYaml(text, { ...options, limits: LIMITS, time });
  } catch (cause) {
    if (cause instanceof YamlFault) throw new SyntaxError("YAML is not well-formed", { cause });
    throw cause;
  }
  return narrow(value, 0);
}

/** Integers that fit a number become one; minus zero is served as zero. */
function narrow(value: unknown, depth: number): JsonValue {
  if (depth > MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH} levels`);
  if (typeof value === "bigint") {
    return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  }
  if (Array.isArray(value)) return value.map((item) => narrow(item, depth + 1));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, narrow(item, depth + 1)]));
  }
  if (value === undefined) return null;
  return value === 0 ? 0 : (value as JsonValue);
}
