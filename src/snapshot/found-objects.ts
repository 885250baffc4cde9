/** The objects of a resource that are asked for by labels and fields: a stored value is one of them, or it is passed over. */
import { MendError } from "../errors/errors.ts";
import { type LabelSelector, matchesLabels } from "../kube/label-selector.ts";
import type { KubeObject, Transformer } from "../kube/object.ts";
import { type FieldSelector, matchesFields, parseFieldSelector, selectableFields } from "../kubeapi/field-selector.ts";
import { ApiFailure } from "../kubeapi/status.ts";
import type { KeyValue } from "../mvcc/key-value.ts";
import type { FieldChoice } from "../storage/compile-decoder.ts";
import { decodeValue } from "../storage/decode.ts";
import { type NamedResource, resourceName } from "../storage/resource-argument.ts";

/** Plain data, so that it can be sent to a thread. */
export interface ObjectSelection {
  readonly resource: NamedResource;
  /** Where its keys begin, such as `/registry/pods/`. */
  readonly place: string;
  readonly selector: LabelSelector;
  /** Such as `spec.nodeName=worker-1`. */
  readonly fieldSelector: string;
}

export interface FoundObject {
  /** Undefined for what belongs to no namespace. */
  readonly namespace: string | undefined;
  readonly name: string;
  /** The object, or why there is none to show. */
  readonly found:
    | { readonly state: "object"; readonly object: KubeObject }
    | { readonly state: "encrypted" | "unreadable"; readonly text: string };
}

/** What a label selector looks at. */
const LABELS: FieldChoice = { metadata: { labels: true } };

/** Undefined for what is not selected; with a choice, at least the fields that it names are there. */
export type ObjectReader = (stored: KeyValue, choice?: FieldChoice) => FoundObject | undefined;

/** Throws `usage` for a field that the kind is not selected by. */
export function createObjectReader(
  { resource, place, selector, fieldSelector }: ObjectSelection,
  transformer: Transformer,
): ObjectReader {
  const fields = readFieldSelector(fieldSelector, resource);
  const decoder = new TextDecoder();
  const isSelected = (object: KubeObject): boolean => {
    // What was stored as JSON may lack any of this.
    const labels: unknown = object.metadata?.labels;
    return matchesLabels(selector, typeof labels === "object" && labels !== null ? { ...labels } : {});
  };
  return (stored, choice) => {
    const key = decoder.decode(stored.key);
    const value = { key, value: stored.value, modRevision: stored.modRevision };
    // Labels alone, where they may say that nothing else is needed.
    if (selector.length > 0 && choice === undefined) {
      const labelled = decodeValue(value, transformer, LABELS);
      if (labelled.state === "object" && !isSelected(labelled.object)) return undefined;
    }
    const decoded = decodeValue(value, transformer, fields.length === 0 ? choice : undefined);
    if (decoded.state === "object") {
      const { object } = decoded;
      if (!isSelected(object) || !matchesFields(fields, object)) return undefined;
      return { ...splitKey(key, place, resource), found: { state: "object", object } };
    }
    const state = decoded.state === "encrypted" ? "encrypted" : "unreadable";
    return { ...splitKey(key, place, resource), found: { state, text: decoded.text } };
  };
}

/** Namespace and name of an object by its key. */
export function splitKey(
  key: string,
  place: string,
  { namespaced }: Pick<NamedResource, "namespaced">,
): Pick<FoundObject, "namespace" | "name"> {
  const rest = key.slice(place.length);
  const slash = namespaced === false ? -1 : rest.indexOf("/");
  return slash < 0
    ? { namespace: undefined, name: rest }
    : { namespace: rest.slice(0, slash), name: rest.slice(slash + 1) };
}

function readFieldSelector(selector: string, resource: NamedResource): FieldSelector {
  const { group, plural, version = "", printerColumns } = resource;
  try {
    return parseFieldSelector(selector, {
      group,
      version,
      plural,
      selectableFields: printerColumns === undefined ? undefined : [],
    });
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    throw new MendError("usage", `${resourceName(resource)} cannot be selected by "${selector}"`, {
      cause: error,
      hint: `fields are compared as FIELD=VALUE or FIELD!=VALUE; there are ${selectableFields(plural).join(", ")}`,
    });
  }
}
