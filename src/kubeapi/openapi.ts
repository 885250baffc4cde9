/**
 * OpenAPI documents, versions 2 and 3, for `kubectl explain` and whoever else asks for the shapes of objects: built-in
 * kinds from the storage tables, which have names and types but no descriptions, and custom resources from the schemas
 * of their definitions. Source: kube-openapi and the API server's handlers for both.
 */

import { createHash } from "node:crypto";
import { defined } from "../errors/defined.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { isObject } from "../storage/arrange.ts";
import { Card, type FieldPlan, type MessagePlan, Op, planOf, Shape } from "../storage/message-plan.ts";
import { type Catalog, groupVersion, type ServedResource } from "./catalog.ts";
import { noSuchPath } from "./status.ts";

/** Where a document keeps its schemas: `#/definitions/` or `#/components/schemas/`. */
type References = "#/definitions/" | "#/components/schemas/";

const INFO = { title: "Kubernetes", version: "unversioned" };

/** `/openapi/v2`: every kind in one document. */
export function openApiV2(catalog: Catalog): JsonObject {
  const schemas = createSchemas("#/definitions/");
  const paths = pathsOf(catalog.resources, schemas, false);
  return { swagger: "2.0", info: INFO, paths, definitions: schemas.all() };
}

/** `/openapi/v3`: where the document of each group and version is. The hash changes with the document. */
export function openApiV3Index(catalog: Catalog): JsonObject {
  const places = [...Map.groupBy(catalog.resources, groupVersion)].map(([version, resources]) => {
    const place = version.includes("/") ? `apis/${version}` : `api/${version}`;
    const hash = createHash("sha256")
      .update(
        JSON.stringify(
          resources.map((each) => [
            each.plural,
            each.type.custom ? each.type.version.schema : each.type.resource.message,
          ]),
          bigints,
        ),
      )
      .digest("hex")
      .toUpperCase();
    return [place, { serverRelativeURL: `/openapi/v3/${place}?hash=${hash}` }] as const;
  });
  return { paths: Object.fromEntries(places) };
}

const bigints = (_name: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);

/** `/openapi/v3/apis/GROUP/VERSION` */
export function openApiV3(catalog: Catalog, group: string, version: string): JsonObject {
  const resources = catalog.resources.filter((each) => each.group === group && each.version === version);
  if (resources.length === 0) throw noSuchPath();
  const schemas = createSchemas("#/components/schemas/");
  const paths = pathsOf(resources, schemas, true);
  return { openapi: "3.0.0", info: INFO, paths, components: { schemas: schemas.all() } };
}

function pathsOf(resources: readonly ServedResource[], schemas: Schemas, v3: boolean): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const resource of resources) {
    const { namespaced, plural, kind, group, version } = resource;
    const schema: JsonObject = { $ref: schemas.add(resource) };
    const prefix = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    const place = `${prefix}/${namespaced ? "namespaces/{namespace}/" : ""}${plural}/{name}`;
    const parameters = ["name", ...(namespaced ? ["namespace"] : [])].map((name) => ({
      name,
      in: "path",
      required: true,
      ...(v3 ? { schema: { type: "string" } } : { type: "string" }),
    }));
    const responses = {
      "200": { description: "OK", ...(v3 ? { content: { "application/json": { schema } } } : { schema }) },
    };
    paths[place] = {
      get: {
        operationId: `read${groupVersion(resource)}${kind}`.replace(/[^A-Za-z0-9]/g, ""),
        parameters,
        responses,
        "x-kubernetes-action": "get",
        "x-kubernetes-group-version-kind": { group, version, kind },
      },
    };
  }
  return paths;
}

interface Schemas {
  /** Adds a resource's schema and all that it refers to, and returns the reference. */
  add(resource: ServedResource): string;
  all(): JsonObject;
}

function createSchemas(references: References): Schemas {
  const definitions: Record<string, JsonObject> = {};
  const message = (plan: MessagePlan): JsonObject => {
    const name = definitionName(plan.name);
    if (!Object.hasOwn(definitions, name)) {
      definitions[name] = {}; // before its fields: a schema holds schemas
      definitions[name] = schemaOf(plan, message);
    }
    return { $ref: references + name };
  };
  return {
    add(resource) {
      const { type, group, version, kind } = resource;
      const kinds = [{ group, version, kind }];
      if (type.custom) {
        const name = `${group.split(".").reverse().join(".")}.${version}.${kind}`;
        const metadata = message(planOf("meta/v1.ObjectMeta"));
        definitions[name] = {
          ...customSchema(type.version.schema, metadata),
          "x-kubernetes-group-version-kind": kinds,
        };
        return references + name;
      }
      const plan = planOf(type.resource.message);
      message(plan);
      const name = definitionName(plan.name);
      const { type: _type, properties, ...rest } = defined(definitions[name]);
      const own = { apiVersion: { type: "string" }, kind: { type: "string" } };
      definitions[name] = {
        type: "object",
        properties: { ...own, ...(isObject(properties) ? properties : {}) },
        ...rest,
        "x-kubernetes-group-version-kind": kinds,
      };
      return references + name;
    },
    all: () => Object.fromEntries(Object.entries(definitions).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** Where Kubernetes' types live that are not in k8s.io/api. */
const PACKAGES: Readonly<Record<string, string>> = {
  meta: "io.k8s.apimachinery.pkg.apis.meta",
  apiextensions: "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
  apiregistration: "io.k8s.kube-aggregator.pkg.apis.apiregistration",
};

/** `core/v1.Pod` as `io.k8s.api.core.v1.Pod`. */
function definitionName(message: string): string {
  const [group = "", rest = ""] = message.split("/");
  return `${PACKAGES[group] ?? `io.k8s.api.${group}`}.${rest}`;
}

function schemaOf(plan: MessagePlan, message: (plan: MessagePlan) => JsonObject): JsonObject {
  if (plan.shape === Shape.List) return { type: "array", items: { type: "string" } };
  if (plan.shape !== Shape.Object) return {}; // a schema, or something else in its place
  const slots = [...new Map(plan.slots.map((slot) => [slot.name, slot])).values()]
    .filter((slot) => !slot.gone)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    type: "object",
    properties: Object.fromEntries(slots.map((slot) => [slot.name, fieldSchema(slot, message)])),
  };
}

function fieldSchema(field: FieldPlan, message: (plan: MessagePlan) => JsonObject): JsonObject {
  const one: JsonObject = field.plan !== undefined ? message(field.plan) : (LEAVES.get(field.op) ?? {});
  if (field.card === Card.Many) return { type: "array", items: one };
  return field.card === Card.Map ? { type: "object", additionalProperties: one } : one;
}

const LEAVES: ReadonlyMap<Op, JsonObject> = new Map<Op, JsonObject>([
  [Op.String, { type: "string" }],
  [Op.Bool, { type: "boolean" }],
  [Op.Int32, { type: "integer", format: "int32" }],
  [Op.Int64, { type: "integer", format: "int64" }],
  [Op.Uint32, { type: "integer", format: "int64" }],
  [Op.Uint64, { type: "integer", format: "int64" }],
  [Op.Double, { type: "number", format: "double" }],
  [Op.Float, { type: "number", format: "float" }],
  [Op.Bytes, { type: "string", format: "byte" }],
  [Op.Time, { type: "string", format: "date-time" }],
  [Op.MicroTime, { type: "string", format: "date-time" }],
  [Op.Duration, { type: "string" }],
  [Op.Quantity, { type: "string" }],
  [Op.IntOrString, { type: "string", format: "int-or-string" }],
  [Op.RawExtension, { type: "object" }],
  [Op.FieldsV1, { type: "object" }],
  [Op.RawJson, {}],
]);

/** What both versions of OpenAPI have a place for. */
const KEPT = ["description", "type", "format", "required", "enum", "pattern", "minimum", "maximum", "default"] as const;
const MOST_DEPTH = 60;

function customSchema(schema: JsonObject | undefined, metadata: JsonObject): JsonObject {
  const own = { apiVersion: { type: "string" }, kind: { type: "string" }, metadata };
  const converted = isObject(schema) ? convertSchema(schema, 0) : {};
  const properties = isObject(converted.properties) ? converted.properties : {};
  return { ...converted, type: "object", properties: { ...properties, ...own } };
}

/** A schema of a definition, cut to what clients read off it. */
function convertSchema(schema: JsonObject, depth: number): JsonObject {
  if (depth > MOST_DEPTH) return {};
  const result: Record<string, JsonValue> = {};
  for (const name of KEPT) if (schema[name] !== undefined) result[name] = schema[name];
  const { properties, items, additionalProperties } = schema;
  if (isObject(properties)) {
    const converted = Object.entries(properties).map(([name, value]) => [
      name,
      isObject(value) ? convertSchema(value, depth + 1) : {},
    ]);
    result.properties = Object.fromEntries(converted) as JsonObject;
  }
  const ofItems = Array.isArray(items) ? items[0] : items;
  if (schema.type === "array") result.items = isObject(ofItems) ? convertSchema(ofItems, depth + 1) : {};
  if (isObject(additionalProperties)) result.additionalProperties = convertSchema(additionalProperties, depth + 1);
  if (schema["x-kubernetes-int-or-string"] === true) Object.assign(result, { type: "string", format: "int-or-string" });
  if (schema["x-kubernetes-preserve-unknown-fields"] === true) {
    result["x-kubernetes-preserve-unknown-fields"] = true;
    result.type ??= "object";
  }
  return result;
}
