/** Which objects the words and the selectors of a command line ask for. */
import { MendError } from "../../errors/errors.ts";
import { type ObjectRequest, readObjectRequests } from "../../storage/resource-argument.ts";

/**
 * Throws `usage` for names together with a selector, as kubectl does: a name that the selector leaves out would be
 * reported as missing.
 */
export function readRequests(
  words: readonly string[],
  { selector, fieldSelector = "" }: { readonly selector: string; readonly fieldSelector?: string },
): readonly ObjectRequest[] {
  const requests = readObjectRequests(words);
  const named = requests.some(({ names }) => names.length > 0);
  if (named && (selector !== "" || fieldSelector !== "")) {
    throw new MendError("usage", "names and a selector cannot be given together", {
      hint: "leave out the selector to see these objects, or the names to see everything that the selector matches",
    });
  }
  return requests;
}
