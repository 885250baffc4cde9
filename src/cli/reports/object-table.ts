/** The tables of `snapshot get`: one a resource, as kubectl prints them. */
import type { KindTable } from "../../kubeapi/columns/kind-table.ts";
import { headerCells, type RowOptions, rowCells, type TableItem, tableOf } from "../../kubeapi/columns/table-rows.ts";
import type { NamedResource } from "../../storage/resource-argument.ts";
import { alignedParts } from "../terminal/aligned-text.ts";

export interface TableOptions extends RowOptions {
  readonly headers: boolean;
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
    if (needsHeaders) yield headerCells(resource, table, options);
    needsHeaders = false;
    yield rowCells(resource, table, item, options);
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
