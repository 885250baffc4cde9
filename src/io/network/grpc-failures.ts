/**
 * What failures of gRPC mean, in words. The transport is the same for every server; whom it reaches and what the user
 * can do about it is not.
 */

import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { transportError } from "./transport-error.ts";

/** Failures as errors for the user, one of these for each kind of server. */
export interface GrpcFailures {
  /** A status other than 0 (`grpc/grpc`, `doc/statuscodes.md`), with what the server says about it. */
  status(status: number, text: string, endpoint: string, method: string): MendError;
  /** An error of the connection. What is a `MendError` already, and an abort, come back as they are. */
  transport(error: unknown, endpoint: string): unknown;
  /** An answer that is no gRPC; `found` says what came instead. */
  foreign(found: string, endpoint: string): MendError;
  /** A message of more bytes than any that is taken. */
  tooLarge(bytes: number, endpoint: string): MendError;
  noAnswer(endpoint: string, method: string): MendError;
  /** `milliseconds` is undefined where the server had a limit of its own. */
  timedOut(endpoint: string, what: "connect" | "answer", milliseconds: number | undefined): MendError;
}

export function waited(milliseconds: number | undefined): string {
  return milliseconds === undefined ? "in time" : `within ${milliseconds / 1000} s`;
}

/** Of an etcd member. */
export const ETCD_FAILURES: GrpcFailures = {
  status: etcdStatus,
  transport: transportError,
  foreign: (found, endpoint) =>
    new MendError("etcd-unreachable", `"${endpoint}" gave no gRPC answer: ${found}`, {
      where: endpoint,
      hint: "give etcd's client URL, such as https://10.0.0.1:2379",
    }),
  // Its reader asks for fewer keys where one message does not hold them all.
  tooLarge: (bytes, endpoint) =>
    new MendError("etcd-refused", `"${endpoint}" sends a message of ${bytes} bytes, more than etcd ever does`, {
      where: endpoint,
      hint: "give etcd's client URL, such as https://10.0.0.1:2379",
    }),
  noAnswer: (endpoint, method) =>
    new MendError("etcd-refused", `"${endpoint}" sent no answer to ${method}`, { where: endpoint }),
  timedOut: (endpoint, what, milliseconds) =>
    new MendError("timeout", `"${endpoint}" did not ${what} ${waited(milliseconds)}`, {
      where: endpoint,
      hint: `check that etcd runs there, or raise ${input("commandTimeout")}`,
    }),
};

/**
 * What a learner answers to most requests: another member may serve them. etcd's own client tells errors apart by these
 * texts too (api/v3rpc/rpctypes/error.go); the status is 14 up to etcd 3.5, and 9 since.
 */
const NOT_FOR_LEARNERS = "etcdserver: rpc not supported for learner";

function etcdStatus(status: number, text: string, endpoint: string, method: string): MendError {
  const message = text === "" ? `status ${status}` : text;
  const where = endpoint;
  if (status === 16) {
    return new MendError("etcd-unauthenticated", `"${endpoint}" does not accept the user: ${message}`, {
      where,
      hint: `check ${input("user")} and ${input("password")}`,
    });
  }
  if (status === 7) {
    return new MendError("permission-denied", `"${endpoint}" refuses: ${message}`, {
      where,
      hint: `pass a ${input("user")} with the root role`,
    });
  }
  if (status === 12) {
    return new MendError("unsupported", `"${endpoint}" does not know ${method}`, {
      where,
      hint: "use an etcd of 3.4 or newer",
    });
  }
  if (status === 11) {
    return new MendError("revision-compacted", `"${endpoint}" no longer holds that revision: ${message}`, {
      where,
      hint: "ask for a newer revision",
    });
  }
  if (status === 4) return ETCD_FAILURES.timedOut(endpoint, "answer", undefined);
  if (status === 14 || text === NOT_FOR_LEARNERS) {
    return new MendError("etcd-unreachable", `"${endpoint}" cannot serve: ${message}`, {
      where,
      hint: "see kubemend etcd health",
    });
  }
  return new MendError("etcd-refused", `"${endpoint}" refuses: ${message}`, {
    where,
    hint: `if etcd has authentication enabled, pass ${input("user")} NAME:PASSWORD`,
  });
}
