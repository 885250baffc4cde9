/** Tables as the API server makes them for `kubectl get`: meta.k8s.io Table. Source: pkg/printers and apiserver's handlers/response.go. */
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import type { ServedResource } from "./catalog.ts";
import { builtInTable } from "./columns/built-in.ts";
import { customTable } from "./columns/custom.ts";
import { text } from "./columns/field.ts";
import type { KindTable } from "./columns/kind-table.ts";
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
      type: custom?.type ?? columnType(column.name),
      format: i === 0 && column.name === "NAME" ? "name" : "",
      description: "",
      priority: custom?.priority ?? (column.wide ? 1 : 0),
    };
  });
  return { resource, table, definitions, version, include, now };
}

const AGE = { name: "Age", type: "date", priority: 0 };

const TITLES: Readonly<Record<string, string>> = {
  IP: "IP",
  "CLUSTER-IP": "Cluster-IP",
  "EXTERNAL-IP": "External-IP",
  "INTERNAL-IP": "Internal-IP",
  "OS-IMAGE": "OS-Image",
  "PORT(S)": "Port(s)",
  "UP-TO-DATE": "Up-to-date",
  CLUSTERROLE: "ClusterRole",
  SERVICEACCOUNTS: "ServiceAccounts",
  MINPODS: "MinPods",
  MAXPODS: "MaxPods",
  APIGROUP: "APIGroup",
  ADDRESSTYPE: "AddressType",
  RECLAIMPOLICY: "ReclaimPolicy",
  VOLUMEBINDINGMODE: "VolumeBindingMode",
  ALLOWVOLUMEEXPANSION: "AllowVolumeExpansion",
  VOLUMEMODE: "VolumeMode",
  MATCHINGPRECEDENCE: "MatchingPrecedence",
  DISTINGUISHERMETHOD: "DistinguisherMethod",
  MISSINGPL: "MissingPL",
  NOMINALCONCURRENCYSHARES: "NominalConcurrencyShares",
  ASSUREDCONCURRENCYSHARES: "AssuredConcurrencyShares",
  HANDSIZE: "HandSize",
  QUEUELENGTHLIMIT: "QueueLengthLimit",
  ATTACHREQUIRED: "AttachRequired",
  PODINFOONMOUNT: "PodInfoOnMount",
  STORAGECAPACITY: "StorageCapacity",
  TOKENREQUESTS: "TokenRequests",
  REQUIRESREPUBLISH: "RequiresRepublish",
  SIGNERNAME: "SignerName",
  REQUESTEDDURATION: "RequestedDuration",
  PARAMKIND: "ParamKind",
  PARAMREF: "ParamRef",
  POLICYNAME: "PolicyName",
  DRIVERNAME: "DriverName",
};

/** `NOMINATED NODE` as the API server writes it: `Nominated Node`. */
function columnTitle(name: string): string {
  const known = Object.hasOwn(TITLES, name) ? TITLES[name] : undefined;
  return known ?? name.toLowerCase().replace(/(^|[ -])\p{L}/gu, (start) => start.toUpperCase());
}

/** Columns whose cells are numbers. */
const NUMBERS = new Set([
  "DESIRED",
  "CURRENT",
  "AVAILABLE",
  "UP-TO-DATE",
  "REPLICAS",
  "DATA",
  "SECRETS",
  "REVISION",
  "WEBHOOKS",
  "VALIDATIONS",
  "MUTATIONS",
  "COUNT",
  "MATCHINGPRECEDENCE",
  "VALUE",
  "DRIVERS",
  "PARAMS",
  "ALLOWED DISRUPTIONS",
  "LAST REQUESTED",
]);

function columnType(name: string): string {
  return NUMBERS.has(name) ? "integer" : "string";
}

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
  const cells = table.row(stored, { now }).map((cell, i) => typedCell(cell, form.definitions[i]?.type));
  const conditions = rowConditions(resource, object);
  return { cells, ...(conditions === undefined ? {} : { conditions }), object: rowObject(form, object) };
}

function typedCell(cell: string, type: JsonValue | undefined): JsonValue {
  if (type === "integer" && /^-?\d{1,15}$/.test(cell)) return Number(cell);
  return cell;
}

function rowObject({ include, version }: TableForm, object: KubeObject): JsonValue {
  if (include === "None") return null;
  return include === "Object" ? object : partialMetadata(object, version);
}

/** An object's metadata alone. */
export function partialMetadata({ metadata }: KubeObject, version: string): JsonObject {
  return { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${version}`, metadata };
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

/** Rows in the table's own order, where it has one. */
export function sortViewed({ compare }: KindTable, viewed: Iterable<Viewed>): Iterable<Viewed> {
  if (compare === undefined) return viewed;
  return [...viewed].sort((a, b) => (a.state === "object" && b.state === "object" ? compare(a.stored, b.stored) : 0));
}
