/**
 * compare: what differs between two objects, by meaning. This file is what is known of a field before its value is
 * looked at: whether it is an amount or a time, by which fields the items of its list are distinguished, and whether an
 * empty value means the same as none. Built-in kinds have it from the storage tables (`built-in-types.ts`), custom
 * resources from the schemas of their definitions (`schema-types.ts`). `compare-values.ts` walks two values by it,
 * `noise.ts` names what is left out, `compare-objects.ts` puts it together.
 */

export interface ValueType {
  /** A scalar whose spellings may differ. */
  readonly scalar?: "quantity" | "time" | "duration";
  /** What an absent field means, `"empty"` for an object or list; undefined where absent and empty differ, as for pointers. */
  readonly absentIs?: string | number | boolean;
  /** Says nothing: the API server fills it on reading. */
  readonly ignored?: true;
  /** The type of a field of an object, or of a map's value. */
  readonly field?: (name: string) => ValueType | undefined;
  /** The type of a list's items. */
  readonly item?: () => ValueType | undefined;
  readonly list?: ListRule;
}

/** How the items of a list find their counterparts. Without one they do by their place. */
export interface ListRule {
  /** Paths such as `name` or `metadata.name`; an empty list: items are distinguished by all that they are, as in a set. */
  readonly keys: readonly string[];
  /** Another order is a difference. */
  readonly ordered: boolean;
  /** Of a set: items that have no equal on the other side, but the same place, are one item that has changed. */
  readonly itemsChange?: true;
}
