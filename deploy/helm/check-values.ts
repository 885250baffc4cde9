/** The part of JSON Schema (draft 7) that values.schema.json uses, so that a test can hold values against it as Helm does. */

export interface JsonSchema {
  readonly $schema?: string;
  readonly $ref?: string;
  readonly type?: "object" | "string" | "boolean";
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minLength?: number;
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: false | JsonSchema;
  readonly allOf?: readonly JsonSchema[];
  readonly not?: JsonSchema;
  readonly definitions?: Readonly<Record<string, JsonSchema>>;
}

const KNOWN: ReadonlySet<string> = new Set([
  ...["$schema", "$ref", "type", "const", "enum", "minLength", "pattern"],
  ...["properties", "additionalProperties", "allOf", "not", "definitions"],
]);

/** The paths of what the schema refuses. Throws for a word of a schema that is not read here. */
export function schemaFaults(
  schema: JsonSchema,
  value: unknown,
  root: JsonSchema = schema,
  at = "$",
): readonly string[] {
  for (const word of Object.keys(schema)) if (!KNOWN.has(word)) throw new Error(`${at}: "${word}" is not read here`);
  if (schema.$ref !== undefined) {
    const named = root.definitions?.[schema.$ref.replace("#/definitions/", "")];
    if (named === undefined) throw new Error(`${at}: there is no ${schema.$ref}`);
    return schemaFaults(named, value, root, at);
  }
  const faults: string[] = [];
  const refuse = (isWrong: boolean): void => void (isWrong && faults.push(at));
  const isObject = typeof value === "object" && value !== null;
  refuse(schema.type !== undefined && typeof value !== schema.type);
  refuse(schema.const !== undefined && value !== schema.const);
  refuse(schema.enum !== undefined && !schema.enum.includes(value));
  refuse(typeof value === "string" && value.length < (schema.minLength ?? 0));
  refuse(typeof value === "string" && schema.pattern !== undefined && !new RegExp(schema.pattern, "u").test(value));
  for (const [name, each] of isObject ? Object.entries(value) : []) {
    const own = schema.properties?.[name] ?? schema.additionalProperties;
    if (own === false) faults.push(`${at}.${name}`);
    else if (own !== undefined) faults.push(...schemaFaults(own, each, root, `${at}.${name}`));
  }
  for (const each of schema.allOf ?? []) faults.push(...schemaFaults(each, value, root, at));
  if (schema.not !== undefined) refuse(schemaFaults(schema.not, value, root, at).length === 0);
  return faults;
}
