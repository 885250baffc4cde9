/**
 * Field selectors such as `status.phase=Running,metadata.name!=web`, and which fields each kind has for them. Source:
 * apimachinery/pkg/fields.
 */
import { defined } from "../errors/defined.ts";
import type { KubeObject } from "../kube/object.ts";
import type { ServedResource } from "./catalog.ts";
import { text } from "./columns/field.ts";
import { findJsonPath, parseJsonPath } from "./columns/json-path.ts";
import { ApiFailure } from "./status.ts";

interface Term {
  readonly path: string;
  readonly equal: boolean;
  readonly value: string;
}

export type FieldSelector = readonly (Term & { readonly read: (object: KubeObject) => string })[];

type Fields = Readonly<Record<string, (object: KubeObject) => string>>;

const at =
  (path: string, absent = "") =>
  (object: KubeObject): string =>
    text(object, path, absent);

const EVERY: Fields = { "metadata.name": at("metadata.name"), "metadata.namespace": at("metadata.namespace") };

const paths = (...names: readonly string[]): Fields => Object.fromEntries(names.map((name) => [name, at(name)]));

/** By plural. */
const FIELDS: Readonly<Record<string, Fields>> = {
  pods: {
    ...paths(
      "spec.nodeName",
      "spec.restartPolicy",
      "spec.schedulerName",
      "status.phase",
      "status.podIP",
      "status.nominatedNodeName",
    ),
    "spec.serviceAccountName": at("spec.serviceAccountName"),
    "spec.hostNetwork": at("spec.hostNetwork", "false"),
  },
  nodes: { "spec.unschedulable": at("spec.unschedulable", "false") },
  namespaces: paths("status.phase"),
  secrets: paths("type"),
  replicationcontrollers: { "status.replicas": at("status.replicas", "0") },
  replicasets: { "status.replicas": at("status.replicas", "0") },
  jobs: { "status.successful": at("status.succeeded", "0") },
  services: paths("spec.clusterIP", "spec.type"),
  certificatesigningrequests: paths("spec.signerName"),
  events: {
    ...paths(
      "involvedObject.kind",
      "involvedObject.namespace",
      "involvedObject.name",
      "involvedObject.uid",
      "involvedObject.apiVersion",
      "involvedObject.resourceVersion",
      "involvedObject.fieldPath",
      "reason",
      "type",
    ),
    reportingComponent: at("reportingComponent"),
    source: (object) => text(object, "source.component") || text(object, "reportingComponent"),
    ...Object.fromEntries(
      ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"].map((name) => [
        `regarding.${name}`,
        at(`regarding.${name}`),
      ]),
    ),
    reportingController: at("reportingController"),
  },
};

/** A kind, as far as field selectors ask for it. */
export interface SelectableKind extends Pick<ServedResource, "group" | "version" | "plural"> {
  /** Paths with a dot in front that a custom resource's definition names; undefined for Kubernetes' own kinds. */
  readonly selectableFields: readonly string[] | undefined;
}

export function selectableKind({ group, version, plural, type }: ServedResource): SelectableKind {
  return { group, version, plural, selectableFields: type.custom ? type.version.selectableFields : undefined };
}

/**
 * Throws `BadRequest` for a text that is no selector, and for a field that the kind cannot be selected by. An empty one
 * selects everything.
 */
export function parseFieldSelector(selector: string, resource: SelectableKind): FieldSelector {
  return splitTerms(selector).map((term) => {
    const parsed = parseTerm(term);
    if (parsed === undefined)
      throw new ApiFailure("BadRequest", `invalid selector: '${selector}'; can't understand '${term}'`);
    const read = fieldReader(parsed.path, resource);
    if (read === undefined) throw new ApiFailure("BadRequest", `field label not supported: ${parsed.path}`);
    return { ...parsed, read };
  });
}

function fieldReader(
  path: string,
  { plural, selectableFields }: SelectableKind,
): ((object: KubeObject) => string) | undefined {
  if (Object.hasOwn(EVERY, path)) return EVERY[path];
  if (selectableFields === undefined)
    return Object.hasOwn(FIELDS[plural] ?? {}, path) ? defined(FIELDS[plural])[path] : undefined;
  const selectable = selectableFields.find((each) => each === `.${path}`);
  const parsed = selectable === undefined ? undefined : parseJsonPath(selectable);
  if (parsed === undefined) return undefined;
  return (object) => {
    const [value] = findJsonPath(parsed, object);
    return value === undefined || value === null ? "" : text(value, []);
  };
}

/** The fields that a kind is selected by, sorted. */
export function selectableFields(plural: string): readonly string[] {
  return Object.keys({ ...EVERY, ...FIELDS[plural] }).sort();
}

/** A backslash takes the meaning from a comma, an equals sign and a backslash. */
function splitTerms(selector: string): string[] {
  const terms: string[] = [];
  let term = "";
  for (let i = 0; i < selector.length; i++) {
    const character = defined(selector[i]);
    if (character === "\\") term += character + (selector[++i] ?? "");
    else if (character === ",") {
      if (term !== "") terms.push(term);
      term = "";
    } else term += character;
  }
  if (term !== "") terms.push(term);
  return terms;
}

function parseTerm(term: string): Term | undefined {
  const match = /^((?:[^\\=!]|\\.)*)(!=|==|=)((?:[^\\]|\\.)*)$/s.exec(term);
  if (match === null) return undefined;
  const [, path = "", operator, value = ""] = match;
  return { path: path.trim(), equal: operator !== "!=", value: value.replace(/\\([\\,=])/g, "$1") };
}

export function matchesFields(selector: FieldSelector, object: KubeObject): boolean {
  return selector.every(({ read, equal, value }) => (read(object) === value) === equal);
}
