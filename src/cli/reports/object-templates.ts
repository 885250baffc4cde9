/** Prints objects by a template: kubectl's `-o jsonpath`, `go-template` and `custom-columns`. */
import { MendError } from "../../errors/errors.ts";
import type { JsonObject, JsonValue } from "../../kube/object.ts";
import { firstLine } from "../../kubeapi/columns/table-rows.ts";
import { customRow, parseCustomColumns, parseCustomColumnsFile } from "../../kubeapi/print/custom-columns.ts";
import { parseGoTemplate } from "../../kubeapi/print/go-template/parse.ts";
import { printGoTemplate } from "../../kubeapi/print/go-template/run.ts";
import {
  parseJsonPathTemplate,
  printJsonPathAsJson,
  printJsonPathTemplate,
} from "../../kubeapi/print/json-path-template.ts";
import type { FoundObjects } from "../../operations/snapshot/get-objects.ts";
import type { ObjectRequest } from "../../storage/resource-argument.ts";
import type { Host } from "../host.ts";
import type { GetFlags } from "../options/get-flags.ts";
import type { GetOutput } from "../options/get-output.ts";
import { alignedText } from "../terminal/aligned-text.ts";
import { isOneObject, ShownObjects } from "./shown-objects.ts";
import type { Unreadable } from "./unreadable-objects.ts";

/** Returns whether there was anything to print. */
type Print = (
  objects: FoundObjects,
  requests: readonly ObjectRequest[],
  host: Host,
  unreadable: Unreadable,
) => Promise<boolean>;

/** Undefined for a format without a template. Throws `usage` for a template that cannot be read, before anything is opened. */
export function templatePrinter(options: GetFlags): Print | undefined {
  const output: GetOutput =
    options.output.format === "text" && options.template !== ""
      ? { format: "go-template", template: options.template, isFile: false }
      : options.output;
  if (!("template" in output)) {
    if (options.template !== "")
      throw new MendError("usage", `there is a template, and the format is ${output.format}`, {
        hint: "pass -o jsonpath or -o go-template with it",
      });
    return undefined;
  }
  const template = output.template || options.template;
  if (template === "")
    throw new MendError("usage", `the format ${output.format} needs a template`, {
      hint: `pass it as -o ${output.format}=TEMPLATE`,
    });
  if (output.format === "custom-columns") {
    const columns = output.isFile ? parseCustomColumnsFile(template) : parseCustomColumns(template);
    const headers = options.headers ? [columns.map(({ header }) => header)] : [];
    return printer(options, (objects) => {
      const rows = objects.map((each) => customRow(columns, each).map(firstLine));
      return alignedText([...headers, ...rows]);
    });
  }
  const allowMissing = options.allowMissingTemplateKeys === "true";
  return printer(options, documentPrinter(output.format, template, allowMissing));
}

/** What prints the one object that was asked for, or a list of them. */
function documentPrinter(
  format: "jsonpath" | "jsonpath-as-json" | "go-template",
  template: string,
  allowMissing: boolean,
): (objects: readonly JsonObject[], alone: boolean) => string {
  const print =
    format === "go-template"
      ? goTemplate(template, allowMissing)
      : jsonPath(template, format === "jsonpath-as-json", allowMissing);
  return (objects, alone) => {
    const [first] = objects;
    if (alone) return first === undefined ? "" : print(first);
    return print({ apiVersion: "v1", items: objects, kind: "List", metadata: { resourceVersion: "" } });
  };
}

function jsonPath(template: string, asJson: boolean, allowMissing: boolean): (root: JsonValue) => string {
  const parsed = parseJsonPathTemplate(template);
  const print = asJson ? printJsonPathAsJson : printJsonPathTemplate;
  return (root) => print(parsed, root, allowMissing);
}

function goTemplate(template: string, allowMissing: boolean): (root: JsonValue) => string {
  const parsed = parseGoTemplate(template);
  return (root) => printGoTemplate(parsed, root, allowMissing);
}

function printer(options: GetFlags, text: (objects: readonly JsonObject[], alone: boolean) => string): Print {
  return async (objects, requests, host, unreadable) => {
    const shown = new ShownObjects(options);
    const all = [...shown.readable(objects, unreadable)];
    const printed = text(all, isOneObject(requests, options));
    host.signal.throwIfAborted();
    await host.stdout.write(printed);
    await host.stderr.write(shown.notes());
    return all.length > 0;
  };
}
