/** What `kubectl get` shows of a kind: its columns, and a row of cells for an object. */
import type { KubeObject } from "../../kube/object.ts";
import type { FieldChoice } from "../../storage/compile-decoder.ts";

export interface Column {
  /** As kubectl prints it, in capitals. */
  readonly name: string;
  /** With `-o wide` only. */
  readonly wide?: true;
}

export interface RowContext {
  /** Milliseconds since the epoch: what ages are counted to. */
  readonly now: number;
}

export interface KindTable {
  /** The fields that rows and `compare` look at, labels too; every field where this is not said. */
  readonly fields?: FieldChoice;
  /** Of these, what cells of columns need that are not wide, and labels. */
  readonly usualFields?: FieldChoice;
  readonly columns: readonly Column[];
  /** A cell for each column, wide ones too. The first is the name, save for events. */
  row(object: KubeObject, context: RowContext): readonly string[];
  /** Kubectl's order where it is not that of the names. */
  readonly compare?: (a: KubeObject, b: KubeObject) => number;
}

/** The metadata that every table may show. */
export const METADATA = { name: true, namespace: true, labels: true, creationTimestamp: true } as const;

/** Columns from one line: names in capitals, spaces in a name written as `_`, `|` before the wide ones. */
export function columns(line: string): readonly Column[] {
  const [usual = "", wide = ""] = line.split("|");
  const names = (words: string) => words.trim().split(/\s+/).filter(Boolean);
  return [
    ...names(usual).map((name) => ({ name: name.replaceAll("_", " ") })),
    ...names(wide).map((name) => ({ name: name.replaceAll("_", " "), wide: true as const })),
  ];
}
