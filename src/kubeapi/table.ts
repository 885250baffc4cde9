/** Tables as the API server makes them for `kubectl get`: meta.k8s.io Table. Source: pkg/printers and apiserver's handlers/response.go. */
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { arrange } from "../storage/arrange.ts";
import { planOf } from "../storage/message-plan.ts";
import type { ServedResource } from "./catalog.ts";
import { builtInTable } from "./columns/built-in.ts";
import { customTable } from "./columns/custom.ts";
import { text } from "./columns/field.ts";
import type { Column, KindTable } from "./columns/kind-table.ts";
import { type HiddenObject, placeholder, type Viewed } from "./view.ts";

export interface TableForm {
  readonly resource: ServedResource;
  readonly table: KindTable;
  readonly definitions: readonly JsonObject[];
  /** `v1` or `v1beta1`. */
  readonly version: string;
  readonly include: "None" | "Metadata" | "Object";
  /** What ages are counted to, in milliseconds. */
  readonly now: number;
}

/** How a resource is shown as a table. `include`: how much of each object comes with its row. */
export function tableForm(
  resource: ServedResource,
  version: string,
  include: TableForm["include"],
  now: number,
): TableForm {
  const { type } = resource;
  const table = type.custom ? customTable(type.version.columns) : builtInTable(resource.plural);
  const definitions = table.columns.map((column, i): JsonObject => {
    const custom = type.custom ? (type.version.columns[i - 1] ?? (i > 0 ? AGE : undefined)) : undefined;
    const name = custom?.name ?? columnTitle(column.name);
    return {
      name,
      type: custom?.type ?? columnType(column.name, resource.plural),
      format: NAME_COLUMNS.has(column.name) && custom === undefined ? "name" : (custom?.format ?? ""),
      description: "",
      priority: custom?.priority ?? (column.wide ? 1 : 0),
    };
  });
  return { resource, table, definitions, version, include, now };
}

const NAME_COLUMNS = new Set(["NAME", "ATTACHER"]);
const AGE = { name: "Age", type: "date", format: "", priority: 0 };

/** Words of column names that are not written like others. */
const TITLES: ReadonlyMap<string, string> = new Map(
  [
    ...["IP", "Cluster-IP", "External-IP", "Internal-IP", "OS-Image", "Up-to-date", "ClusterRole", "ServiceAccounts"],
    ...["MinPods", "MaxPods", "AddressType", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion"],
    ...["VolumeMode", "StorageClass", "VolumeAttributesClass", "MatchingPrecedence", "PriorityLevel", "MissingPL"],
    ...["DistinguisherMethod", "NominalConcurrencyShares", "HandSize", "QueueLengthLimit", "AttachRequired"],
    ...["PodInfoOnMount", "StorageCapacity", "TokenRequests", "RequiresRepublish", "SignerName", "RequestedDuration"],
    ...["ParamKind", "ParamRef", "PolicyName", "DriverName", "PreemptionPolicy", "SELinux", "RunAsUser", "FsGroup"],
    ...["SupGroup", "ReadOnlyRootFs", "PV", "ParentRef", "CIDRs", "CommonEncodingVersion", "StorageVersions"],
  ].map((title) => [title.toUpperCase(), title]),
);

/** `NOMINATED NODE` as the API server writes it: `Nominated Node`. */
function columnTitle(name: string): string {
  return TITLES.get(name) ?? name.toLowerCase().replace(/(^|[ -])\p{L}/gu, (start) => start.toUpperCase());
}

const INTEGERS = new Set([
  ...[
    "DESIRED",
    "CURRENT",
    "WEBHOOKS",
    "VALUE",
    "DRIVERS",
    "ALLOWED DISRUPTIONS",
    "ACTIVE",
    "VALIDATIONS",
    "MUTATIONS",
  ],
]);
const BOOLEANS = new Set(
  "SUSPEND ATTACHREQUIRED PODINFOONMOUNT STORAGECAPACITY REQUIRESREPUBLISH ATTACHED GLOBAL-DEFAULT".split(" "),
);
/** Counts of pods are numbers for these, and texts for others. */
const COUNTED = new Set(["replicationcontrollers", "replicasets", "daemonsets"]);

function columnType(name: string, plural: string): string {
  if (INTEGERS.has(name)) return "integer";
  if (BOOLEANS.has(name)) return "boolean";
  if (name === "CREATED AT") return "date";
  const counted = name === "READY" || (plural === "daemonsets" && (name === "UP-TO-DATE" || name === "AVAILABLE"));
  return counted && COUNTED.has(plural) ? "integer" : "string";
}

/** Columns whose cells are numbers whatever their type says. */
const NUMBER_CELLS = new Set([
  ...INTEGERS,
  ...["READY", "UP-TO-DATE", "AVAILABLE", "REPLICAS", "MAXPODS", "DATA", "SECRETS", "REVISION", "COUNT", "QUEUES"],
  ...["MATCHINGPRECEDENCE", "NOMINALCONCURRENCYSHARES", "HANDSIZE", "QUEUELENGTHLIMIT"],
]);
const BOOLEAN_CELLS = new Set([...BOOLEANS, "ALLOWVOLUMEEXPANSION", "READONLYROOTFS"]);

/** A table without its rows, which go between its last two brackets. */
export function tableHead({ version, definitions }: TableForm, metadata: JsonObject): JsonObject {
  return { kind: "Table", apiVersion: `meta.k8s.io/${version}`, metadata, columnDefinitions: definitions };
}

export function tableRow(form: TableForm, viewed: Viewed): JsonObject {
  const { resource, table, now } = form;
  if (viewed.state !== "object") {
    return { cells: hiddenCells(form, viewed), object: rowObject(form, placeholder(viewed, resource)) };
  }
  const { object, stored } = viewed;
  const cells = table
    .row(stored, { now })
    .map((cell, i) =>
      typedCell(cell, table.columns[i], resource.type.custom && i > 0 ? form.definitions[i]?.type : undefined),
    );
  const conditions = rowConditions(resource, object);
  return { cells, ...(conditions === undefined ? {} : { conditions }), object: rowObject(form, object) };
}

function typedCell(cell: string, column: Column | undefined, customType: JsonValue | undefined): JsonValue {
  const isNumber = customType === undefined ? NUMBER_CELLS.has(column?.name ?? "") : customType === "integer";
  if (isNumber && /^-?\d{1,19}$/.test(cell)) {
    const number = Number(cell);
    return Number.isSafeInteger(number) ? number : BigInt(cell);
  }
  const isBoolean = customType === undefined ? BOOLEAN_CELLS.has(column?.name ?? "") : customType === "boolean";
  if (isBoolean && (cell === "true" || cell === "false")) return cell === "true";
  return customType !== undefined && cell === "" ? null : cell;
}

function rowObject({ include, version, resource }: TableForm, object: KubeObject): JsonValue {
  if (include === "None") return null;
  return include === "Object" ? object : partialMetadata(object, version, resource);
}

const METADATA = planOf("meta/v1.ObjectMeta");

/** Fields of another version that a conversion puts into annotations. Metadata alone is not converted. */
const OF_CONVERSION: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["daemonsets", new Set(["deprecated.daemonset.template.generation"])],
  [
    "horizontalpodautoscalers",
    new Set(
      ["metrics", "current-metrics", "conditions", "behavior"].map((name) => `autoscaling.alpha.kubernetes.io/${name}`),
    ),
  ],
]);

function withoutConverted(metadata: KubeObject["metadata"], plural: string): KubeObject["metadata"] {
  const names = OF_CONVERSION.get(plural);
  const { annotations, ...rest } = metadata;
  if (names === undefined || annotations === undefined) return metadata;
  const kept = Object.entries(annotations).filter(([name]) => !names.has(name));
  if (kept.length === 0) return rest as KubeObject["metadata"];
  return { ...metadata, annotations: Object.fromEntries(kept) };
}

/** An object's metadata alone, its fields in the order of ObjectMeta, whatever order a custom resource has them in. */
export function partialMetadata(
  { metadata }: KubeObject,
  version: string,
  { type, plural }: ServedResource,
): JsonObject {
  const arranged = type.custom
    ? arrange(METADATA, metadata as unknown as JsonObject)
    : withoutConverted(metadata, plural);
  return { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${version}`, metadata: arranged as JsonObject };
}

/** Pods that are over are marked, so that a client can dim or leave out their rows. */
function rowConditions({ plural, group }: ServedResource, object: KubeObject): JsonValue | undefined {
  if (plural !== "pods" || group !== "") return undefined;
  const phase = text(object, "status.phase");
  const reason = phase === "Succeeded" || phase === "Failed" ? phase : undefined;
  if (reason === undefined) return undefined;
  const message = reason === "Succeeded" ? "The pod has completed successfully." : "The pod failed.";
  return [{ type: "Completed", status: "True", reason, message }];
}

function hiddenCells({ table }: TableForm, { name, state }: HiddenObject): string[] {
  let shown = false;
  return table.columns.map((column) => {
    if (column.name === "NAME") return name;
    if (shown) return "";
    shown = true;
    return `<${state}>`;
  });
}

/** Rows in the table's own order, where it has one: of flow schemas, of which there are few. */
export function* sortViewed(
  { compare }: KindTable,
  viewed: Iterable<Viewed | undefined>,
): Generator<Viewed | undefined> {
  if (compare === undefined) {
    yield* viewed;
    return;
  }
  const all: Viewed[] = [];
  for (const each of viewed) {
    if (each === undefined) yield undefined;
    else all.push(each);
  }
  yield* all.sort((a, b) => (a.state === "object" && b.state === "object" ? compare(a.stored, b.stored) : 0));
}
