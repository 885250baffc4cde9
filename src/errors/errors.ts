/**
 * The three outcomes of anything that kubemend does besides success: damaged data is a {@link Finding} that is
 * collected, an unmet need throws a {@link MendError}, and our own mistake trips {@link invariant}.
 */

import type { FindingCode } from "./finding-codes.ts";
import { withoutLogins } from "./secret.ts";

/** Every code a {@link MendError} can carry. The list is closed: scripts match on it, so a new code is a CHANGELOG line. */
export type ErrorCode =
  | "usage"
  | "interrupted"
  | "internal"
  | "not-found"
  | "not-a-file"
  | "permission-denied"
  | "no-space"
  | "io"
  | "already-exists"
  | "not-empty"
  | "archive-invalid"
  | "not-a-snapshot"
  | "snapshot-truncated"
  | "snapshot-damaged"
  | "snapshot-hash-mismatch"
  | "snapshot-refused"
  | "wal-damaged"
  | "data-dir-in-use"
  | "target-locked"
  | "directory-untrusted"
  | "wrong-cluster"
  | "etcd-unreachable"
  | "etcd-refused"
  | "etcd-unauthenticated"
  | "tls-failed"
  | "timeout"
  | "not-kubernetes"
  | "revision-compacted"
  | "revision-in-future"
  | "object-not-found"
  | "kind-unknown"
  | "object-unreadable"
  | "object-invalid"
  | "encryption-config-invalid"
  | "encryption-key-missing"
  | "control-plane-not-found"
  | "control-plane-incomplete"
  | "config-invalid"
  | "certificate-invalid"
  | "api-unreachable"
  | "api-untrusted"
  | "api-denied"
  | "api-refused"
  | "kubelet-not-found"
  | "kubelet-restarted"
  | "service-failed"
  | "kubelet-failed"
  | "mount-busy"
  | "runtime-unreachable"
  | "runtime-refused"
  | "kubelet-unreachable"
  | "port-taken"
  | "timeout"
  | "control-plane-at-risk"
  | "node-answers"
  | "node-silent"
  | "agent-silent"
  | "drain-incomplete"
  | "member-change-refused"
  | "repository-not-found"
  | "repository-damaged"
  | "moment-not-covered"
  | "store-unreachable"
  | "store-refused"
  | "identity-missing"
  | "backup-unproved"
  | "ssh-failed"
  | "plan-refused"
  | "unsupported";

/** What an error may say beyond its sentence. */
export interface MendErrorDetails {
  /** The place: a path, a page, a revision, a key; several joined with " · ", outermost first. */
  readonly where?: string;
  /** What to do next, in the imperative, without a full stop. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/**
 * An unmet need of the user's: wrong input, a missing file, a key that was not given. Prints as `error:` and `hint:`.
 * Logins in URLs are hidden.
 */
export class MendError extends Error {
  override readonly name = "MendError";
  readonly code: ErrorCode;
  readonly where: string | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: MendErrorDetails = {}) {
    super(withoutLogins(message), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.where = details.where === undefined ? undefined : withoutLogins(details.where);
    this.hint = details.hint === undefined ? undefined : withoutLogins(details.hint);
  }
}

/** How much a {@link Finding} matters: an error means data is lost or cannot be trusted. */
export type FindingLevel = "error" | "warning" | "info";

/** Something noticed about data that was read. Findings are collected and shown, never thrown. */
export interface Finding {
  readonly level: FindingLevel;
  /** What scripts match, such as `page-unreachable`; see docs/codes.md. */
  readonly code: FindingCode | ErrorCode;
  /** The place, outermost first, such as `page 214 item 3 · revision 9812/0 · /registry/pods/default/web`. */
  readonly where: string;
  readonly text: string;
}

/** Throws an `internal` error when what the code relies on does not hold: always a bug of kubemend's, never the user's. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) {
    throw new MendError("internal", message, {
      hint: "report this at the project's issue tracker with the command you ran",
    });
  }
}
