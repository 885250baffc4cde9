/** Prints what `snapshot get` found: tables, names or documents on stdout, and what is missing or cannot be read on stderr. */

import { parseLabelSelector } from "../../kube/label-selector.ts";
import type { JsonObject } from "../../kube/object.ts";
import { headerCells, shownFields, type TableItem, tableOf } from "../../kubeapi/columns/table-rows.ts";
import { checkSortable, sortBy } from "../../kubeapi/print/sort-by.ts";
import { type FoundObjects, getObjects, notFound, type ObjectGroup } from "../../operations/snapshot/get-objects.ts";
import type { FoundObject } from "../../snapshot/found-objects.ts";
import type { SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import type { FieldChoice } from "../../storage/compile-decoder.ts";
import type { ObjectRequest } from "../../storage/resource-argument.ts";
import { EXIT, type ExitCode } from "../command.ts";
import type { Host } from "../host.ts";
import type { GetFlags } from "../options/get-flags.ts";
import { given } from "../options/given.ts";
import { alignedRows } from "../terminal/aligned-rows.ts";
import { oneLine } from "../terminal/escape.ts";
import type { ProgressLine } from "../terminal/progress.ts";
import { findingsText, hasErrors } from "./findings-text.ts";
import { nothingFound } from "./nothing-found.ts";
import { objectTable, type TableOptions } from "./object-table.ts";
import { templatePrinter } from "./object-templates.ts";
import { jsonText, yamlText } from "./object-text.ts";
import { Parts } from "./parts.ts";
import { readRequests } from "./requests.ts";
import { isOneObject, ShownObjects } from "./shown-objects.ts";
import { Unreadable } from "./unreadable-objects.ts";

export interface GetPrintOptions extends GetFlags {
  readonly common: SnapshotOptions;
  readonly line: ProgressLine;
}

/** Throws `object-not-found` after all else was printed, where a name that was asked for is not there. */
export async function getAndPrint(
  file: string,
  words: readonly string[],
  options: GetPrintOptions,
  host: Host,
): Promise<ExitCode> {
  const { atRevision, encryptionConfig, etcdPrefix } = options;
  const { format } = options.output;
  const requests = readRequests(words, options);
  const printTemplate = templatePrinter(options);
  using found = await getObjects(file, {
    ...options.common,
    requests,
    namespace: options.allNamespaces ? undefined : options.namespace,
    selector: parseLabelSelector(options.selector),
    fieldSelector: options.fieldSelector,
    ...given({ atRevision, encryptionConfig, etcdPrefix }),
  });
  const objects = !options.sortBy ? found : { ...found, groups: sortGroups(found.groups, options.sortBy) };
  await options.line.end();
  const unreadable = new Unreadable(encryptionConfig !== undefined);
  const printed =
    printTemplate === undefined
      ? await print(objects, requests, options, host, unreadable)
      : await printTemplate(objects, requests, host, unreadable);
  await host.stderr.write(findingsText(objects.findings()));
  if (format !== "json") await host.stderr.write(unreadable.text());
  const missing = options.ignoreNotFound ? undefined : await notFound(objects);
  if (missing !== undefined) throw missing;
  if (format === "json" && unreadable.count > 0) throw unreadable.error();
  if (unreadable.count > 0 || hasErrors(objects.findings())) return EXIT.failed;
  if (!printed && !options.ignoreNotFound) await host.stderr.write(nothingFound(objects, options));
  return EXIT.done;
}

/** Needs all objects of a group in memory. What cannot be read comes last. */
function sortGroups(groups: readonly ObjectGroup[], path: string): readonly ObjectGroup[] {
  const compare = sortBy(path);
  return groups.map((group) => {
    function* items(): Generator<FoundObject> {
      const all = [...group.items()];
      const readable = all.flatMap((each) =>
        each.found.state === "object" ? [{ each, object: each.found.object }] : [],
      );
      checkSortable(
        path,
        readable.map(({ object }) => object),
      );
      for (const { each } of readable.sort((a, b) => compare(a.object, b.object))) yield each;
      for (const each of all) if (each.found.state !== "object") yield each;
    }
    return {
      ...group,
      items,
      rows: () => undefined,
      *names() {
        for (const { name } of items()) yield name;
      },
    };
  });
}

/** Returns whether there was anything to print. */
async function print(
  objects: FoundObjects,
  requests: readonly ObjectRequest[],
  options: GetPrintOptions,
  host: Host,
  unreadable: Unreadable,
): Promise<boolean> {
  switch (options.output.format) {
    case "text":
    case "wide":
      return printTables(objects, requests, options, host, unreadable);
    case "name":
      return printNames(objects, host);
    default:
      return printDocuments(objects, requests, options, host, unreadable);
  }
}

async function printTables(
  { groups }: FoundObjects,
  requests: readonly ObjectRequest[],
  options: GetPrintOptions,
  host: Host,
  unreadable: Unreadable,
): Promise<boolean> {
  let printed = false;
  const withKind = options.showKind || severalKinds(groups, requests);
  for (const group of groups) {
    const table = await tableParts(group, unreadable, {
      now: host.now(),
      wide: options.output.format === "wide",
      withNamespace: options.allNamespaces,
      withKind,
      headers: options.headers,
      showLabels: options.showLabels,
      labelColumns: options.labelColumns,
    });
    let isFirst = true;
    for (const part of table) {
      host.signal.throwIfAborted();
      if (isFirst && printed && options.headers) await host.stdout.write("\n");
      await (typeof part === "string" ? host.stdout.write(part) : host.stdout.writeBytes(part));
      isFirst = false;
    }
    printed ||= !isFirst;
  }
  return printed;
}

/** The table of a group, none of it where it is empty. */
async function tableParts(
  group: ObjectGroup,
  unreadable: Unreadable,
  options: TableOptions,
): Promise<Iterable<string | Uint8Array>> {
  const { resource } = group;
  const table = tableOf(resource);
  const found = await group.rows(options);
  const fields = shownFields(table, options);
  if (found === undefined) return objectTable(resource, tableItems(group, unreadable, fields), options);
  for (const each of found.unreadable) unreadable.add(group, each);
  const isEmpty = found.rows().next().done === true;
  const header = options.headers && !isEmpty ? headerCells(resource, table, options) : undefined;
  return alignedRows(header, found.rows, found.widths);
}

/** Whether there is an object is all that is asked. */
const LEAST: FieldChoice = { metadata: { labels: true } };

/** Whether names need their kind: for several kinds, and where names were given, for those of several kinds that exist. */
function severalKinds(groups: readonly ObjectGroup[], requests: readonly ObjectRequest[]): boolean {
  if (groups.length < 2) return false;
  if (requests.every(({ names }) => names.length === 0)) return true;
  return groups.filter((group) => group.items(LEAST).next().done === false).length > 1;
}

function* tableItems(
  group: ObjectGroup,
  unreadable: Unreadable,
  fields: FieldChoice | undefined,
): Generator<TableItem> {
  for (const { namespace, name, found } of group.items(fields)) {
    if (found.state === "object") yield { namespace, name, object: found.object };
    else {
      unreadable.add(group, { namespace, name, found });
      yield { namespace, name, state: found.state };
    }
  }
}

async function printNames({ groups }: FoundObjects, host: Host): Promise<boolean> {
  const out = new Parts(host);
  let printed = false;
  for (const group of groups) {
    const { singular, group: apiGroup } = group.resource;
    const kind = apiGroup === "" ? singular : `${singular}.${apiGroup}`;
    for (const name of group.names()) {
      await out.write(`${kind}/${oneLine(name)}\n`);
      printed = true;
    }
  }
  await out.end();
  return printed;
}

async function printDocuments(
  objects: FoundObjects,
  requests: readonly ObjectRequest[],
  options: GetPrintOptions,
  host: Host,
  unreadable: Unreadable,
): Promise<boolean> {
  const shown = new ShownObjects(options);
  const parts = documents(shown.readable(objects, unreadable), options.output.format, isOneObject(requests, options));
  const out = new Parts(host);
  for (const part of parts) await out.write(part);
  await out.end();
  await host.stderr.write(shown.notes());
  return true;
}

/** The text of one object alone, of a List, or of one object a line. */
function* documents(objects: Iterable<JsonObject>, output: string, alone: boolean): Generator<string> {
  if (output === "jsonl") {
    for (const object of objects) yield `${jsonText(object, 0)}\n`;
    return;
  }
  if (alone) {
    for (const object of objects) yield output === "yaml" ? yamlText(object) : `${jsonText(object)}\n`;
    return;
  }
  let first = true;
  if (output === "yaml") {
    yield "apiVersion: v1\nitems:";
    for (const object of objects) {
      yield `${first ? "\n" : ""}${yamlText([object])}`;
      first = false;
    }
    yield `${first ? " []\n" : ""}kind: List\nmetadata:\n  resourceVersion: ""\n`;
    return;
  }
  yield '{\n    "apiVersion": "v1",\n    "items": [';
  for (const object of objects) {
    yield `${first ? "" : ","}\n        ${jsonText(object).replaceAll("\n", "\n        ")}`;
    first = false;
  }
  yield `${first ? "" : "\n    "}],\n    "kind": "List",\n    "metadata": {\n        "resourceVersion": ""\n    }\n}\n`;
}
