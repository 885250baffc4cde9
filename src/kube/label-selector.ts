/**
 * Label selectors as `kubectl -l` takes them: `app=web,tier!=db`, `env in (a,b)`, `env notin (a)`, `app`, `!app`, `n>3`. Source:
 * k8s.io/apimachinery/pkg/labels.
 */
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import type { JsonObject, JsonValue } from "./object.ts";

type Operator = "in" | "notin" | "exists" | "absent" | "greater" | "less";

interface Requirement {
  readonly label: string;
  readonly operator: Operator;
  readonly values: readonly string[];
}

/** What labels must fulfil: all of it. */
export type LabelSelector = readonly Requirement[];

const LABEL = "[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?";
const FORMS: readonly (readonly [form: RegExp, operator: Operator])[] = [
  [new RegExp(`^!\\s*(${LABEL})$`), "absent"],
  [new RegExp(`^(${LABEL})$`), "exists"],
  [new RegExp(`^(${LABEL})\\s+in\\s*\\(([^()]*)\\)$`), "in"],
  [new RegExp(`^(${LABEL})\\s+notin\\s*\\(([^()]*)\\)$`), "notin"],
  [new RegExp(`^(${LABEL})\\s*>\\s*(-?\\d+)$`), "greater"],
  [new RegExp(`^(${LABEL})\\s*<\\s*(-?\\d+)$`), "less"],
  [new RegExp(`^(${LABEL})\\s*!=\\s*([-A-Za-z0-9_.]*)$`), "notin"],
  [new RegExp(`^(${LABEL})\\s*==?\\s*([-A-Za-z0-9_.]*)$`), "in"],
];

/** Throws `usage` for a text that is no selector. An empty one selects everything. */
export function parseLabelSelector(text: string): LabelSelector {
  return splitOutsideParentheses(text).map((part) => {
    for (const [form, operator] of FORMS) {
      const match = form.exec(part);
      if (match === null) continue;
      const [, label = "", values] = match;
      const list = values === undefined ? [] : values.split(",").map((value) => value.trim());
      return { label, operator, values: list };
    }
    throw new MendError("usage", `"${part}" is not a label selector`, {
      hint: `write it as app=web, tier!=db, "env in (dev,test)", "env notin (prod)", app or !app`,
    });
  });
}

const EXPRESSIONS: Readonly<Record<string, Operator>> = {
  In: "in",
  NotIn: "notin",
  Exists: "exists",
  DoesNotExist: "absent",
};

/** A LabelSelector as objects carry it (`matchLabels`, `matchExpressions`); undefined for none at all, which selects nothing. */
export function readLabelSelector(selector: JsonValue | undefined): LabelSelector | undefined {
  if (typeof selector !== "object" || selector === null || Array.isArray(selector)) return undefined;
  const { matchLabels, matchExpressions } = selector as JsonObject;
  const requirements: Requirement[] = Object.entries((matchLabels ?? {}) as JsonObject).map(([label, value]) => ({
    label,
    operator: "in",
    values: [String(value)],
  }));
  for (const expression of (matchExpressions ?? []) as readonly JsonObject[]) {
    const operator = EXPRESSIONS[String(expression.operator)];
    if (operator === undefined) return undefined; // one that this Kubernetes does not know either: it selects nothing
    const values = ((expression.values ?? []) as readonly JsonValue[]).map(String);
    requirements.push({ label: String(expression.key), operator, values });
  }
  return requirements;
}

/** As `kubectl -l` and the API's `labelSelector` take it. */
export function labelSelectorText(selector: LabelSelector): string {
  const text: Readonly<Record<Operator, (label: string, values: readonly string[]) => string>> = {
    in: (label, values) => `${label} in (${values.join(",")})`,
    notin: (label, values) => `${label} notin (${values.join(",")})`,
    exists: (label) => label,
    absent: (label) => `!${label}`,
    greater: (label, values) => `${label}>${values[0]}`,
    less: (label, values) => `${label}<${values[0]}`,
  };
  return selector.map(({ label, operator, values }) => text[operator](label, values)).join(",");
}

function splitOutsideParentheses(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")") depth--;
    if (i < text.length && (text[i] !== "," || depth > 0)) continue;
    const part = text.slice(start, i).trim();
    if (part !== "") parts.push(part);
    start = i + 1;
  }
  return parts;
}

/** Whether labels fulfil a selector. Like Kubernetes', `!=` and `notin` hold for an object that lacks the label. */
export function matchesLabels(selector: LabelSelector, labels: Readonly<Record<string, unknown>> | undefined): boolean {
  return selector.every((requirement) => fulfils(requirement, labels));
}

function fulfils(requirement: Requirement, labels: Readonly<Record<string, unknown>> | undefined): boolean {
  const { label, operator, values } = requirement;
  const value = labels !== undefined && Object.hasOwn(labels, label) ? String(labels[label]) : undefined;
  switch (operator) {
    case "exists":
      return value !== undefined;
    case "absent":
      return value === undefined;
    case "in":
      return value !== undefined && values.includes(value);
    case "notin":
      return value === undefined || !values.includes(value);
    case "greater":
    case "less": {
      if (value === undefined || !/^-?\d+$/.test(value)) return false;
      const [a, b] = [BigInt(value), BigInt(defined(values[0]))];
      return operator === "greater" ? a > b : a < b;
    }
  }
}
