/** Gathers what a watch brings until it is flushed: whole revisions only, each change with its place in its revision. */
import { defined } from "../errors/defined.ts";
import { createKeyValueFields, encodeKeyValue, leaseOf, locateKeyValue } from "../mvcc/key-value.ts";
import type { Change, TimeMark } from "./delta.ts";

interface WatchedPart {
  readonly events: readonly { readonly deletion: boolean; readonly keyValue: Uint8Array }[];
  /** More of the same revision follows. */
  readonly fragment: boolean;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** The newest revision of which changes were there before the watch began: when they happened is not known. */
  readonly oldUpTo: number;
}

export interface GatheredChanges {
  readonly changes: readonly Change[];
  readonly marks: readonly TimeMark[];
  /** Ids of leases that keys were attached to, each once. */
  readonly leases: readonly bigint[];
  /** The newest revision. */
  readonly revision: number;
}

export interface DeltaBuffer {
  /** Returns what is wrong with an event that cannot be taken, or undefined. Events up to `after` are passed over. */
  add(part: WatchedPart): string | undefined;
  /** Everything of whole revisions, which the buffer then no longer holds; undefined where there is none. */
  take(): GatheredChanges | undefined;
  /** Bytes of keys and values that are held. */
  readonly bytes: number;
}

/** `after`: the newest revision that the repository has. */
export function createDeltaBuffer(after: number): DeltaBuffer {
  let changes: Change[] = [];
  let marks: TimeMark[] = [];
  let leases = new Set<bigint>();
  let bytes = 0;
  let revision = after;
  let sub = -1;
  /** How many of `changes` belong to whole revisions. */
  let whole = 0;
  const fields = createKeyValueFields();

  return {
    get bytes() {
      return bytes;
    },
    add({ events, fragment, time, oldUpTo }) {
      for (const { deletion, keyValue } of events) {
        const fault = locateKeyValue(keyValue, 0, keyValue.length, fields);
        if (fault !== undefined) return `an event cannot be read: ${fault}`;
        const own = fields.modRevision;
        if (own <= after) continue;
        if (own !== revision && own !== revision + 1) return `revision ${own} follows ${revision}`;
        sub = own === revision ? sub + 1 : 0;
        revision = own;
        const key = Uint8Array.from(keyValue.subarray(fields.keyStart, fields.keyEnd));
        const stored = deletion
          ? encodeKeyValue({ key, value: new Uint8Array(0), createRevision: 0, modRevision: 0, version: 0, lease: 0n })
          : Uint8Array.from(keyValue); // not slice(): that of a Buffer is a view
        const lease = deletion ? 0n : leaseOf(keyValue, fields);
        if (lease !== 0n) leases.add(lease);
        changes.push({ revision, sub, deletion, keyValue: stored });
        bytes += stored.length;
      }
      if (fragment || changes.length === whole) return undefined;
      whole = changes.length;
      const old = Math.min(oldUpTo, revision);
      const late = old > (marks.at(-1)?.revision ?? after);
      if (late) marks.push({ revision: old, time, late: true });
      if (revision > old) marks.push({ revision, time, late: false });
      return undefined;
    },
    take() {
      if (whole === 0) return undefined;
      const taken = {
        changes: changes.slice(0, whole),
        marks,
        leases: [...leases],
        revision: defined(changes[whole - 1]).revision,
      };
      changes = changes.slice(whole);
      marks = [];
      leases = new Set(); // those of a revision that is not whole yet are asked for again with it
      whole = 0;
      bytes = changes.reduce((sum, { keyValue }) => sum + keyValue.length, 0);
      after = taken.revision;
      for (const { keyValue, deletion } of changes) {
        locateKeyValue(keyValue, 0, keyValue.length, fields);
        const lease = deletion ? 0n : leaseOf(keyValue, fields);
        if (lease !== 0n) leases.add(lease);
      }
      return taken;
    },
  };
}
