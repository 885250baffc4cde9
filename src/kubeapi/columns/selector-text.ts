/** Labels and label selectors in one cell, as kubectl writes them. Source: k8s.io/apimachinery/pkg/labels and pkg/apis/meta/v1. */
import type { JsonValue } from "../../kube/object.ts";
import { entries, field, isObject, list, plainText, text } from "./field.ts";

/** `a=1,b=2`, sorted; `<none>` when there are none. */
export function labelsText(labels: JsonValue | undefined): string {
  const pairs = isObject(labels) ? Object.keys(labels).map((name) => `${name}=${text(labels, [name])}`) : [];
  return pairs.length === 0 ? "<none>" : pairs.sort().join(",");
}

/** A LabelSelector: requirements sorted by label. None at all (`null`) selects nothing, an empty one everything. */
export function selectorText(selector: JsonValue | undefined, nothing = "<none>", everything = "<none>"): string {
  if (!isObject(selector)) return nothing;
  const requirements: { readonly key: string; readonly text: string }[] = entries(selector, "matchLabels").map(
    ([key]) => ({ key, text: `${key}=${text(field(selector, "matchLabels"), [key])}` }),
  );
  for (const expression of list(selector, "matchExpressions")) {
    const key = text(expression, "key");
    const values = list(expression, "values").map(plainText).sort().join(",");
    const operator = text(expression, "operator");
    if (operator === "Exists") requirements.push({ key, text: key });
    else if (operator === "DoesNotExist") requirements.push({ key, text: `!${key}` });
    else requirements.push({ key, text: `${key} ${operator === "In" ? "in" : "notin"} (${values})` });
  }
  if (requirements.length === 0) return everything;
  return requirements
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map((each) => each.text)
    .join(",");
}
