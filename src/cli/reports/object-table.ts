/** The tables of `snapshot get`: one a resource, as kubectl prints them. */
import type { KubeObject } from "../../kube/object.ts";
import { builtInTable } from "../../kubeapi/columns/built-in.ts";
import { customTable } from "../../kubeapi/columns/custom.ts";
import { plainText, text } from "../../kubeapi/columns/field.ts";
import type { KindTable } from "../../kubeapi/columns/kind-table.ts";
import { withPlainMetadata } from "../../kubeapi/columns/plain-metadata.ts";
import type { NamedResource } from "../../storage/resource-argument.ts";
import { alignedParts, firstLine } from "../terminal/aligned-text.ts";

/** What a row shows: an object, or the name of one that cannot be read. */
export type TableItem =
  | { readonly namespace: string | undefined; readonly name: string; readonly object: KubeObject }
  | { readonly namespace: string | undefined; readonly name: string; readonly state: "encrypted" | "unreadable" };

export interface TableOptions {
  readonly now: number;
  readonly wide: boolean;
  /** A first column with the namespace, for resources that have one. */
  readonly withNamespace: boolean;
  /** Names as `deployment.apps/web`, because there is more than one kind. */
  readonly withKind: boolean;
  readonly headers: boolean;
  readonly showLabels: boolean;
  /** Labels with a column of their own. */
  readonly labelColumns: readonly string[];
}

/** The columns of a resource. */
export function tableOf({ plural, printerColumns }: NamedResource): KindTable {
  return printerColumns === undefined ? builtInTable(plural) : customTable(printerColumns);
}

/** The table of one resource, in parts of many lines; none when there is nothing to show. */
export function objectTable(
  resource: NamedResource,
  items: Iterable<TableItem>,
  options: TableOptions,
): Generator<string> {
  return alignedParts(tableRows(resource, items, options));
}

function* tableRows(
  resource: NamedResource,
  items: Iterable<TableItem>,
  options: TableOptions,
): Generator<readonly string[]> {
  const table = tableOf(resource);
  let needsHeaders = options.headers;
  for (const item of inOrder(table, items)) {
    if (needsHeaders) yield headers(resource, table, options);
    needsHeaders = false;
    yield rowOf(resource, table, item, options);
  }
}

function inOrder({ compare }: KindTable, items: Iterable<TableItem>): Iterable<TableItem> {
  if (compare === undefined) return items;
  const objectOf = (item: TableItem) => ("object" in item ? item.object : undefined);
  return [...items].sort((a, b) => {
    const [one, two] = [objectOf(a), objectOf(b)];
    return one === undefined || two === undefined ? 0 : compare(one, two);
  });
}

function headers(resource: NamedResource, table: KindTable, options: TableOptions): string[] {
  const names = table.columns.filter((column) => options.wide || !column.wide).map((column) => column.name);
  if (hasNamespace(resource, options)) names.unshift("NAMESPACE");
  for (const label of options.labelColumns) names.push(label.slice(label.lastIndexOf("/") + 1).toUpperCase());
  if (options.showLabels) names.push("LABELS");
  return names;
}

function hasNamespace({ namespaced }: NamedResource, { withNamespace }: TableOptions): boolean {
  return withNamespace && namespaced !== false;
}

function rowOf(resource: NamedResource, table: KindTable, item: TableItem, options: TableOptions): string[] {
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
