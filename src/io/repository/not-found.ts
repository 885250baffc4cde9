/** What a store says of an object that is not there. */
import { MendError } from "../../errors/errors.ts";

export function isNotFound(error: unknown): boolean {
  return error instanceof MendError && error.code === "not-found";
}
