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
  | "Invalid"
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
  Invalid: 422,
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

/** For a parameter of a list or watch that cannot be. `what`: how it cannot, and how clients that read causes know it. */
export function invalidOption(field: string, what: "Forbidden" | "Unsupported value", message: string): ApiFailure {
  const text = `${what}: ${message}`;
  const reason = what === "Forbidden" ? "FieldValueForbidden" : "FieldValueNotSupported";
  return new ApiFailure("Invalid", `ListOptions.meta.k8s.io "" is invalid: ${field}: ${text}`, {
    group: "meta.k8s.io",
    kind: "ListOptions",
    causes: [{ reason, message: text, field }],
  });
}

/** For a revision that is not recorded yet. */
export function tooLargeRevision(asked: number, current: number): ApiFailure {
  return new ApiFailure("Timeout", `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}

/** For a path that nothing is behind. */
export function noSuchPath(): ApiFailure {
  return new ApiFailure("NotFound", "the server could not find the requested resource", {});
}
