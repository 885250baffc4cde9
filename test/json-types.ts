/**
 * The fields of a type, as docs/json-output.md shows them: what `JSON.stringify` makes of a value, with the comments of
 * the declarations. Reads the program's types by TypeScript's own API.
 */
import { join } from "node:path";
import {
  API,
  type Project,
  SymbolFlags,
  type Type,
  TypeFlags,
  type Symbol as TypeSymbol,
} from "typescript/unstable/sync";

/** A longer list is no help: such texts are codes, or names of Kubernetes. */
const MOST_LITERALS = 10;
const ROOT = join(import.meta.dirname, "..");

export interface JsonField {
  /** Such as `members[].id`. */
  readonly path: string;
  /** Such as `null or string`. */
  readonly type: string;
  /** Empty where the name says it. */
  readonly meaning: string;
}

/** Of every property of the interface `name` in `file`: the fields of its type. */
export function describeJson(file: string, name: string): ReadonlyMap<string, readonly JsonField[]> {
  const api = new API({ cwd: ROOT });
  try {
    const snapshot = api.updateSnapshot({ openProjects: [join(ROOT, "tsconfig.json")] });
    const project = snapshot.getProjects()[0]!;
    const { checker } = project;
    const path = join(ROOT, file);
    const symbol = checker.resolveName(name, SymbolFlags.Interface, { document: path, position: 0 } as never);
    if (symbol === undefined) throw new Error(`${file} declares no interface "${name}"`);
    const type = checker.getDeclaredTypeOfSymbol(symbol);
    return new Map(
      checker.getPropertiesOfType(type).map((command) => {
        const fields: JsonField[] = [];
        collect(project, checker.getTypeOfSymbol(command)!, "", fields, []);
        return [command.name, fields];
      }),
    );
  } finally {
    api.close();
  }
}

/** The types that a union stands for, without `undefined`: that is left out of JSON. */
function parts(type: Type): readonly Type[] {
  return (type.isUnionType() ? type.getTypes() : [type]).filter(({ flags }) => (flags & TypeFlags.Undefined) === 0);
}

function collect(project: Project, type: Type, path: string, fields: JsonField[], above: readonly Type[]): void {
  const { checker } = project;
  for (const each of parts(type)) {
    if (above.some(({ id }) => id === each.id)) continue; // a type that has itself below it
    if (checker.isArrayType(each)) {
      const item = checker.getTypeArguments(each as never)[0]!;
      if (path === "") fields.push({ path: "[]", type: kindOf(project, item), meaning: "" });
      collect(project, item, `${path}[]`, fields, [...above, each]);
    } else if (each.isObjectType() || each.isIntersectionType()) {
      const index = checker.getIndexInfosOfType(each)[0];
      if (index !== undefined) collect(project, index.valueType, path === "" ? "NAME" : `${path}.NAME`, fields, above);
      for (const property of checker.getPropertiesOfType(each)) {
        const below = path === "" ? property.name : `${path}.${property.name}`;
        const inner = checker.getTypeOfSymbol(property)!;
        const kind = kindOf(project, inner);
        if (kind === "" || property.name.startsWith("__")) continue; // a method
        if (!fields.some((field) => field.path === below))
          fields.push({ path: below, type: kind, meaning: meaningOf(project, property) });
        collect(project, inner, below, fields, [...above, each]);
      }
    }
  }
}

function meaningOf({ checker }: Project, property: TypeSymbol): string {
  return checker.getDocumentationCommentOfSymbol(property).replace(/\s+/g, " ").replace(/\.$/, "").trim();
}

/** As JSON has it; empty for what JSON has not. */
function kindOf(project: Project, type: Type): string {
  const literals: string[] = [];
  const kinds = new Set<string>();
  for (const each of parts(type)) {
    if (each.isStringLiteralType()) literals.push(`\`${each.value}\``);
    else if (each.flags & TypeFlags.StringLike) kinds.add("string");
    else if (each.flags & TypeFlags.NumberLike) kinds.add("number");
    else if (each.flags & TypeFlags.BooleanLike) kinds.add("boolean");
    else if (each.flags & TypeFlags.Null) kinds.add("null");
    else if (project.checker.isArrayType(each) || each.isTupleType()) kinds.add("list");
    else if (project.checker.getSignaturesOfType(each, 0 as never).length > 0) continue;
    else if (each.isObjectType() || each.isIntersectionType()) kinds.add("object");
    else kinds.add("any value");
  }
  if (literals.length > MOST_LITERALS) kinds.add("string");
  const named = literals.length > MOST_LITERALS ? [] : literals.sort();
  return [...named, ...[...kinds].sort()].join(" or ");
}
