/** Values as Go prints them: with `%v`, and as JSON with sorted keys. Sources: fmt/print.go, encoding/json. */
import type { JsonObject, JsonValue } from "../../kube/object.ts";
import { printJson } from "../../storage/json-text.ts";
import { sortedEntries } from "../columns/field.ts";

/** As `%v` prints what JSON was read into: `map[a:1 b:[x y]]`. */
export function goText(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return "<nil>";
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(goText).join(" ")}]`;
  if (typeof value === "number") return goNumber(value);
  if (typeof value !== "object") return String(value);
  return `map[${sortedEntries(value as JsonObject)
    .map(([key, each]) => `${key}:${goText(each)}`)
    .join(" ")}]`;
}

/** An integer as it is; a float with an exponent of two digits where it is below -4 or above 5. Source: strconv.FormatFloat. */
function goNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 63) return String(value);
  const [digits = "", exponent = "0"] = value.toExponential().split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(value);
  return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** As encoding/json prints maps: fields sorted. `indent` 0 for one line. */
export function goJson(value: JsonValue, indent = 0): string {
  return printJson(sorted(value), { indent });
}

function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(sortedEntries(value as JsonObject).map(([key, each]) => [key, sorted(each)]));
}
