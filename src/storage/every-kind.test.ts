/**
 * Every message of the tables, with made-up values in every field: what is encoded decodes to the same JSON, with Go's
 * zero values filled in.
 */

import { describe, expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { decodeValue } from "./decode.ts";
import { encodeObject } from "./encode.ts";
import { printJson } from "./json-text.ts";
import { Card, type FieldPlan, type MessagePlan, Op, planOf, Shape } from "./message-plan.ts";
import { apiVersionOf, findResource, RESOURCES } from "./resources.ts";

/** Messages nest without end (a schema in a schema): how deep made-up objects go. */
const DEEPEST = 9;

/** A value for a field, unlike its zero; `seed` makes it differ from field to field. */
function madeUp(field: FieldPlan, seed: () => number, depth: number): JsonValue {
  const single = (): JsonValue => {
    switch (field.op) {
      case Op.String:
        return `s${seed()}`;
      case Op.Bool:
        return true;
      case Op.Int32:
      case Op.Uint32:
        return (seed() % 1000) - (field.op === Op.Int32 ? 500.5 : -1) + (field.op === Op.Int32 ? 0.5 : 0) || 7;
      case Op.Int64:
        return [-1, 2 ** 40, -(2n ** 62n), 9007199254740993n][seed() % 4]!;
      case Op.Uint64:
        return 2n ** 63n + BigInt(seed());
      case Op.Double:
        return seed() / 8 + 0.125;
      case Op.Float:
        return 1.5;
      case Op.Bytes:
        return Buffer.from([seed() % 256, 0, 255]).toString("base64");
      case Op.Time:
        return "2026-11-21T03:49:31Z";
      case Op.MicroTime:
        return "2026-11-21T03:49:31.000250Z";
      case Op.Duration:
        return "1m0.5s";
      case Op.Quantity:
        return `${(seed() % 900) + 1}m`;
      case Op.FieldsV1:
        return { [`f:x${seed()}`]: { ".": {}, 'k:{"a":"<b>"}': {} } };
      case Op.IntOrString:
        return seed() % 2 === 0 ? 80 : "25%";
      case Op.Message:
        return messageOf(field.plan!, seed, depth + 1);
      default:
        return { [`f:x${seed()}`]: {}, list: [1, "<&>", null, 12345678901234567890n] };
    }
  };
  if (field.card === Card.One) return single();
  if (field.card === Card.Many) return [single(), single()];
  return { a: single(), "b/c": single() };
}

function messageOf(plan: MessagePlan, seed: () => number, depth: number): JsonValue {
  const [first, second] = plan.slots;
  if (plan.shape === Shape.List || plan.shape === Shape.Map)
    return depth > DEEPEST ? null : madeUp(first!, seed, depth);
  if (plan.shape === Shape.SchemaOrBool)
    return depth > DEEPEST || seed() % 2 === 0 ? true : madeUp(second!, seed, depth);
  if (plan.shape !== Shape.Object)
    return madeUp(depth < DEEPEST && seed() % 2 === 0 ? first! : second!, seed, depth + 1);
  const object: { [name: string]: JsonValue } = {};
  for (const field of plan.slots) {
    if (depth > DEEPEST && field.op === Op.Message) continue;
    if (seed() % 3 !== 0) object[field.name] = madeUp(field, seed, depth);
  }
  return object;
}

describe("every stored kind", () => {
  test.each(RESOURCES.map((resource) => [`${apiVersionOf(resource)} ${resource.kind}`, resource] as const))(
    "%s",
    (_name, resource) => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (start) => {
          let state = start;
          const seed = () => {
            state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
            return state >>> 8;
          };
          const made = messageOf(
            planOf(resource.message),
            seed,
            resource.kind === "CustomResourceDefinition" ? 4 : 0,
          ) as JsonObject;
          const object = { kind: resource.kind, apiVersion: apiVersionOf(resource), ...made } as unknown as KubeObject;
          const value = encodeObject(object, { encoding: "protobuf" });
          const decoded = decodeValue({ key: "/registry/x", value, modRevision: 0 });
          if (decoded.state !== "object") throw new Error(decoded.text);
          expect(decoded.unknownFields).toEqual([]);
          expect(contradictions(object as JsonObject, decoded.object as JsonObject, "")).toEqual([]);
          // What was decoded has every zero value, and comes back to the same bytes.
          const again = encodeObject(decoded.object, { encoding: "protobuf" });
          expect(Buffer.compare(again, value)).toBe(0);
        }),
        { numRuns: 6 },
      );
    },
  );
});

/** Places where the decoded object lacks or changes something that was put in; resourceVersion is not stored. */
function contradictions(made: JsonValue | undefined, got: JsonValue | undefined, place: string): string[] {
  if (Array.isArray(made) && Array.isArray(got))
    return made.flatMap((item, i) => contradictions(item, got[i], `${place}[${i}]`));
  if (typeof made === "object" && made !== null && typeof got === "object" && got !== null) {
    const names = Object.keys(made).filter((name) => place !== ".metadata" || name !== "resourceVersion");
    return names.flatMap((name) =>
      contradictions((made as JsonObject)[name], (got as JsonObject)[name], `${place}.${name}`),
    );
  }
  return got !== undefined && printJson(made ?? null) === printJson(got)
    ? []
    : [`${place}: ${printJson(made ?? null)} became ${got === undefined ? "nothing" : printJson(got)}`];
}

describe("the registry", () => {
  test.each([
    ["v1", "Pod", "pods"],
    ["v1", "Node", "minions"],
    ["v1", "Service", "services/specs"],
    ["v1", "Endpoints", "services/endpoints"],
    ["v1", "ReplicationController", "controllers"],
    ["extensions/v1beta1", "Ingress", "ingress"],
    ["extensions/v1beta1", "ThirdPartyResource", "thirdpartyresources"],
    ["policy/v1beta1", "PodSecurityPolicy", "podsecuritypolicy"],
    ["settings.k8s.io/v1alpha1", "PodPreset", "podpresets"],
    ["batch/v2alpha1", "CronJob", "cronjobs"],
    ["auditregistration.k8s.io/v1alpha1", "AuditSink", "auditsinks"],
    ["scheduling.k8s.io/v1alpha1", "PriorityClass", "priorityclasses"],
    ["flowcontrol.apiserver.k8s.io/v1alpha1", "FlowSchema", "flowschemas"],
    ["resource.k8s.io/v1alpha2", "ResourceClaimParameters", "resourceclaimparameters"],
    ["networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"],
    ["apiregistration.k8s.io/v1", "APIService", "apiregistration.k8s.io/apiservices"],
    ["apiextensions.k8s.io/v1", "CustomResourceDefinition", "apiextensions.k8s.io/customresourcedefinitions"],
  ])("%s %s is kept under %s", (apiVersion, kind, segment) => {
    expect(findResource(apiVersion, kind)?.etcdSegment).toBe(segment);
  });

  test("has no kind that is never stored", () => {
    expect(findResource("v1", "Binding")).toBeUndefined();
    expect(findResource("authorization.k8s.io/v1", "SubjectAccessReview")).toBeUndefined();
    expect(RESOURCES.length).toBeGreaterThan(140);
  });
});
