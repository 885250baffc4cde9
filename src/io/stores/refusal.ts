/** What an answer over HTTP means that has no code that is known. */
import { MendError } from "../../errors/errors.ts";
import { placed, type StoreAnswer } from "./store-request.ts";

/** `said` is what the store says of it, or empty. */
export function refusalOf(answer: StoreAnswer, where: string, said: string): MendError {
  const isPassing = answer.status >= 500 || answer.status === 429;
  const text = said === "" ? `HTTP status ${answer.status}` : (said.split("\n")[0] ?? said);
  const code = answer.status === 507 ? "no-space" : isPassing ? "store-unreachable" : "store-refused";
  return new MendError(code, `${placed(where, answer.origin)} refuses: ${text}`, {
    where,
    hint: isPassing
      ? "it is tried again by itself; if it lasts, ask who runs the store"
      : "check the address and the credentials",
  });
}
