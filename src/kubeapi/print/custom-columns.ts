/**
 * kubectl's `-o custom-columns=NAME:PATH,...`, and the form of a file: a line with the headers and a line with the paths.
 * Source: k8s.io/kubectl/pkg/cmd/get/customcolumn.go.
 */
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import type { JsonValue } from "../../kube/object.ts";
import { findJsonPath, type JsonPath, parseJsonPath } from "../columns/json-path.ts";
import { goText } from "./go-text.ts";

export interface CustomColumn {
  readonly header: string;
  readonly path: JsonPath;
}

/** Throws `usage` for what is no list of columns. */
export function parseCustomColumns(spec: string): readonly CustomColumn[] {
  const columns = splitOutsideBrackets(spec).map((each) => {
    const colon = each.indexOf(":");
    if (colon <= 0 || colon === each.length - 1)
      throw new MendError("usage", `the column "${each}" is not NAME:PATH`, {
        hint: "columns look like NAME:.metadata.name,NODE:.spec.nodeName",
      });
    return { header: each.slice(0, colon), path: relaxedPath(each.slice(colon + 1)) };
  });
  return columns;
}

/** The form of a file. Throws `usage`. */
export function parseCustomColumnsFile(text: string): readonly CustomColumn[] {
  const [headers = [], paths = []] = text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.trim().split(/\s+/));
  if (headers.length === 0 || headers.length !== paths.length)
    throw new MendError("usage", `a file of columns has a line of headers and a line with as many paths`, {
      where: `${headers.length} headers, ${paths.length} paths`,
    });
  return headers.map((header, i) => ({ header, path: relaxedPath(defined(paths[i])) }));
}

/** A cell for each column: all that its path finds, with commas between it. */
export function customRow(columns: readonly CustomColumn[], object: JsonValue): string[] {
  return columns.map(({ path }) => {
    const found = findJsonPath(path, object).filter((each) => each !== null);
    return found.length === 0 ? "<none>" : found.map(goText).join(",");
  });
}

/** A path with or without its braces and its first dot. Throws `usage`. */
export function relaxedPath(text: string): JsonPath {
  const bare = text.trim().replace(/^\{(.*)\}$/s, "$1");
  if (/^\{|\}$/.test(bare)) throw new MendError("usage", `"${text}" is not a path: its braces do not match`);
  const path = parseJsonPath(/^[.[]/.test(bare) ? bare : `.${bare}`);
  if (bare === "" || path === undefined)
    throw new MendError("usage", `"${text}" is not a path`, { hint: "a path looks like .spec.nodeName" });
  return path;
}

function splitOutsideBrackets(spec: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const character of spec) {
    if (character === "[") depth++;
    else if (character === "]") depth--;
    if (character === "," && depth <= 0) parts.push("");
    else parts[parts.length - 1] += character;
  }
  return parts.map((each) => each.trim());
}
