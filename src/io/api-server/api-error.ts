/** What an API server refuses, and what something else answers in its place. */

import { type ErrorCode, MendError } from "../../errors/errors.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import type { JsonObject } from "../../kube/object.ts";
import { parseJson } from "../../storage/json-parse.ts";

/** An answer of 400 or more, with the API server's own words. */
export class ApiError extends MendError {
  readonly status: number;
  /** `AlreadyExists`, `Conflict` and the like. */
  readonly reason: string;
  /** What the API server said, without our words around it. */
  readonly serverMessage: string;
  /** The reasons in detail, such as `DisruptionBudget` and `NamespaceTerminating`. */
  readonly causes: readonly string[];
  constructor(code: ErrorCode, status: number, answer: JsonObject, what: string, hint: string) {
    const serverMessage = typeof answer.message === "string" ? answer.message : `status ${status}`;
    super(code, `the API server refuses ${what}: ${serverMessage}`, { hint });
    this.status = status;
    this.reason = typeof answer.reason === "string" ? answer.reason : "";
    this.serverMessage = serverMessage;
    this.causes = objectsOf(objectOf(answer.details).causes).map(({ reason }) => textOf(reason));
  }
}

/** Whether the API server could not be reached, rather than having answered. */
export function isConnectionError(error: unknown): boolean {
  return error instanceof MendError && error.code === "api-unreachable";
}

/** An answer that no API server gives to what was asked: a login page, a redirect, another kind, a part of a list. */
export function foreignAnswer(host: string, source: string, found: string): MendError {
  return new MendError("api-refused", `what answers at "${host}" is not the API server: ${found}`, {
    where: source,
    hint: "check the server in the kubeconfig, and what stands before it: a proxy, a load balancer, a login page",
  });
}

/** What an answer looks like before its body is read as anything. */
export interface RawAnswer {
  readonly status: number;
  /** As the header has it. */
  readonly contentType: string;
  readonly text: string;
}

/**
 * An answer of 400 or more. API servers answer with a `Status` object; in plain text where they do not come to it: an
 * unknown path, too many requests, a start or an end. Anything else is somebody before them, and believed only where it
 * says that nobody is there: no object is absent, forbidden or gone because a web page says so.
 */
export function refusal(answer: RawAnswer, what: string, host: string, source: string): MendError {
  const { status, contentType, text } = answer;
  const object = isJson(contentType) ? parseObject(text) : undefined;
  if (object?.kind === "Status") return apiError(status, object, what);
  const isPlain = /^text\/plain\b/i.test(contentType) || contentType === "";
  if (status === 404 && isPlain && /^404 page not found\s*$/.test(text)) return apiError(status, {}, what);
  if (status === 429 || status >= 500) {
    const serverMessage =
      isPlain && text.length < 500 ? text.trim() : `status ${status} with ${describeType(contentType)}`;
    return apiError(status, serverMessage === "" ? {} : { message: serverMessage }, what);
  }
  if (isPlain && status !== 404 && text.length < 500)
    return apiError(status, { message: text.trim() || `status ${status}` }, what);
  return foreignAnswer(host, source, `status ${status} with ${describeType(contentType)}`);
}

export function isJson(contentType: string): boolean {
  return /^application\/json\s*(;|$)/i.test(contentType);
}

/** For messages: the type, without what may follow it. */
export function describeType(contentType: string): string {
  const [, type] = /^\s*([\w.+-]+\/[\w.+-]+)/.exec(contentType) ?? [];
  return type === undefined ? "content of no known type" : `content of type ${type}`;
}

/** Undefined for what is not JSON, or not an object. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = parseJson(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

function apiError(status: number, answer: JsonObject, what: string): ApiError {
  const [code, hint]: [ErrorCode, string] =
    status === 401
      ? ["api-denied", "its authority or token is not this cluster's: pass the kubeconfig of this cluster"]
      : status === 403
        ? ["api-denied", "pass the kubeconfig of an administrator"]
        : status === 404
          ? ["object-not-found", "check the name and the namespace"]
          : ["api-refused", "see the API server's log"];
  return new ApiError(code, status, answer, what, hint);
}
