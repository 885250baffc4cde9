/**
 * One version of one key, as etcd's `mvccpb.KeyValue` holds it (api/mvccpb/kv.proto): `key bytes = 1, create_revision
 * int64 = 2, mod_revision int64 = 3, version int64 = 4, value bytes = 5, lease int64 = 6`. A tombstone's holds the key
 * alone.
 */

export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Field 2: the revision at which the key came into being (again). */
  readonly createRevision: number;
  /** Field 3: the revision of this version: Kubernetes' `resourceVersion`. */
  readonly modRevision: number;
  /** Field 4: 1 at creation, one more with each write. */
  readonly version: number;
  /** Field 6: the lease's id, 0 for none. */
  readonly lease: bigint;
}

/**
 * Where the parts of an encoded key-value lie: filled by {@link locateKeyValue} again and again, so that a scan of
 * millions allocates nothing.
 */
export interface KeyValueFields {
  keyStart: number;
  keyEnd: number;
  valueStart: number;
  valueEnd: number;
  createRevision: number;
  modRevision: number;
  version: number;
  /** Where the lease's varint begins, or -1. */
  leaseAt: number;
}

export function createKeyValueFields(): KeyValueFields {
  return {
    keyStart: 0,
    keyEnd: 0,
    valueStart: 0,
    valueEnd: 0,
    createRevision: 0,
    modRevision: 0,
    version: 0,
    leaseAt: -1,
  };
}

/**
 * Finds the fields of the key-value in `bytes[from, to)`. Returns what is wrong with it, or undefined. Unknown fields
 * are passed over, as etcd does.
 */
export function locateKeyValue(
  bytes: Uint8Array,
  from: number,
  to: number,
  fields: KeyValueFields,
): string | undefined {
  fields.keyStart = fields.keyEnd = fields.valueStart = fields.valueEnd = from;
  fields.createRevision = fields.modRevision = fields.version = 0;
  fields.leaseAt = -1;
  let at = from;
  while (at < to) {
    const tag = bytes[at++]!;
    let low = 0; // the varint that follows, as a number: exact up to 2^53
    let scale = 1;
    const varintAt = at;
    for (;;) {
      if (at >= to || at - varintAt >= 10) return "a number is cut off";
      const byte = bytes[at++]!;
      low += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
    }
    switch (tag) {
      case 0x0a:
        if (low > to - at) return `the key claims ${low} bytes, ${to - at} are left`;
        fields.keyStart = at;
        at += low;
        fields.keyEnd = at;
        break;
      case 0x10:
        fields.createRevision = low;
        break;
      case 0x18:
        fields.modRevision = low;
        break;
      case 0x20:
        fields.version = low;
        break;
      case 0x2a:
        if (low > to - at) return `the value claims ${low} bytes, ${to - at} are left`;
        fields.valueStart = at;
        at += low;
        fields.valueEnd = at;
        break;
      case 0x30:
        fields.leaseAt = varintAt;
        break;
      default:
        if (tag >= 0x80) return `field tag 0x${tag.toString(16)} is none of etcd's`;
        if ((tag & 7) === 2) {
          if (low > to - at) return "an unknown field is cut off";
          at += low;
        } else if ((tag & 7) !== 0) return `field tag 0x${tag.toString(16)} is none of etcd's`;
    }
  }
  if (fields.keyEnd === fields.keyStart) return "it has no key";
  if (fields.modRevision > Number.MAX_SAFE_INTEGER || fields.createRevision > Number.MAX_SAFE_INTEGER)
    return "a revision is beyond 2^53";
  return undefined;
}

/** The lease of a located key-value, 0 for none. Ids are signed 64-bit integers. */
export function leaseOf(bytes: Uint8Array, fields: KeyValueFields): bigint {
  if (fields.leaseAt < 0) return 0n;
  let lease = 0n;
  for (let at = fields.leaseAt, shift = 0n; ; at++, shift += 7n) {
    const byte = bytes[at]!;
    lease |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asIntN(64, lease);
  }
}

/** Decodes a key-value; key and value are views into `bytes`. Returns what is wrong as a string. */
export function decodeKeyValue(bytes: Uint8Array): KeyValue | string {
  const fields = createKeyValueFields();
  const fault = locateKeyValue(bytes, 0, bytes.length, fields);
  if (fault !== undefined) return fault;
  const { createRevision, modRevision, version } = fields;
  return {
    key: bytes.subarray(fields.keyStart, fields.keyEnd),
    value: bytes.subarray(fields.valueStart, fields.valueEnd),
    createRevision,
    modRevision,
    version,
    lease: leaseOf(bytes, fields),
  };
}

/** Encodes a key-value as etcd does: fields in order, zero ones left out. The inverse of {@link decodeKeyValue}. */
export function encodeKeyValue(keyValue: KeyValue): Uint8Array {
  const { key, value } = keyValue;
  const bytes = new Uint8Array(key.length + value.length + 60);
  let at = 0;
  const varint = (tag: number, number: bigint): void => {
    if (number === 0n) return;
    bytes[at++] = tag;
    let rest = BigInt.asUintN(64, number);
    for (; rest > 0x7fn; rest >>= 7n) bytes[at++] = Number(rest & 0x7fn) | 0x80;
    bytes[at++] = Number(rest);
  };
  const blob = (tag: number, part: Uint8Array): void => {
    if (part.length === 0) return;
    varint(tag, BigInt(part.length));
    bytes.set(part, at);
    at += part.length;
  };
  blob(0x0a, key);
  varint(0x10, BigInt(keyValue.createRevision));
  varint(0x18, BigInt(keyValue.modRevision));
  varint(0x20, BigInt(keyValue.version));
  blob(0x2a, value);
  varint(0x30, keyValue.lease);
  return bytes.subarray(0, at);
}
