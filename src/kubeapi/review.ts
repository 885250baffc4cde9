/** Access reviews: clients ask what they may do before they show a screen. Whoever has the token may read everything and write nothing. */
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { isObject } from "../storage/arrange.ts";
import { ApiFailure } from "./status.ts";

const READS = new Set(["get", "list", "watch"]);
const AUTHORIZATION = "authorization.k8s.io";
const AUTHENTICATION = "authentication.k8s.io";
const USER = { username: "kubemend:reader", groups: ["system:authenticated"] };

/** The answer to a posted review, or undefined for what is none. */
export function answerReview(plural: string, body: JsonValue | undefined, description: string): JsonObject | undefined {
  switch (plural) {
    case "selfsubjectaccessreviews":
      return accessReview(reviewOf(body, "SelfSubjectAccessReview", AUTHORIZATION), description);
    case "selfsubjectrulesreviews":
      return { ...reviewOf(body, "SelfSubjectRulesReview", AUTHORIZATION), status: rulesStatus() };
    case "selfsubjectreviews":
      return { ...reviewOf(body, "SelfSubjectReview", AUTHENTICATION), status: { userInfo: USER } };
    default:
      return undefined;
  }
}

/** What a body does not say of its kind, its path does: Headlamp posts a spec alone. */
function reviewOf(body: JsonValue | undefined, kind: string, group: string): JsonObject {
  if (!isObject(body)) throw new ApiFailure("BadRequest", `the body is not a ${kind}`);
  const { kind: given = kind, apiVersion = `${group}/v1`, metadata = {}, spec, ...rest } = body;
  if (given !== kind) throw new ApiFailure("BadRequest", `the body is not a ${kind}`);
  return { kind, apiVersion, metadata, ...(spec === undefined ? {} : { spec }), ...rest };
}

function accessReview(review: JsonObject, description: string): JsonObject {
  const spec = isObject(review.spec) ? review.spec : {};
  const attributes = isObject(spec.resourceAttributes) ? spec.resourceAttributes : spec.nonResourceAttributes;
  const verb = isObject(attributes) ? String(attributes.verb ?? "") : "";
  const { subresource } = isObject(spec.resourceAttributes) ? spec.resourceAttributes : {};
  const readable =
    subresource === undefined || subresource === "" || subresource === "status" || subresource === "scale";
  const allowed = READS.has(verb) && readable;
  return {
    ...review,
    status: allowed ? { allowed } : { allowed, denied: true, reason: `this is ${description}: it can only be read` },
  };
}

function rulesStatus(): JsonObject {
  const verbs = [...READS];
  return {
    resourceRules: [
      { verbs, apiGroups: ["*"], resources: ["*"] },
      {
        verbs: ["create"],
        apiGroups: [AUTHORIZATION],
        resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
      },
    ],
    nonResourceRules: [{ verbs: ["get"], nonResourceURLs: ["*"] }],
    incomplete: false,
  };
}
