/** Runs a Go template on an object. What is absent prints as `<no value>`, as kubectl has it. Source: text/template/exec.go, funcs.go. */
import { MendError } from "../../../errors/errors.ts";
import type { JsonObject, JsonValue } from "../../../kube/object.ts";
import { sortedEntries } from "../../columns/field.ts";
import { goText } from "../go-text.ts";
import { callFunction, isTrue, NO_VALUE } from "./functions.ts";
import type { GoTemplate, Operand, Pipeline, TemplateNode } from "./parse.ts";

type Value = JsonValue | undefined;

interface Variable {
  readonly name: string;
  value: Value;
}

/** Throws `usage` for a template that does not suit the object, and unless `allowMissing` for a field that is not there. */
export function printGoTemplate({ body, named }: GoTemplate, root: JsonValue, allowMissing = true): string {
  const out: Output = { parts: [], named, depth: 0, allowMissing };
  run(body, root, [{ name: "", value: root }], out);
  return out.parts.join("");
}

interface Output {
  readonly parts: string[];
  readonly named: GoTemplate["named"];
  /** Templates that call each other, at present. */
  depth: number;
  readonly allowMissing: boolean;
}

const DEEPEST = 1000;

/** How a body ended: at its end, or by leaving the `{{range}}` around it, or by going on with its next item. */
type Ending = "end" | "break" | "continue";

function run(nodes: readonly TemplateNode[], dot: Value, outer: readonly Variable[], out: Output): Ending {
  const scope = [...outer];
  for (const node of nodes) {
    if (node.kind === "template") {
      const body = out.named.get(node.name);
      if (body === undefined) throw new MendError("usage", `there is no template "${node.name}"`);
      const value = node.pipeline === undefined ? null : evaluate(node.pipeline, dot, scope, out);
      if (++out.depth > DEEPEST)
        throw new MendError("usage", `the template "${node.name}" calls itself without an end`);
      run(body, value, [{ name: "", value }], out);
      out.depth--;
    } else if (node.kind === "text") out.parts.push(node.text);
    else if (node.kind === "print") {
      const value = evaluate(node.pipeline, dot, scope, out);
      out.parts.push(value === undefined || value === null ? NO_VALUE : goText(value));
    } else if (node.kind === "assign") {
      const value = evaluate(node.pipeline, dot, scope, out);
      const [name = ""] = node.names;
      if (node.declare) scope.push({ name, value });
      else variable(scope, name).value = value;
    } else if (node.kind === "break" || node.kind === "continue") return node.kind;
    else {
      const ending = runBlock(node, dot, scope, out);
      if (ending !== "end") return ending;
    }
  }
  return "end";
}

function runBlock(
  { kind, names, pipeline, body, otherwise }: Extract<TemplateNode, { kind: "if" | "with" | "range" }>,
  dot: Value,
  scope: readonly Variable[],
  out: Output,
): Ending {
  const value = evaluate(pipeline, dot, scope, out);
  if (kind === "range") {
    const items = itemsOf(value);
    if (items.length === 0) return run(otherwise, dot, scope, out);
    for (const [key, item] of items) {
      const values = names.length > 1 ? [key, item] : [item];
      const ending = run(body, item, [...scope, ...names.map((name, i) => ({ name, value: values[i] }))], out);
      if (ending === "break") break;
    }
    return "end";
  }
  const declared = names.map((name) => ({ name, value }));
  if (!isTrue(value)) return run(otherwise, dot, [...scope, ...declared], out);
  return run(body, kind === "with" ? value : dot, [...scope, ...declared], out);
}

function itemsOf(value: Value): readonly (readonly [JsonValue, JsonValue])[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map((item, i) => [i, item]);
  if (typeof value === "number") return Array.from({ length: Math.max(0, value) }, (_, i) => [i, i]);
  if (typeof value === "object") return sortedEntries(value as JsonObject);
  throw new MendError("usage", `the template ranges over ${goText(value)}, which is neither a list nor a map`);
}

function evaluate(pipeline: Pipeline, dot: Value, scope: readonly Variable[], out: Output): Value {
  let piped: readonly Value[] = [];
  for (const command of pipeline) {
    const [first, ...rest] = command as readonly [Operand, ...Operand[]];
    const args = [...rest.map((each) => operand(each, dot, scope, out)), ...piped];
    if (first.kind === "function") piped = [callFunction(first.name, args)];
    else if (args.length > 0) throw new MendError("usage", "the template calls a value as if it were a function");
    else if (pipeline.length === 1 && first.kind === "literal" && first.value === null)
      throw new MendError("usage", "the template has nil where a value has to be");
    else piped = [operand(first, dot, scope, out)];
  }
  return piped[0];
}

function operand(each: Operand, dot: Value, scope: readonly Variable[], out: Output): Value {
  switch (each.kind) {
    case "dot":
      return dot;
    case "field":
      return follow(dot, each.path, out);
    case "variable":
      return follow(variable(scope, each.name).value, each.path, out);
    case "literal":
      return each.value;
    case "function":
      return callFunction(each.name, []);
    case "group":
      return follow(evaluate(each.pipeline, dot, scope, out), each.path, out);
  }
}

function variable(scope: readonly Variable[], name: string): Variable {
  const found = scope.findLast((each) => each.name === name);
  if (found === undefined) throw new MendError("usage", `the template has no variable $${name}`);
  return found;
}

function follow(value: Value, path: readonly string[], { allowMissing }: Output): Value {
  let at = value;
  for (const name of path) {
    if (at === undefined || at === null) return undefined;
    if (typeof at !== "object" || Array.isArray(at))
      throw new MendError("usage", `the template looks for .${name} in ${goText(at)}, which has no fields`);
    const isThere = Object.hasOwn(at, name);
    if (!isThere && !allowMissing)
      throw new MendError("usage", `the template asks for the field "${name}", which is not there`);
    at = isThere ? (at as JsonObject)[name] : undefined;
  }
  return at;
}
