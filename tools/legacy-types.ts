/** Reads `legacy-types.txt`: the hand-written facts about what no package declares any more. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { FieldFact } from "./go-types.ts";
import { parseField } from "./merge-messages.ts";

export interface LegacyField {
  readonly fact: FieldFact;
  /** The number of the field that it goes behind, where the message is otherwise known; 0 for the front. */
  readonly after: number;
}

export interface LegacyMessage {
  readonly name: string;
  readonly object?: "namespaced" | "cluster";
  readonly fields: readonly LegacyField[];
}

export function readLegacyTypes(file = join(import.meta.dirname, "legacy-types.txt")): LegacyMessage[] {
  const messages: { name: string; object?: "namespaced" | "cluster"; fields: LegacyField[] }[] = [];
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith("  ")) {
      const [field, after] = line.trim().split(" after ") as [string, string | undefined];
      messages.at(-1)!.fields.push({ fact: parseField(field), after: Number(after ?? 0) });
      continue;
    }
    const [name, object] = line.split(" ") as [string, "namespaced" | "cluster" | undefined];
    messages.push({ name, fields: [], ...(object ? { object } : {}) });
  }
  return messages;
}
