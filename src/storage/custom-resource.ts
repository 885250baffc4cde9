/** Custom resources, as the CustomResourceDefinitions in a snapshot describe them: names, scope, and the columns that they print. */
import { defined } from "../errors/defined.ts";
import type { JsonValue, KubeObject } from "../kube/object.ts";

/** `additionalPrinterColumns` of the version that kubectl would ask for. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  /** Above 0 is for `-o wide`. */
  readonly priority: number;
}

export interface CustomResource {
  readonly group: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** Served versions, the preferred one first. */
  readonly versions: readonly string[];
  readonly printerColumns: readonly PrinterColumn[];
}

/** Reads a CustomResourceDefinition of apiextensions.k8s.io/v1 or v1beta1; undefined when it names no resource. */
export function readCustomResource(definition: KubeObject): CustomResource | undefined {
  const spec = record(definition.spec);
  const names = record(spec.names);
  const group = string(spec.group);
  const plural = string(names.plural);
  const kind = string(names.kind);
  if (group === "" || plural === "" || kind === "") return undefined;
  const versions = array(spec.versions)
    .map(record)
    .filter((version) => version.served !== false && string(version.name) !== "")
    .sort((a, b) => compareVersions(string(a.name), string(b.name)));
  const preferred = versions[0];
  const columns = preferred?.additionalPrinterColumns ?? spec.additionalPrinterColumns;
  return {
    group,
    plural,
    singular: string(names.singular) || kind.toLowerCase(),
    kind,
    shortNames: array(names.shortNames).map(string),
    categories: array(names.categories).map(string),
    namespaced: spec.scope !== "Cluster",
    versions: versions.length > 0 ? versions.map((version) => string(version.name)) : [string(spec.version)],
    printerColumns: array(columns).map((column) => {
      const { name, type, jsonPath, JSONPath, priority } = record(column);
      return {
        name: string(name),
        type: string(type),
        jsonPath: string(jsonPath) || string(JSONPath), // v1, v1beta1
        priority: Number(priority ?? 0),
      };
    }),
  };
}

/** Kubernetes' order of versions: `v2`, `v1`, `v1beta2`, `v1beta1`, `v1alpha1`, then other names. Negative when `a` comes first. */
export function compareVersions(a: string, b: string): number {
  const [one, two] = [rank(a), rank(b)];
  for (let i = 0; i < 3; i++) if (one[i] !== two[i]) return defined(two[i]) - defined(one[i]);
  return a < b ? -1 : a > b ? 1 : 0;
}

function rank(version: string): readonly number[] {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (match === null) return [0, 0, 0];
  const [, major, stage, minor] = match;
  return [stage === undefined ? 3 : stage === "beta" ? 2 : 1, Number(major), Number(minor ?? 0)];
}

function record(value: JsonValue | undefined): { readonly [field: string]: JsonValue | undefined } {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as { readonly [field: string]: JsonValue | undefined })
    : {};
}
const array = (value: JsonValue | undefined): readonly JsonValue[] => (Array.isArray(value) ? value : []);
const string = (value: JsonValue | undefined): string => (typeof value === "string" ? value : "");
