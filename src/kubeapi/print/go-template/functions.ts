/**
 * The functions of Go templates, and those that kubectl adds. Sources: text/template/funcs.go,
 * k8s.io/cli-runtime/pkg/printers/template.go.
 */
import { MendError } from "../../../errors/errors.ts";
import type { JsonObject, JsonValue } from "../../../kube/object.ts";
import { goText } from "../go-text.ts";
import { formatted } from "./printf.ts";

type Value = JsonValue | undefined;

export const NO_VALUE = "<no value>";

/** Throws `usage` for a function that there is not, and for arguments that it cannot take. */
export function callFunction(name: string, args: readonly Value[]): Value {
  const found = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (found === undefined)
    throw new MendError("usage", `templates have no function "${name}"`, {
      hint: `there are ${Object.keys(FUNCTIONS).sort().join(", ")}`,
    });
  if (args.length === 0 && LEAST_ONE.has(name)) throw new MendError("usage", `the function "${name}" needs a value`);
  return found(...args);
}

const LEAST_ONE: ReadonlySet<string> = new Set(["and", "or", "not", "eq", "len", "index", "slice", "printf"]);

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

/** What is absent is like nothing but itself, and everything else is compared with its own kind only. */
function same(a: Value, b: Value): boolean {
  const [one, other] = [a ?? undefined, b ?? undefined];
  if (one === undefined || other === undefined) return one === other;
  if (typeof one !== typeof other || typeof one === "object")
    throw new MendError("usage", `templates cannot compare ${goText(one)} with ${goText(other)}`);
  return one === other;
}

function order(a: Value, b: Value): number {
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : Number(a > b);
  const difference = Number(a) - Number(b);
  if (Number.isNaN(difference)) throw new MendError("usage", `templates cannot compare ${goText(a)} with ${goText(b)}`);
  return difference;
}
