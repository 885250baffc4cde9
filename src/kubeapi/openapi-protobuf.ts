/**
 * OpenAPI v2 as protobuf, which older clients insist on: gnostic's openapi.v2 Document, of which only what {@link
 * openApiV2} makes is written. Source: gnostic's openapiv2/OpenAPIv2.proto. Its maps are lists of named values.
 */
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { WireWriter } from "../protobuf/writer.ts";
import { isObject } from "../storage/arrange.ts";
import { printJson } from "../storage/json-text.ts";

/** Document: `swagger = 1, info = 2, paths = 8, definitions = 9`; Info: `title = 1, version = 2`. */
export function encodeOpenApiV2(document: JsonObject): Uint8Array {
  const writer = new WireWriter();
  const definitions = entriesOf(document.definitions);
  delimited(writer, 9, () => namedAll(writer, 1, definitions, schema));
  delimited(writer, 8, () => namedAll(writer, 2, entriesOf(document.paths), pathItem));
  const info = isObject(document.info) ? document.info : {};
  delimited(writer, 2, () => {
    text(writer, 2, info.version);
    text(writer, 1, info.title);
  });
  text(writer, 1, document.swagger);
  return writer.finish();
}

type Write = (writer: WireWriter, value: JsonObject) => void;

/** NamedSchema, NamedPathItem and the like: `name = 1, value = 2`. */
function namedAll(
  writer: WireWriter,
  number: number,
  entries: readonly (readonly [string, JsonValue])[],
  write: Write,
) {
  for (const [name, value] of entries.toReversed()) {
    delimited(writer, number, () => {
      delimited(writer, 2, () => write(writer, isObject(value) ? value : {}));
      text(writer, 1, name);
    });
  }
}

/** PathItem: `get = 2`. */
function pathItem(writer: WireWriter, value: JsonObject): void {
  const { get } = value;
  if (isObject(get)) delimited(writer, 2, () => operation(writer, get));
}

/** Operation: `operation_id = 5, responses = 9, vendor_extension = 13`. */
function operation(writer: WireWriter, value: JsonObject): void {
  extensions(writer, 13, value);
  delimited(writer, 9, () => {
    // Responses: response_code = 1; ResponseValue: response = 1; Response: description = 1.
    namedAll(writer, 1, entriesOf(value.responses), (_, response) =>
      delimited(writer, 1, () => text(writer, 1, response.description)),
    );
  });
  text(writer, 5, value.operationId);
}

/**
 * Schema: `_ref = 1, format = 2, description = 4, pattern = 13, required = 19, additional_properties = 21, type = 22,
 * items = 23, properties = 25, vendor_extension = 31`. Defaults and limits are left out: nobody reads them here.
 */
function schema(writer: WireWriter, value: JsonObject): void {
  extensions(writer, 31, value);
  const { properties, items, additionalProperties, required } = value;
  if (isObject(properties)) delimited(writer, 25, () => namedAll(writer, 1, entriesOf(properties), schema));
  if (isObject(items)) delimited(writer, 23, () => delimited(writer, 1, () => schema(writer, items)));
  if (typeof value.type === "string") delimited(writer, 22, () => text(writer, 1, value.type));
  if (isObject(additionalProperties))
    delimited(writer, 21, () => delimited(writer, 1, () => schema(writer, additionalProperties)));
  if (Array.isArray(required)) for (const name of required.toReversed()) text(writer, 19, name as JsonValue);
  text(writer, 13, value.pattern);
  text(writer, 4, value.description);
  text(writer, 2, value.format);
  text(writer, 1, value.$ref);
}

/** NamedAny: `name = 1, value = 2`; Any: `yaml = 2`. JSON is YAML. */
function extensions(writer: WireWriter, number: number, value: JsonObject): void {
  for (const [name, extension] of entriesOf(value).toReversed()) {
    if (!name.startsWith("x-")) continue;
    delimited(writer, number, () => {
      delimited(writer, 2, () => text(writer, 2, printJson(extension)));
      text(writer, 1, name);
    });
  }
}

function entriesOf(value: JsonValue | undefined): (readonly [string, JsonValue])[] {
  return isObject(value)
    ? Object.entries(value).flatMap(([name, each]) => (each === undefined ? [] : [[name, each] as const]))
    : [];
}

function delimited(writer: WireWriter, number: number, write: () => void): void {
  const before = writer.size;
  write();
  writer.delimit(number, before);
}

function text(writer: WireWriter, number: number, value: JsonValue | undefined): void {
  if (typeof value !== "string" || value === "") return;
  delimited(writer, number, () => writer.raw(Buffer.from(value, "utf8")));
}
