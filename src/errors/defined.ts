import { invariant } from "./errors.ts";

/**
 * A value that is there by what the code around it has made sure of, and that its type cannot say: an element within
 * bounds, a key that was just set. Throws an internal error where that is not so, at the place where the assumption
 * fails. JSON's null is a value.
 */
export function defined<T>(value: T | undefined): T {
  invariant(value !== undefined, "a value is missing that was made sure of before");
  return value;
}
