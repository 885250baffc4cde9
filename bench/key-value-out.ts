/** `mvccpb.KeyValue` into memory that is used again and again: hundreds of thousands of them in seconds. */

export interface KeyValueFields {
  readonly key: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly value: Uint8Array;
  readonly lease: bigint;
}

/** Encodes into `target` from 0 on and returns the length. */
export function encodeKeyValue(target: Uint8Array, kv: KeyValueFields): number {
  let at = 0;
  const varint = (value: number): void => {
    while (value >= 0x80) {
      target[at++] = (value % 0x80) | 0x80;
      value = Math.floor(value / 0x80);
    }
    target[at++] = value;
  };
  const bytes = (tag: number, value: Uint8Array): void => {
    if (value.length === 0) return;
    target[at++] = tag;
    varint(value.length);
    target.set(value, at);
    at += value.length;
  };
  bytes(0x0a, kv.key);
  if (kv.createRevision > 0) {
    target[at++] = 0x10;
    varint(kv.createRevision);
  }
  if (kv.modRevision > 0) {
    target[at++] = 0x18;
    varint(kv.modRevision);
  }
  if (kv.version > 0) {
    target[at++] = 0x20;
    varint(kv.version);
  }
  bytes(0x2a, kv.value);
  if (kv.lease !== 0n) {
    target[at++] = 0x30;
    for (let rest = BigInt.asUintN(64, kv.lease); ; rest >>= 7n) {
      const low = Number(rest & 0x7fn);
      if (rest < 0x80n) {
        target[at++] = low;
        break;
      }
      target[at++] = low | 0x80;
    }
  }
  return at;
}
