/**
 * One of two places that hold objects, a snapshot or a live cluster, read one resource at a time, so that memory is
 * that of one resource.
 */
import type { KubeObject } from "../../kube/object.ts";
import type { KeyRange } from "../../snapshot/equal-values.ts";
import type { CustomResource } from "../../storage/custom-resource.ts";

export type ReadObject =
  | { readonly state: "object"; readonly object: KubeObject }
  /** Why there is none to look at. */
  | { readonly state: "encrypted" | "unreadable"; readonly text: string };

export interface SideEntry {
  /** What is stored, where it is at hand: equal bytes are equal objects. */
  bytes?(): Uint8Array | undefined;
  /** Undefined where it is gone or damaged. */
  read(): ReadObject | undefined;
  /** Entries that are read in this order are read fastest. */
  readonly place: number;
}

export interface Side {
  /** For messages, such as `backup.db at revision 4810`. */
  readonly label: string;
  /** The revision that is shown; the resourceVersion of lists for a live cluster, where there is no one revision. */
  readonly revision: number | undefined;
  /** Where there are objects, below etcd's prefix, such as `pods` or `example.com/widgets`. */
  readonly paths: readonly string[];
  readonly custom: readonly CustomResource[];
  /** Objects by `NAMESPACE/NAME` or `NAME`. `like`: the apiVersion to have them in, where there is a choice. */
  open(path: string, like?: string): Promise<ReadonlyMap<string, SideEntry>>;
  /** Where the objects of a path are among the keys of a snapshot; undefined where this is none, or there are none. */
  range?(path: string): KeyRange | undefined;
  /** Of a snapshot: some of the objects of a path, by entries of the index. */
  openEntries?(path: string, entries: Iterable<number>): ReadonlyMap<string, SideEntry>;
  /** The apiVersion of the first object at this path, if there is one to be read. */
  versionAt(path: string): string | undefined;
  /** What could not be looked at, such as the API of an aggregated server that does not answer. */
  readonly warnings: readonly string[];
}
