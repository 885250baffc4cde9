/** Go's `printf` for values of JSON. Source: the documentation of Go's package fmt. */
import type { JsonValue } from "../../../kube/object.ts";
import { goText } from "../go-text.ts";

type Value = JsonValue | undefined;

/** The verbs `%v %s %d %q %t %T %f %e %g %x %X %o %b %c %%`, with a width, a precision, and the flags `-`, `+`, `#` and `0`. */
export function formatted(format: string, args: readonly Value[]): string {
  let next = 0;
  const text = format.replace(
    /%([-+#0 ]*)(\d*)(?:\.(\d+))?([a-zA-Z%])/g,
    (_, flags: string, width: string, precision, verb) => {
      if (verb === "%") return "%";
      if (next >= args.length) return `%!${verb}(MISSING)`;
      const text = verbText(verb as string, args[next++], flags, precision as string | undefined);
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

const isInteger = (value: Value): boolean => typeof value === "number" && Number.isInteger(value);
const isFloat = (value: Value): boolean => typeof value === "number" && !Number.isInteger(value);

const TAKES: Readonly<Record<string, (value: Value) => boolean>> = {
  ...{ d: isInteger, o: isInteger, b: isInteger, c: isInteger },
  ...{ f: isFloat, e: isFloat, g: isFloat },
  t: (value) => typeof value === "boolean",
  s: (value) => typeof value === "string",
};

function verbText(verb: string, value: Value, flags: string, precision: string | undefined): string {
  if (verb === "T") return typeName(value);
  if (typeof value !== "object" && TAKES[verb]?.(value) === false)
    return value === undefined ? `%!${verb}(<nil>)` : `%!${verb}(${typeName(value)}=${goText(value)})`;
  const digits = precision === undefined ? undefined : Number(precision);
  const sign = flags.includes("+") && typeof value === "number" && value >= 0 ? "+" : "";
  switch (verb) {
    case "q":
      return JSON.stringify(goText(value));
    case "f":
      return sign + Number(value).toFixed(digits ?? 6);
    case "e":
      return sign + exponent(Number(value).toExponential(digits ?? 6));
    case "d":
      return sign + goText(value);
    case "o":
      return sign + Number(value).toString(8);
    case "b":
      return sign + Number(value).toString(2);
    case "c":
      return String.fromCodePoint(Number(value));
    case "x":
      return typeof value === "number" ? value.toString(16) : Buffer.from(goText(value)).toString("hex");
    case "X":
      return verbText("x", value, flags, precision).toUpperCase();
    case "v":
      if (flags.includes("#") && typeof value === "string") return JSON.stringify(value);
      return goText(value);
  }
  const text = goText(value);
  return digits === undefined ? text : text.slice(0, digits);
}

/** Go writes at least two digits of an exponent. */
function exponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}
