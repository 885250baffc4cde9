/**
 * Which objects a request means, by labels and fields, and the search for them. Source: apimachinery's labels and
 * fields, apiserver's storage.SelectionPredicate.
 */
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import { type LabelSelector, matchesLabels, parseLabelSelector } from "../kube/label-selector.ts";
import type { ServedResource } from "./catalog.ts";
import { type FieldSelector, matchesFields, parseFieldSelector, selectableKind } from "./field-selector.ts";
import { ApiFailure } from "./status.ts";
import { type Viewed, viewRow } from "./view.ts";
import type { World } from "./world.ts";

export interface Selection {
  readonly resource: ServedResource;
  readonly namespace: string | undefined;
  readonly labels: LabelSelector;
  readonly fields: FieldSelector;
}

/** Reads the selectors of a query; throws `BadRequest`. */
export function readSelection(
  query: URLSearchParams,
  resource: ServedResource,
  namespace: string | undefined,
): Selection {
  let labels: LabelSelector;
  try {
    labels = parseLabelSelector(query.get("labelSelector") ?? "");
  } catch (error) {
    if (error instanceof MendError) throw new ApiFailure("BadRequest", `unable to parse requirement: ${error.message}`);
    throw error;
  }
  const fields = parseFieldSelector(query.get("fieldSelector") ?? "", selectableKind(resource));
  return { resource, namespace, labels, fields };
}

export function isSelected({ labels, fields }: Selection, viewed: Viewed): boolean {
  if (labels.length === 0 && fields.length === 0) return true;
  // What cannot be read has no labels to look at. It is listed where it could be meant, by its name and namespace.
  if (viewed.state !== "object") {
    const known = fields.filter(({ path }) => path === "metadata.name" || path === "metadata.namespace");
    const { name, namespace } = viewed;
    return known.every(({ path, equal, value }) => ((path === "metadata.name" ? name : namespace) === value) === equal);
  }
  return matchesLabels(labels, viewed.object.metadata.labels) && matchesFields(fields, viewed.object);
}

/** The beginning of the keys that a selection looks at. */
export function placeOf({ resource, namespace }: Pick<Selection, "resource" | "namespace">): string {
  return namespace === undefined ? resource.place : `${resource.place}${namespace}/`;
}

/** An object, with its key. */
export interface Selected {
  readonly key: number;
  readonly viewed: Viewed;
}

/** What may be looked at before other requests get their turn: keys, stored bytes and decoded objects cost so much each. */
const MOST_COST = 2048;
const KEY_COST = 1;
const BYTES_COST = 8;
const DECODED_COST = 64;

/**
 * The selected ones of `keys` at a revision, in their order. It yields undefined after every few milliseconds without a
 * result: a search through hundreds of thousands of objects must not keep other requests waiting.
 */
export function* selectObjects(
  world: World,
  selection: Selection,
  keys: Uint32Array,
  revision: number,
): Generator<Selected | undefined> {
  const { history, showSecrets } = world;
  const { resource, fields } = selection;
  const name = fields.find(({ path, equal }) => path === "metadata.name" && equal)?.value;
  const wanted = wantedBytes(selection);
  let cost = 0;
  for (const key of keys) {
    if (cost >= MOST_COST) {
      yield undefined;
      cost = 0;
    }
    cost += KEY_COST;
    // A selection by name, which informers and `kubectl get NAME -w` use, looks at keys only.
    if (name !== undefined && !history.key(key).endsWith(`/${name}`)) continue;
    const row = history.rowAt(key, revision);
    if (wanted.length > 0) {
      cost += BYTES_COST;
      if (!mayHold(history.raw(row), wanted)) continue;
    }
    cost += DECODED_COST;
    const viewed = viewRow(history, row, resource, showSecrets);
    if (isSelected(selection, viewed)) yield { key, viewed };
  }
}

/** Texts that every encoding writes as they are, unlike numbers and booleans. */
const PLAIN = /^(?!\d+$|true$|false$)[A-Za-z0-9._-]{2,}$/;
const ENCRYPTED = Buffer.from("k8s:enc:");

/**
 * What the stored bytes of every selected object hold. An object without a label's value anywhere is not decoded to
 * find that out, which matters only for a selection among hundreds of thousands.
 */
function wantedBytes({ labels, fields, resource }: Selection): readonly Buffer[] {
  const ofLabels = labels.flatMap(({ label, operator, values }) =>
    operator === "exists" ? [label] : operator === "in" && values.length === 1 ? [label, defined(values[0])] : [],
  );
  // Custom resources have defaults, which are not stored.
  const ofFields = fields.flatMap(({ equal, value }) => (equal && !resource.type.custom ? [value] : []));
  return [...ofLabels.map((text) => text.replace(/^.*\//, "")), ...ofFields]
    .filter((text) => PLAIN.test(text))
    .map((text) => Buffer.from(text));
}

/** What is encrypted or cannot be read may hold anything. */
function mayHold(bytes: Buffer | undefined, wanted: readonly Buffer[]): boolean {
  if (bytes === undefined || bytes.subarray(0, ENCRYPTED.length).equals(ENCRYPTED)) return true;
  return wanted.every((text) => bytes.includes(text));
}
