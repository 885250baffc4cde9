/**
 * An object in another version of its API, where the versions mean the same: every field that the object has is in the
 * other version under the same name and with the same type. Where they do not, nothing is guessed.
 */
import { isObject } from "../kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { Card, type MessagePlan, planOf } from "../storage/message-plan.ts";
import { findResource } from "../storage/resources.ts";

export type Conversion = { readonly object: KubeObject } | { readonly refused: string };

/** Converts a built-in kind. `refused` says which fields stand in the way. */
export function convertBuiltIn(object: KubeObject, apiVersion: string): Conversion {
  if (object.apiVersion === apiVersion) return { object };
  const from = findResource(object.apiVersion, object.kind);
  const to = findResource(apiVersion, object.kind);
  if (from === undefined || to === undefined) return { refused: `the fields of ${apiVersion} are not known` };
  const changed = changedMeaning(object, apiVersion);
  const paths =
    changed === undefined ? differentFields(object, planOf(from.message), planOf(to.message), "") : [changed];
  if (paths.length === 0) return { object: { ...object, apiVersion } };
  const [first, ...more] = paths;
  const others = more.length === 0 ? "" : ` and ${more.length} more fields`;
  return { refused: `"${first}"${others} of ${object.apiVersion} are not the same in ${apiVersion}` };
}

/** Fields with the same name and type that say something else. */
function changedMeaning({ apiVersion, kind, spec }: KubeObject, to: string): string | undefined {
  // In policy/v1beta1 an empty selector selects no pod, in policy/v1 every pod of the namespace.
  const isPolicy = apiVersion.startsWith("policy/") && to.startsWith("policy/");
  if (kind === "PodDisruptionBudget" && isPolicy) {
    const selector = isObject(spec) ? spec.selector : undefined;
    const isEmpty = isObject(selector) && Object.values(selector).every((each) => each === undefined || each === null);
    return isEmpty ? "spec.selector" : undefined;
  }
  return undefined;
}

function differentFields(value: JsonValue, from: MessagePlan, to: MessagePlan, path: string): string[] {
  if (from === to || !isObject(value)) return [];
  const different: string[] = [];
  for (const [name, each] of Object.entries(value as JsonObject)) {
    if (each === undefined || each === null || (path === "" && (name === "apiVersion" || name === "kind"))) continue;
    if (path === "" && name === "status") continue; // it is not given back
    const place = path === "" ? name : `${path}.${name}`;
    const [one, two] = [from.byName.get(name), to.byName.get(name)];
    if (one === undefined && two === undefined) continue;
    if (one === undefined || two === undefined || one.op !== two.op || one.card !== two.card) {
      different.push(place);
    } else if (one.plan !== undefined && two.plan !== undefined && one.plan !== two.plan) {
      const items = one.card === Card.One ? [each] : Object.values(each as JsonObject);
      for (const item of items) different.push(...differentFields(item as JsonValue, one.plan, two.plan, place));
    }
  }
  return [...new Set(different)];
}

/** Converts a custom resource: the versions of a definition without a webhook differ in nothing but the name. */
export function convertCustom(object: KubeObject, apiVersion: string, definition: KubeObject | undefined): Conversion {
  if (object.apiVersion === apiVersion) return { object };
  const spec = isObject(definition?.spec) ? definition.spec : {};
  const strategy = isObject(spec.conversion) ? spec.conversion.strategy : "None";
  if (definition === undefined) return { refused: `the definition of "${object.kind}" is not known` };
  if (strategy !== undefined && strategy !== "None") {
    return { refused: `a webhook converts ${object.apiVersion} to ${apiVersion}, and it converts live objects only` };
  }
  return { object: { ...object, apiVersion } };
}
