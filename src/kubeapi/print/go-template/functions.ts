/**
 * The functions of Go templates, and those that kubectl adds. Sources: text/template/funcs.go,
 * k8s.io/cli-runtime/pkg/printers/template.go.
 */
import { MendError } from "../../../errors/errors.ts";
import type { JsonObject, JsonValue } from "../../../kube/object.ts";
import { goText } from "../go-text.ts";

type Value = JsonValue | undefined;

export const NO_VALUE = "<no value>";

/** Throws `usage` for a function that there is not, and for arguments that it cannot take. */
export function callFunction(name: string, args: readonly Value[]): Value {
  const found = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (found === undefined)
    throw new MendError("usage", `templates have no function "${name}"`, {
      hint: `there are ${Object.keys(FUNCTIONS).sort().join(", ")}`,
    });
  return found(...args);
}

/** Whether Go takes it for true: neither false, 0, empty nor absent. */
export function isTrue(value: Value): boolean {
  if (typeof value !== "object" || value === null) return Boolean(value);
  return Object.keys(value).length > 0;
}

const FUNCTIONS: Readonly<Record<string, (...args: readonly Value[]) => Value>> = {
  and: (...args) => args.find((each) => !isTrue(each)) ?? (args.every(isTrue) ? args.at(-1) : undefined),
  or: (...args) => args.find(isTrue) ?? args.at(-1),
  not: (value) => !isTrue(value),
  eq: (value, ...others) => others.some((each) => same(value, each)),
  ne: (a, b) => !same(a, b),
  lt: (a, b) => order(a, b) < 0,
  le: (a, b) => order(a, b) <= 0,
  gt: (a, b) => order(a, b) > 0,
  ge: (a, b) => order(a, b) >= 0,
  len: (value) => {
    if (typeof value === "string") return Buffer.byteLength(value);
    if (typeof value === "object" && value !== null) return Object.keys(value).length;
    throw new MendError("usage", `templates have no length of ${goText(value)}`);
  },
  index: (value, ...keys) => keys.reduce<Value>(itemThere, value),
  slice: (value, from = 0, to) => {
    if (typeof value !== "string" && !Array.isArray(value))
      throw new MendError("usage", `templates cannot slice ${goText(value)}`);
    return value.slice(Number(from), to === undefined ? undefined : Number(to)) as JsonValue;
  },
  print: (...args) => printed(args),
  println: (...args) => `${args.map(goText).join(" ")}\n`,
  printf: (format, ...args) => formatted(String(format), args),
  html: (...args) => printed(args).replace(/[<>&'"\0]/g, (character) => HTML[character] ?? character),
  js: (...args) => printed(args).replace(/[\\'"<>&=\p{Cc}]/gu, jsEscape),
  urlquery: (value) => encodeURIComponent(goText(value)).replaceAll("%20", "+"),
  base64decode: (value) => {
    const text = String(value ?? "").replace(/[\r\n]/g, "");
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text))
      throw new MendError("usage", "templates decode base64, and this is none");
    return Buffer.from(text, "base64").toString();
  },
  exists: (value, ...keys) => keys.reduce<Value>(item, value) !== undefined,
};

const HTML: Readonly<Record<string, string>> = {
  ...{ "<": "&lt;", ">": "&gt;", "&": "&amp;" },
  ...{ "'": "&#39;", '"': "&#34;", "\0": "\uFFFD" },
};

function jsEscape(character: string): string {
  if (/[\\'"]/.test(character)) return `\\${character}`;
  return `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** As fmt.Sprint: a space between two that are both no text. */
function printed(args: readonly Value[]): string {
  return args
    .map((each, i) => (i > 0 && typeof each !== "string" && typeof args[i - 1] !== "string" ? " " : "") + goText(each))
    .join("");
}

/** A place that a list does not have is an error, and a name that a map does not have is none. */
function itemThere(value: Value, key: Value): Value {
  if (value === undefined || value === null)
    throw new MendError("usage", "templates take no index of what is not there");
  const size = Array.isArray(value) ? value.length : 0;
  if (Array.isArray(value) && !(Number(key) >= 0 && Number(key) < size))
    throw new MendError("usage", `the index ${goText(key)} is out of range: the list has ${size}`);
  return item(value, key);
}

function item(value: Value, key: Value): Value {
  if (Array.isArray(value)) return (value as readonly JsonValue[])[Number(key)];
  if (typeof value === "object" && value !== null && Object.hasOwn(value, String(key)))
    return (value as JsonObject)[String(key)];
  return undefined;
}

function same(a: Value, b: Value): boolean {
  return (
    a === b || (typeof a !== "object" && typeof b !== "object" && goText(a) === goText(b) && typeof a === typeof b)
  );
}

function order(a: Value, b: Value): number {
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : Number(a > b);
  const difference = Number(a) - Number(b);
  if (Number.isNaN(difference)) throw new MendError("usage", `templates cannot compare ${goText(a)} with ${goText(b)}`);
  return difference;
}

/** The verbs that templates use: `%s %v %d %q %t %f %x %%`, with a width, a precision, `-` and `0`. */
function formatted(format: string, args: readonly Value[]): string {
  let next = 0;
  const text = format.replace(
    /%([-0]*)(\d*)(?:\.(\d+))?([a-zA-Z%])/g,
    (_, flags: string, width: string, precision, verb) => {
      if (verb === "%") return "%";
      if (next >= args.length) return `%!${verb}(MISSING)`;
      const text = verbText(verb as string, args[next++], precision as string | undefined);
      const size = Number(width);
      if (flags.includes("-")) return text.padEnd(size);
      return text.padStart(size, flags.includes("0") ? "0" : " ");
    },
  );
  const extra = args.slice(next).map((each) => `${typeName(each)}=${goText(each)}`);
  return extra.length === 0 ? text : `${text}%!(EXTRA ${extra.join(", ")})`;
}

/** Of what JSON was read into. */
function typeName(value: Value): string {
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return Number.isInteger(value) ? "int64" : "float64";
  if (value === undefined || value === null) return "<nil>";
  return Array.isArray(value) ? "[]interface {}" : "map[string]interface {}";
}

const WRONG_TYPE: Readonly<Record<string, (value: Value) => boolean>> = {
  d: (value) => typeof value !== "number" || !Number.isInteger(value),
  t: (value) => typeof value !== "boolean",
  f: (value) => typeof value !== "number" || Number.isInteger(value),
  s: (value) => typeof value === "number" || typeof value === "boolean",
};

function verbText(verb: string, value: Value, precision: string | undefined): string {
  if (typeof value !== "object" && WRONG_TYPE[verb]?.(value) === true)
    return value === undefined ? `%!${verb}(<nil>)` : `%!${verb}(${typeName(value)}=${goText(value)})`;
  if (verb === "q") return JSON.stringify(goText(value));
  if (verb === "f") return Number(value).toFixed(precision === undefined ? 6 : Number(precision));
  if (verb === "x") return typeof value === "number" ? value.toString(16) : Buffer.from(goText(value)).toString("hex");
  const text = goText(value);
  return precision === undefined ? text : text.slice(0, Number(precision));
}
