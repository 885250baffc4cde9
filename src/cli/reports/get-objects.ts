/** Prints what `snapshot get` found: tables, names or documents on stdout, and what is missing or cannot be read on stderr. */

import { parseLabelSelector } from "../../kube/label-selector.ts";
import type { KubeObject } from "../../kube/object.ts";
import { type FoundObjects, getObjects, notFound, type ObjectGroup } from "../../operations/snapshot/get-objects.ts";
import type { SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { type ObjectRequest, readObjectRequests } from "../../storage/resource-argument.ts";
import { EXIT, type ExitCode } from "../command.ts";
import type { Host } from "../host.ts";
import type { GetFlags } from "../options/get-flags.ts";
import { given } from "../options/given.ts";
import { lineOf, oneLine } from "../terminal/escape.ts";
import type { ProgressLine } from "../terminal/progress.ts";
import { findingsText, hasErrors } from "./findings-text.ts";
import { objectTable, type TableItem } from "./object-table.ts";
import { jsonText, shownObject, yamlText } from "./object-text.ts";
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
  const requests = readObjectRequests(words);
  using objects = await getObjects(file, {
    ...options.common,
    requests,
    namespace: options.allNamespaces ? undefined : options.namespace,
    selector: parseLabelSelector(options.selector),
    ...given({ atRevision, encryptionConfig, etcdPrefix }),
  });
  await options.line.end();
  const unreadable = new Unreadable(encryptionConfig !== undefined);
  const printed = await print(objects, requests, options, host, unreadable);
  await host.stderr.write(findingsText(objects.findings()));
  if (options.output !== "json") await host.stderr.write(unreadable.text());
  const missing = await notFound(objects);
  if (missing !== undefined) throw missing;
  if (options.output === "json" && unreadable.count > 0) throw unreadable.error();
  if (unreadable.count > 0 || hasErrors(objects.findings())) return EXIT.failed;
  if (!printed) await host.stderr.write(nothingFound(objects, options));
  return EXIT.done;
}

/** As kubectl says it. */
function nothingFound({ groups }: FoundObjects, { allNamespaces, namespace }: GetPrintOptions): string {
  const inNamespace = !allNamespaces && groups.some(({ resource }) => resource.namespaced !== false);
  return inNamespace ? `No resources found in ${namespace} namespace.\n` : "No resources found\n";
}

/** Returns whether there was anything to print. */
async function print(
  objects: FoundObjects,
  requests: readonly ObjectRequest[],
  options: GetPrintOptions,
  host: Host,
  unreadable: Unreadable,
): Promise<boolean> {
  switch (options.output) {
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
  const withKind = severalKinds(groups, requests);
  for (const group of groups) {
    const table = objectTable(group.resource, tableItems(group, unreadable), {
      now: host.now(),
      wide: options.output === "wide",
      withNamespace: options.allNamespaces,
      withKind,
      headers: options.headers,
      showLabels: options.showLabels,
      labelColumns: options.labelColumns,
    });
    if (table === "") continue;
    host.signal.throwIfAborted();
    await host.stdout.write(printed && options.headers ? `\n${table}` : table);
    printed = true;
  }
  return printed;
}

/** Whether names need their kind: for "all", several TYPE/NAME, and where there is more than one kind to show. */
function severalKinds(groups: readonly ObjectGroup[], requests: readonly ObjectRequest[]): boolean {
  if (groups.length < 2) return false;
  if (requests.length > 1 || requests.some(({ resources }) => resources === "all")) return true;
  return groups.filter((group) => group.items().next().done === false).length > 1;
}

function* tableItems(group: ObjectGroup, unreadable: Unreadable): Generator<TableItem> {
  for (const { namespace, name, found } of group.items()) {
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
  let hidden = 0;
  const shown = (object: KubeObject) => {
    const result = shownObject(object, {
      showSecrets: options.showSecrets,
      showManagedFields: options.showManagedFields,
    });
    if (result.hidden) hidden++;
    return result.object;
  };
  const one = requests.length === 1 && requests[0]!.names.length === 1 && !requests[0]!.resources.includes(",");
  const otherVersions = new Set<string>();
  const parts = documents(
    readable(objects, unreadable, otherVersions),
    shown,
    options.output,
    one && !options.allNamespaces,
  );
  const out = new Parts(host);
  for (const part of parts) await out.write(part);
  await out.end();
  if (hidden > 0) {
    const whose = hidden === 1 ? "a secret" : `${hidden} secrets`;
    await host.stderr.write(`note: the data of ${whose} is hidden, pass --show-secrets to print it\n`);
  }
  for (const version of otherVersions) await host.stderr.write(lineOf`note: stored as ${version}, and shown as stored`);
  return true;
}

/** `otherVersions` takes the versions that objects are stored in where another was asked for. */
function* readable(
  { groups }: FoundObjects,
  unreadable: Unreadable,
  otherVersions: Set<string>,
): Generator<KubeObject> {
  for (const group of groups) {
    const { version } = group.resource;
    for (const item of group.items()) {
      if (item.found.state === "object") {
        const { apiVersion } = item.found.object;
        if (version !== undefined && apiVersion.split("/").at(-1) !== version) otherVersions.add(apiVersion);
        yield item.found.object;
      } else unreadable.add(group, item);
    }
  }
}

/** The text of one object alone, of a List, or of one object a line. */
function* documents(
  objects: Iterable<KubeObject>,
  shown: (object: KubeObject) => ReturnType<typeof shownObject>["object"],
  output: string,
  alone: boolean,
): Generator<string> {
  if (output === "jsonl") {
    for (const object of objects) yield `${jsonText(shown(object), 0)}\n`;
    return;
  }
  if (alone) {
    for (const object of objects) yield output === "yaml" ? yamlText(shown(object)) : `${jsonText(shown(object))}\n`;
    return;
  }
  let first = true;
  if (output === "yaml") {
    yield "apiVersion: v1\nitems:";
    for (const object of objects) {
      yield `${first ? "\n" : ""}${yamlText([shown(object)])}`;
      first = false;
    }
    yield `${first ? " []\n" : ""}kind: List\nmetadata:\n  resourceVersion: ""\n`;
    return;
  }
  yield '{\n    "apiVersion": "v1",\n    "items": [';
  for (const object of objects) {
    yield `${first ? "" : ","}\n        ${jsonText(shown(object)).replaceAll("\n", "\n        ")}`;
    first = false;
  }
  yield `${first ? "" : "\n    "}],\n    "kind": "List",\n    "metadata": {\n        "resourceVersion": ""\n    }\n}\n`;
}

const PART = 64 * 1024;

/** Text on its way to stdout, in parts of some size. */
class Parts {
  readonly #host: Host;
  #pending = "";

  constructor(host: Host) {
    this.#host = host;
  }

  write(text: string): Promise<void> | undefined {
    this.#pending += text;
    return this.#pending.length < PART ? undefined : this.end();
  }

  async end(): Promise<void> {
    this.#host.signal.throwIfAborted();
    const text = this.#pending;
    this.#pending = "";
    await this.#host.stdout.write(text);
  }
}
