/**
 * The filters of a JSONPath: `@.type=="Ready"`, `@.spec.replicas>@.status.replicas`, `"web"==@.name`, `@.spec`. Source:
 * k8s.io/client-go/util/jsonpath (parser.go, jsonpath.go).
 */
import type { JsonValue } from "../../kube/object.ts";

/** A path from the item, or a constant. */
type Side<Path> = { readonly path: Path } | { readonly value: JsonValue };

export interface JsonPathFilter<Path> {
  readonly left: Side<Path>;
  /** Undefined: whether there is anything on the left. */
  readonly comparison: { readonly operator: string; readonly right: Side<Path> } | undefined;
}

const QUOTED = /'[^']*'|"[^"]*"/;
const COMPARISON = new RegExp(`^((?:${QUOTED.source}|[^'"!<>=])+?)\\s*(==|!=|<=|>=|<|>)\\s*(.+)$`, "s");

/** Undefined for one that is not understood. `parsePath` gives undefined likewise. */
export function parseFilter<Path>(
  text: string,
  parsePath: (path: string) => Path | undefined,
): JsonPathFilter<Path> | undefined {
  const [, first, operator, second] = COMPARISON.exec(text) ?? [];
  const left = parseSide(first ?? text, parsePath);
  if (left === undefined) return undefined;
  if (operator === undefined || second === undefined) return { left, comparison: undefined };
  const right = parseSide(second, parsePath);
  return right === undefined ? undefined : { left, comparison: { operator, right } };
}

function parseSide<Path>(given: string, parsePath: (path: string) => Path | undefined): Side<Path> | undefined {
  const text = given.trim();
  if (new RegExp(`^(?:${QUOTED.source})$`).test(text)) return { value: text.slice(1, -1) };
  if (/[=~<>!&|'"]/.test(text.replace(new RegExp(QUOTED.source, "g"), ""))) return undefined;
  if (/^[@$]/.test(text)) {
    const path = parsePath(text.slice(1));
    return path === undefined ? undefined : { path };
  }
  if (text === "true" || text === "false") return { value: text === "true" };
  if (text === "") return undefined;
  return { value: Number.isNaN(Number(text)) ? text : Number(text) };
}

/**
 * Whether the item passes. Nothing is compared with what is not there. `incomparable` is called for a text beside a number,
 * and for several values on a side; what it has not thrown does not pass.
 */
export function passesFilter<Path>(
  { left, comparison }: JsonPathFilter<Path>,
  item: JsonValue,
  find: (path: Path, value: JsonValue) => readonly JsonValue[],
  incomparable: ((a: JsonValue, b: JsonValue) => void) | undefined,
): boolean {
  const valuesOf = (side: Side<Path>): readonly JsonValue[] => ("path" in side ? find(side.path, item) : [side.value]);
  const lefts = valuesOf(left);
  if (comparison === undefined) return lefts.length > 0;
  const rights = valuesOf(comparison.right);
  const [a, b] = [lefts[0], rights[0]];
  if (a === undefined || b === undefined || a === null || b === null) return false;
  if (lefts.length > 1 || rights.length > 1 || typeof a !== typeof b || typeof a === "object") {
    incomparable?.(a, b);
    return false;
  }
  switch (comparison.operator) {
    case "==":
      return a === b;
    case "!=":
      return a !== b;
    case "<":
      return a < b;
    case ">":
      return a > b;
    case "<=":
      return a <= b;
    default:
      return a >= b;
  }
}
