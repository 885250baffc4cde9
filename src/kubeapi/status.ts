/** What an API server answers instead of an object: metav1.Status. Source: apimachinery/pkg/api/errors. */
import type { JsonObject } from "../kube/object.ts";

export type StatusReason =
  | "BadRequest"
  | "Unauthorized"
  | "Forbidden"
  | "NotFound"
  | "MethodNotAllowed"
  | "NotAcceptable"
  | "Expired"
  | "UnsupportedMediaType"
  | "InternalError"
  | "ServiceUnavailable"
  | "Timeout";

const CODES: Readonly<Record<StatusReason, number>> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  Expired: 410,
  UnsupportedMediaType: 415,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
};

/** Thrown by whatever cannot answer; the front door turns it into the answer. */
export class ApiFailure extends Error {
  override readonly name = "ApiFailure";
  readonly reason: StatusReason;
  readonly details: JsonObject | undefined;

  constructor(reason: StatusReason, message: string, details?: JsonObject) {
    super(message);
    this.reason = reason;
    this.details = details;
  }

  get code(): number {
    return CODES[this.reason];
  }
}

export function statusOf(failure: ApiFailure): JsonObject {
  const { reason, message, details, code } = failure;
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    ...(details === undefined ? {} : { details }),
    code,
  };
}

/** `pods "web" not found`, with the details that clients look at. */
export function notFound(resource: { readonly plural: string; readonly group: string }, name: string): ApiFailure {
  const { plural, group } = resource;
  const qualified = group === "" ? plural : `${plural}.${group}`;
  return new ApiFailure("NotFound", `${qualified} "${name}" not found`, {
    name,
    ...(group === "" ? {} : { group }),
    kind: plural,
  });
}

/** For a path that nothing is behind. */
export function noSuchPath(): ApiFailure {
  return new ApiFailure("NotFound", "the server could not find the requested resource", {});
}
