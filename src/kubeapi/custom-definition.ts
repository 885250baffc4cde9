/**
 * What serving a custom resource takes from its CustomResourceDefinition: versions with their schemas and columns, and
 * whether kinds are converted.
 */
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { compareVersions, type PrinterColumn, readCustomResource } from "../storage/custom-resource.ts";
import { field, isObject, list, text } from "./columns/field.ts";

export interface CustomVersion {
  readonly name: string;
  /** An OpenAPI v3 schema; undefined where the definition has none. */
  readonly schema: JsonObject | undefined;
  readonly columns: readonly (PrinterColumn & { readonly format: string })[];
  readonly hasStatus: boolean;
  readonly scale: ScalePaths | undefined;
  /** JSON paths, such as `.spec.color`, that field selectors may use. */
  readonly selectableFields: readonly string[];
}

/** Where a scale is in a custom resource, such as `.spec.replicas`. */
interface ScalePaths {
  readonly specReplicas: string;
  readonly statusReplicas: string;
  readonly labelSelector: string | undefined;
}

export interface CustomDefinition {
  readonly group: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly listKind: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** Served versions, the preferred one first. */
  readonly versions: readonly CustomVersion[];
  /** Of all versions, those that are not served too. */
  readonly schemas: ReadonlyMap<string, JsonObject | undefined>;
  /** Whether an object of one version is an object of any other, but for its apiVersion. False where a webhook converts. */
  readonly sameInAllVersions: boolean;
  /** Whether fields that no schema knows are dropped, which defaults need. */
  readonly prunes: boolean;
}

/** Reads a CustomResourceDefinition of apiextensions.k8s.io/v1 or v1beta1; undefined where it names no resource. */
export function readCustomDefinition(definition: KubeObject): CustomDefinition | undefined {
  const resource = readCustomResource(definition);
  if (resource === undefined) return undefined;
  const { group, plural, singular, kind, shortNames, categories, namespaced } = resource;
  const spec: JsonObject = isObject(definition.spec) ? definition.spec : {};
  const listed = list(spec, "versions").filter((version) => text(version, "name") !== "");
  const versions = listed.length > 0 ? listed : [{ name: text(spec, "version"), served: true }];
  return {
    group,
    plural,
    singular,
    kind,
    listKind: text(spec, "names.listKind", `${kind}List`),
    shortNames,
    categories,
    namespaced,
    versions: versions
      .filter((version) => field(version, "served") !== false)
      .map((version) => readVersion(version, spec))
      .sort((a, b) => compareVersions(a.name, b.name)),
    schemas: new Map(versions.map((each) => readVersion(each, spec)).map(({ name, schema }) => [name, schema])),
    prunes: definition.apiVersion === "apiextensions.k8s.io/v1" || spec.preserveUnknownFields === false,
    sameInAllVersions: text(spec, "conversion.strategy", "None") === "None",
  };
}

/** In v1beta1 what all versions share stands beside them. */
function readVersion(version: JsonValue, spec: JsonObject): CustomVersion {
  const schema = field(version, "schema", "openAPIV3Schema") ?? field(spec, "validation", "openAPIV3Schema");
  const subresources = field(version, "subresources") ?? field(spec, "subresources");
  const columns = field(version, "additionalPrinterColumns") ?? field(spec, "additionalPrinterColumns");
  const scale = field(subresources, "scale");
  return {
    name: text(version, "name"),
    schema: isObject(schema) ? schema : undefined,
    columns: (Array.isArray(columns) ? columns : []).map((column: JsonValue) => ({
      name: text(column, "name"),
      type: text(column, "type"),
      format: text(column, "format"),
      jsonPath: text(column, "jsonPath") || text(column, "JSONPath"), // v1, v1beta1
      priority: Number(text(column, "priority", "0")),
    })),
    hasStatus: field(subresources, "status") !== undefined,
    scale:
      scale === undefined
        ? undefined
        : {
            specReplicas: text(scale, "specReplicasPath"),
            statusReplicas: text(scale, "statusReplicasPath"),
            labelSelector: text(scale, "labelSelectorPath") || undefined,
          },
    selectableFields: list(version, "selectableFields").map((each) => text(each, "jsonPath")),
  };
}
