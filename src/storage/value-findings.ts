/** What is to be said about a value that was decoded: damage by its place, and what many values have in common once. */
import type { Finding } from "../errors/errors.ts";
import { addTally, type Tally } from "../errors/findings.ts";
import type { DecodedValue } from "../kube/object.ts";
import type { ObjectText } from "./decode.ts";

export interface ValueFindings {
  /** Whether an encryption config was given: then a value that stays encrypted lacks its key, which is an error. */
  readonly hasKeys: boolean;
  readonly tallies: Map<string, Tally>;
  readonly report: (finding: Finding) => void;
}

/** Reports a value that is unreadable; counts values by the key that encrypts them, and fields that are not known. */
export function noteValue(
  { hasKeys, tallies, report }: ValueFindings,
  decoded: DecodedValue | ObjectText,
  where: () => string,
): void {
  if (decoded.state === "unreadable") {
    report({ level: "error", code: "object-unreadable", where: where(), text: decoded.text });
  } else if (decoded.state === "encrypted") {
    const { provider, keyName, text } = decoded;
    const level = hasKeys ? "error" : "warning";
    addTally(tallies, `encrypted ${provider} ${keyName}`, () => ({
      level,
      code: "object-encrypted",
      where: where(),
      text,
    }));
  } else if (decoded.state === "object") {
    for (const path of decoded.unknownFields) {
      const { apiVersion, kind } = "object" in decoded ? decoded.object : decoded;
      const text = `${apiVersion} ${kind} has a field that this version does not know: ${path}`;
      addTally(tallies, text, () => ({ level: "warning", code: "field-unknown", where: where(), text }));
    }
  }
}
