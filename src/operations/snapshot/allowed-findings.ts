/** The findings that `snapshot restore --allow` may name: whatever can be wrong with a snapshot's pages, revisions and objects. */

import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";

const ALLOWABLE = [
  "bucket-invalid",
  "file-truncated",
  "findings-omitted",
  "key-order",
  "key-value-invalid",
  "object-encrypted",
  "object-unreadable",
  "page-double-referenced",
  "page-flags",
  "page-freed-but-used",
  "page-freed-twice",
  "page-id",
  "page-out-of-bounds",
  "page-out-of-range",
  "page-too-large",
  "page-truncated",
  "page-unreachable",
  "revision-invalid",
  "revision-mismatch",
  "store-info-invalid",
  "tree-depth",
] as const;

export function isAllowable(code: string): boolean {
  return (ALLOWABLE as readonly string[]).includes(code);
}

/** Throws `usage` for a code that no finding has: a misspelt one would allow nothing. */
export function checkAllowed(codes: readonly string[]): void {
  const unknown = codes.find((code) => !isAllowable(code));
  if (unknown === undefined) return;
  throw new MendError("usage", `${input("allow")} names "${unknown}", which no finding has as its code`, {
    hint: `the codes are ${ALLOWABLE.join(", ")}`,
  });
}
