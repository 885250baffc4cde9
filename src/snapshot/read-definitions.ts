/** The custom resources that a snapshot defines, by the CRDs in it. */
import { type CustomResource, readCustomResource } from "../storage/custom-resource.ts";
import { decodeValue } from "../storage/decode.ts";
import type { Snapshot } from "./open-snapshot.ts";
import { type KeyspaceOptions, readKeyspace, selectKeys } from "./read-keyspace.ts";

/** Reads the CustomResourceDefinitions below `prefix`; one that cannot be decoded is left out. */
export async function readDefinitions(
  snapshot: Snapshot,
  options: Omit<KeyspaceOptions, "select">,
  prefix: string,
): Promise<readonly CustomResource[]> {
  const place = `${prefix}/apiextensions.k8s.io/customresourcedefinitions/`;
  const keyspace = await readKeyspace(snapshot, { ...options, select: [selectKeys(place)] });
  const decoder = new TextDecoder();
  const custom: CustomResource[] = [];
  for (const entry of keyspace.entries()) {
    const decoded = decodeValue({ ...entry, key: decoder.decode(entry.key) });
    const resource = decoded.state === "object" ? readCustomResource(decoded.object) : undefined;
    if (resource !== undefined) custom.push(resource);
  }
  return custom;
}
