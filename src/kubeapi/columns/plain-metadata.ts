/**
 * Metadata as the tables read it. Nobody vouches for what was stored as JSON or CBOR: what is of another type, or has
 * no name, is read as if it were not there.
 */
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { isObject } from "./field.ts";

export function withPlainMetadata(object: KubeObject, name: string): KubeObject {
  const metadata: JsonObject = isObject(object.metadata) ? object.metadata : {};
  const { labels, annotations, ownerReferences } = metadata;
  if (
    typeof metadata.name === "string" &&
    (labels === undefined || isObject(labels)) &&
    (annotations === undefined || isObject(annotations)) &&
    (ownerReferences === undefined || Array.isArray(ownerReferences))
  ) {
    return object;
  }
  const plain = {
    ...metadata,
    name: typeof metadata.name === "string" ? metadata.name : name,
    labels: isObject(labels) ? labels : undefined,
    annotations: isObject(annotations) ? annotations : undefined,
    ownerReferences: Array.isArray(ownerReferences) ? ownerReferences : undefined,
  };
  return { ...object, metadata: plain } as unknown as KubeObject;
}
