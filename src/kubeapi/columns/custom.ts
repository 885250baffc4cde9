/**
 * A custom resource's row: the name and its definition's columns. Source:
 * apiextensions-apiserver/pkg/registry/customresource/tableconvertor.
 */

import type { JsonValue } from "../../kube/object.ts";
import type { PrinterColumn } from "../../storage/custom-resource.ts";
import { since } from "./age.ts";
import { text } from "./field.ts";
import { findJsonPath, parseJsonPath } from "./json-path.ts";
import type { KindTable } from "./kind-table.ts";

const AGE: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp", priority: 0 };

/** Without columns of its own a custom resource shows its age. */
export function customTable(printerColumns: readonly PrinterColumn[]): KindTable {
  const cells = (printerColumns.length === 0 ? [AGE] : printerColumns).map((column) => ({
    column,
    path: parseJsonPath(column.jsonPath),
  }));
  return {
    columns: [
      { name: "NAME" },
      ...cells.map(({ column }) => ({
        name: column.name.toUpperCase(),
        ...(column.priority > 0 ? { wide: true as const } : {}),
      })),
    ],
    row: (object, { now }) => [
      object.metadata.name,
      ...cells.map(({ column, path }) => {
        const [value] = path === undefined ? [] : findJsonPath(path, object);
        return value === undefined || value === null ? "" : cell(column.type, value, now);
      }),
    ],
  };
}

/** A value of another type than the column's shows nothing. */
function cell(type: string, value: JsonValue, now: number): string {
  switch (type) {
    case "integer":
      if (typeof value === "number") return String(Math.trunc(value));
      return typeof value === "bigint" ? String(value) : "";
    case "number":
      return typeof value === "number" || typeof value === "bigint" ? String(value) : "";
    case "boolean":
      return typeof value === "boolean" ? String(value) : "";
    case "date":
      return typeof value === "string" ? since(value, now) : "";
    default:
      return text(value, []);
  }
}
