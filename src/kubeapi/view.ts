/** One stored object as a client may see it: in the version that was asked for, without what is secret, or why it cannot be shown. */
import type { DecodedValue, JsonObject, KubeObject } from "../kube/object.ts";
import { groupVersion, type ServedResource } from "./catalog.ts";
import { withPlainMetadata } from "./columns/plain-metadata.ts";
import { convertCustom, convertObject } from "./convert.ts";
import { withDefaults } from "./custom-defaults.ts";
import type { CustomDefinition } from "./custom-definition.ts";
import { hideSecrets } from "./hide-secrets.ts";
import type { KeyspaceHistory } from "./history.ts";

interface ViewedObject {
  readonly state: "object";
  readonly object: KubeObject;
  /** In the version that it is stored in, which is what tables are made from. */
  readonly stored: KubeObject;
}

export interface HiddenObject {
  readonly state: "encrypted" | "unreadable";
  readonly namespace: string | undefined;
  readonly name: string;
  readonly revision: number;
  /** Why. */
  readonly text: string;
}

export type Viewed = ViewedObject | HiddenObject;

/** The parts of a key after the place of its resource. */
export function splitKey(key: string, { place, namespaced }: Pick<ServedResource, "place" | "namespaced">) {
  const rest = key.slice(place.length);
  const slash = namespaced ? rest.indexOf("/") : -1;
  return slash < 0
    ? { namespace: undefined, name: rest }
    : { namespace: rest.slice(0, slash), name: rest.slice(slash + 1) };
}

/** The object of a row that is no deletion. */
export function viewRow(history: KeyspaceHistory, row: number, resource: ServedResource, showSecrets: boolean): Viewed {
  const { namespace, name } = splitKey(history.key(history.keyOfRow(row)), resource);
  const hidden = (state: HiddenObject["state"], text: string): HiddenObject => ({
    state,
    namespace,
    name,
    revision: history.revisionOf(row),
    text,
  });
  const decoded: DecodedValue = history.decode(row);
  if (decoded.state !== "object") {
    return hidden(decoded.state === "encrypted" ? "encrypted" : "unreadable", decoded.text);
  }
  const object = withPlainMetadata(decoded.object, name);
  const { type } = resource;
  const converted = type.custom
    ? type.definition.sameInAllVersions || object.apiVersion === groupVersion(resource)
      ? convertCustom(withStoredDefaults(object, type.definition), groupVersion(resource))
      : undefined
    : convertObject(object, type.resource);
  if (converted === undefined) {
    return hidden("unreadable", `stored as ${object.apiVersion}, which has no form in ${groupVersion(resource)} here`);
  }
  const shown = showSecrets ? converted : hideSecrets(converted);
  return { state: "object", object: shown, stored: converted === object ? shown : object };
}

/** As API servers do it, by the schema of the version that is stored. Without pruning there are no defaults. */
function withStoredDefaults(object: KubeObject, { prunes, schemas }: CustomDefinition): KubeObject {
  const version = object.apiVersion.slice(object.apiVersion.lastIndexOf("/") + 1);
  return prunes ? withDefaults(object, schemas.get(version)) : object;
}

/** Marks an object of which a list can show only that it is there. */
const UNREADABLE_ANNOTATION = "kubemend.io/unreadable";

/** What a list shows in place of an object that cannot be read. */
export function placeholder({ namespace, name, revision, text }: HiddenObject, resource: ServedResource): KubeObject {
  const metadata: JsonObject = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    resourceVersion: String(revision),
    creationTimestamp: null,
    annotations: { [UNREADABLE_ANNOTATION]: text },
  };
  return { kind: resource.kind, apiVersion: groupVersion(resource), metadata: metadata as KubeObject["metadata"] };
}
