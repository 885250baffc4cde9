/** Prints what `snapshot describe` found: each object field by field, and its events. */
import { parseLabelSelector } from "../../kube/label-selector.ts";
import type { KubeObject } from "../../kube/object.ts";
import { field } from "../../kubeapi/columns/field.ts";
import { describeObject, tabbedText } from "../../kubeapi/print/describe.ts";
import { type FoundObjects, getObjects, notFound } from "../../operations/snapshot/get-objects.ts";
import type { SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { EXIT, type ExitCode } from "../command.ts";
import type { Host } from "../host.ts";
import type { DescribeFlags } from "../options/get-flags.ts";
import { given } from "../options/given.ts";
import type { ProgressLine } from "../terminal/progress.ts";
import { textWidth } from "../terminal/width.ts";
import { findingsText, hasErrors } from "./findings-text.ts";
import { nothingFound } from "./nothing-found.ts";
import { Parts } from "./parts.ts";
import { readRequests } from "./requests.ts";
import { ShownObjects } from "./shown-objects.ts";
import { Unreadable } from "./unreadable-objects.ts";

export interface DescribeOptions extends DescribeFlags {
  readonly common: SnapshotOptions;
  readonly line: ProgressLine;
}

/** Throws `object-not-found` after all else was printed, where a name that was asked for is not there. */
export async function describeAndPrint(
  file: string,
  words: readonly string[],
  options: DescribeOptions,
  host: Host,
): Promise<ExitCode> {
  const { atRevision, encryptionConfig, etcdPrefix, showEvents } = options;
  const open = (requested: readonly string[], namespace: string | undefined, selector: string) =>
    getObjects(file, {
      ...options.common,
      requests: readRequests(requested, { selector }),
      namespace,
      selector: parseLabelSelector(selector),
      ...given({ atRevision, encryptionConfig, etcdPrefix }),
    });
  using objects = await open(words, options.allNamespaces ? undefined : options.namespace, options.selector);
  const withEvents = showEvents || isOne(objects);
  // What belongs to no namespace has its events in "default".
  const onlyHere = !options.allNamespaces && objects.groups.every(({ resource }) => resource.namespaced === true);
  using events = withEvents ? await open(["events"], onlyHere ? options.namespace : undefined, "") : undefined;
  const eventsOf = groupEvents(events);
  await options.line.end();
  const unreadable = new Unreadable(encryptionConfig !== undefined);
  const shown = new ShownObjects({ showSecrets: options.showSecrets, showManagedFields: false });
  const out = new Parts(host);
  let printed = 0;
  for (const object of shown.readable(objects, unreadable)) {
    const found = withEvents ? (eventsOf.get(String(field(object, "metadata", "uid"))) ?? []) : undefined;
    const lines = describeObject(object as KubeObject, found, host.now());
    await out.write(`${printed++ > 0 ? "\n\n" : ""}${tabbedText(lines, textWidth)}`);
  }
  await out.end();
  await host.stderr.write(findingsText(objects.findings()) + unreadable.text() + shown.notes());
  const missing = await notFound(objects);
  if (missing !== undefined) throw missing;
  if (unreadable.count > 0 || hasErrors(objects.findings())) return EXIT.failed;
  if (printed === 0) await host.stderr.write(nothingFound(objects, options));
  return EXIT.done;
}

/** As kubectl has it: the events of one object, and of several only where they are asked for. */
function isOne({ groups }: FoundObjects): boolean {
  const first = groups.flatMap((group) => [...group.names().take(2)]);
  return first.length === 1;
}

/** By the uid of the object that they are about. */
function groupEvents(events: FoundObjects | undefined): ReadonlyMap<string, readonly KubeObject[]> {
  const byUid = new Map<string, KubeObject[]>();
  for (const group of events?.groups ?? []) {
    for (const { found } of group.items()) {
      if (found.state !== "object") continue;
      const uid = String(field(found.object, "involvedObject", "uid"));
      byUid.set(uid, [...(byUid.get(uid) ?? []), found.object]);
    }
  }
  return byUid;
}
