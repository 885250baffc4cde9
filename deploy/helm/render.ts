/**
 * What `helm template` makes of the chart, without Helm: values are merged as Helm merges them, and the templates are
 * executed by Go's own engine, which kubectl has for `-o go-template`. The chart uses no function that Go's templates
 * do not have by themselves, so both engines read it alike.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import packageJson from "../../package.json" with { type: "json" };

export interface Values {
  readonly [name: string]: string | boolean | Values;
}

export interface RenderedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

const MARK = "\u0001template ";
const TEMPLATES = join(import.meta.dirname, "templates");

export function defaultValues(): Values {
  return parse(readFileSync(join(import.meta.dirname, "values.yaml"), "utf8")) as Values;
}

export function mergeValues(base: Values, over: Values): Values {
  const merged: Record<string, Values[string]> = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const before = merged[name];
    const isMap = typeof value === "object" && typeof before === "object";
    merged[name] = isMap ? mergeValues(before, value) : value;
  }
  return merged;
}

/** The text of each template by its name. Throws what the engine says. `kubectl` is the program. */
export function renderTemplates(kubectl: string, over: Values): ReadonlyMap<string, string> {
  const names = readdirSync(TEMPLATES).sort();
  const read = (name: string): string => readFileSync(join(TEMPLATES, name), "utf8");
  const parts = names
    .filter((name) => name.startsWith("_"))
    .map(read)
    .join("");
  // kubectl wants an object with a kind; what it is does not matter to a template.
  const data = {
    apiVersion: "example.com/v1",
    kind: "Values",
    metadata: { name: "values" },
    Values: mergeValues(defaultValues(), over),
    Chart: { Name: packageJson.name, Version: packageJson.version, AppVersion: packageJson.version },
    Release: { Name: "kubemend", Namespace: "kube-system" },
  };
  // One run for all of them: what lies between two marks is of one template.
  const template = names.filter((name) => !name.startsWith("_")).map((name) => `${MARK}${name}\n${read(name)}`);
  const words = ["label", "--local", "-f", "-", "rendered=here", "-o", "go-template"];
  const text = execFileSync(kubectl, [...words, "--template", `${parts}${template.join("\n")}`], {
    input: JSON.stringify(data),
    encoding: "utf8",
    env: { ...process.env, KUBECONFIG: "/dev/null" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  if (text.includes("<no value>")) throw new Error(`a template names a value that is not there:\n${text}`);
  const rendered = text.split(MARK).slice(1);
  return new Map(rendered.map((each) => [each.slice(0, each.indexOf("\n")), each.slice(each.indexOf("\n") + 1)]));
}

/** As one file for `kubectl apply -f`. */
export function renderManifests(kubectl: string, over: Values): string {
  const all = [...renderTemplates(kubectl, over)].filter(([name]) => name.endsWith(".yaml"));
  return all.map(([, text]) => `---\n${text.trim()}\n`).join("");
}

/** Throws where a text is no YAML. */
export function renderObjects(kubectl: string, over: Values): readonly RenderedObject[] {
  return parseAllDocuments(renderManifests(kubectl, over), { strict: true }).flatMap((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    const value = document.toJS() as RenderedObject | null;
    return value === null ? [] : [value];
  });
}
