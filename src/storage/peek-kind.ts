/** Names the kind of a stored value from its first bytes, without decoding it: for statistics over millions. */
import { defined } from "../errors/defined.ts";
import type { Labeller } from "../mvcc/index-task.ts";

/**
 * Makes a function that gives `apiVersion/kind` for a value in protobuf, and "" for any other. The envelope begins
 * `k8s\0`, then field 1 (typeMeta): apiVersion = 1, kind = 2. Neighbours are mostly of one kind, so that a comparison
 * of bytes with the last answer is all that most calls do.
 */
export function createKindPeek(): Labeller {
  let last = new Uint8Array();
  let lastName = "";
  return (bytes, start, end) => {
    if (
      end - start < 8 ||
      bytes[start] !== 0x6b ||
      bytes[start + 1] !== 0x38 ||
      bytes[start + 2] !== 0x73 ||
      bytes[start + 3] !== 0
    )
      return "";
    const size = defined(bytes[start + 5]);
    if (bytes[start + 4] !== 0x0a || size >= 0x80 || start + 6 + size > end) return "";
    const from = start + 6;
    if (same(bytes, from, size, last)) return lastName;
    last = bytes.slice(from, from + size);
    lastName = typeName(last);
    return lastName;
  };
}

function same(bytes: Uint8Array, from: number, size: number, other: Uint8Array): boolean {
  if (other.length !== size || size === 0) return false;
  for (let i = size - 1; i >= 0; i--) if (bytes[from + i] !== other[i]) return false;
  return true;
}

/** `apiVersion/kind` of an encoded TypeMeta. */
function typeName(typeMeta: Uint8Array): string {
  const names = ["", ""];
  for (let at = 0; at + 1 < typeMeta.length; ) {
    const field = defined(typeMeta[at]) >> 3;
    const size = defined(typeMeta[at + 1]);
    if ((defined(typeMeta[at]) & 7) !== 2 || (field !== 1 && field !== 2) || at + 2 + size > typeMeta.length) return "";
    names[field - 1] = new TextDecoder().decode(typeMeta.subarray(at + 2, at + 2 + size));
    at += 2 + size;
  }
  return names.join("/");
}
