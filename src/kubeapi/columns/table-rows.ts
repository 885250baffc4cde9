/** The rows of a resource's table, as `kubectl get` prints them: the names of its columns, and cells of one line. */
import type { KubeObject } from "../../kube/object.ts";
import type { FieldChoice } from "../../storage/compile-decoder.ts";
import type { NamedResource } from "../../storage/resource-argument.ts";
import { builtInTable } from "./built-in.ts";
import { customTable } from "./custom.ts";
import { plainText, text } from "./field.ts";
import type { KindTable } from "./kind-table.ts";
import { withPlainMetadata } from "./plain-metadata.ts";

/** What a row shows: an object, or the name of one that cannot be read. */
export type TableItem =
  | { readonly namespace: string | undefined; readonly name: string; readonly object: KubeObject }
  | { readonly namespace: string | undefined; readonly name: string; readonly state: "encrypted" | "unreadable" };

/** Plain data, so that it can be sent to a thread. */
export interface RowOptions {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly wide: boolean;
  /** A first column with the namespace, for resources that have one. */
  readonly withNamespace: boolean;
  /** Names as `deployment.apps/web`, because there is more than one kind. */
  readonly withKind: boolean;
  readonly showLabels: boolean;
  /** Labels with a column of their own. */
  readonly labelColumns: readonly string[];
}

/** The columns of a resource. */
export function tableOf({ plural, printerColumns }: NamedResource): KindTable {
  return printerColumns === undefined ? builtInTable(plural) : customTable(printerColumns);
}

/** The fields that the rows look at; undefined for all of them. */
export function shownFields(table: KindTable, { wide }: Pick<RowOptions, "wide">): FieldChoice | undefined {
  return wide ? table.fields : (table.usualFields ?? table.fields);
}

export function headerCells(resource: NamedResource, table: KindTable, options: RowOptions): string[] {
  const names = table.columns.filter((column) => options.wide || !column.wide).map((column) => column.name);
  if (hasNamespace(resource, options)) names.unshift("NAMESPACE");
  for (const label of options.labelColumns) names.push(label.slice(label.lastIndexOf("/") + 1).toUpperCase());
  if (options.showLabels) names.push("LABELS");
  return names;
}

function hasNamespace({ namespaced }: NamedResource, { withNamespace }: RowOptions): boolean {
  return withNamespace && namespaced !== false;
}

export function rowCells(resource: NamedResource, table: KindTable, item: TableItem, options: RowOptions): string[] {
  const { wide, withKind } = options;
  const object = "object" in item ? withPlainMetadata(item.object, item.name) : undefined;
  const cells = object === undefined ? unreadableCells(table, item) : table.row(object, options);
  const kind = resource.group === "" ? resource.singular : `${resource.singular}.${resource.group}`;
  const row: string[] = hasNamespace(resource, options) ? [firstLine(item.namespace ?? "")] : [];
  for (const [i, cell] of cells.entries()) {
    const column = table.columns[i];
    if (column === undefined || (column.wide && !wide)) continue;
    row.push(firstLine(withKind && column.name === "NAME" ? `${kind}/${cell}` : cell));
  }
  const labels = object?.metadata.labels ?? {};
  for (const label of options.labelColumns) row.push(firstLine(text(labels, [label])));
  if (options.showLabels) {
    const pairs = Object.entries(labels).map(([name, value]) => `${name}=${plainText(value)}`);
    row.push(firstLine(pairs.sort().join(",") || "<none>"));
  }
  return row;
}

function unreadableCells(table: KindTable, item: TableItem): readonly string[] {
  const state = "state" in item ? item.state : "unreadable";
  let isNoted = false;
  return table.columns.map(({ name }) => {
    if (name === "NAME") return item.name;
    if (isNoted) return "";
    isNoted = true;
    return `<${state}>`;
  });
}

/** The first line of a value, as kubectl shows it in a table. */
export function firstLine(value: string): string {
  const end = value.search(/[\n\r\f]/);
  return end < 0 ? value : `${value.slice(0, end)}...`;
}
