/** An object as an encoder sees it: the fields of its message, by their names in JSON. */
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { isObject } from "./arrange.ts";
import { type MessagePlan, Shape } from "./message-plan.ts";

/** An object within an object, such as a volume claim template, may say its type, which is not part of its message. */
export function isEmbeddedType(plan: MessagePlan, name: string): boolean {
  return (name === "kind" || name === "apiVersion") && plan.byName.has("metadata");
}

/** The JSON of a message as an object of its plan's slots, for the shapes that are something else in JSON. */
export function asObject(plan: MessagePlan, value: JsonValue, path: string): JsonObject {
  const [first, second] = plan.slots;
  if (plan.shape === Shape.List || plan.shape === Shape.Map)
    return { [defined(first).name]: value === null ? undefined : value };
  if (plan.shape === Shape.SchemaOrBool && typeof value === "boolean") return { [defined(first).name]: value };
  if (plan.shape === Shape.SchemaOrBool) return { [defined(first).name]: true, [defined(second).name]: value };
  if (plan.shape !== Shape.Object) return { [(Array.isArray(value) ? defined(second) : defined(first)).name]: value };
  if (!isObject(value)) throw wrongType(path, "an object", value);
  return value;
}

export function wrongType(path: string, expected: string, found: JsonValue): MendError {
  const what =
    found === null
      ? "null"
      : Array.isArray(found)
        ? "a list"
        : typeof found === "object"
          ? "an object"
          : `a ${typeof found}`;
  return new MendError("object-invalid", `field "${path}" must be ${expected}, found ${what}`);
}
