/** The custom resources that a snapshot defines, by the CRDs in it. */
import { MendError } from "../errors/errors.ts";
import type { Transformer } from "../kube/object.ts";
import { type CustomResource, readCustomResource } from "../storage/custom-resource.ts";
import { decodeValue } from "../storage/decode.ts";
import type { Snapshot } from "./open-snapshot.ts";
import { type KeyspaceOptions, readKeyspace, selectKeys } from "./read-keyspace.ts";

export interface Definitions {
  readonly custom: readonly CustomResource[];
  /** Definitions that are encrypted with a key that is not at hand. */
  readonly encrypted: number;
}

/** Reads the CustomResourceDefinitions below `prefix`, decrypted where they are encrypted; one that cannot be decoded is left out. */
export async function readDefinitions(
  snapshot: Snapshot,
  options: Omit<KeyspaceOptions, "select">,
  prefix: string,
  transformer: Transformer,
): Promise<Definitions> {
  const place = `${prefix}/apiextensions.k8s.io/customresourcedefinitions/`;
  const keyspace = await readKeyspace(snapshot, { ...options, select: [selectKeys(place)] });
  const decoder = new TextDecoder();
  const custom: CustomResource[] = [];
  let encrypted = 0;
  for (const entry of keyspace.entries()) {
    const decoded = decodeValue({ ...entry, key: decoder.decode(entry.key) }, transformer);
    if (decoded.state === "encrypted") encrypted++;
    const resource = decoded.state === "object" ? readCustomResource(decoded.object) : undefined;
    if (resource !== undefined) custom.push(resource);
  }
  return { custom, encrypted };
}

/** Adds to `kind-unknown` that encrypted definitions may be why; any other error stays as it is. */
export function explainUnknownKind(error: unknown, { encrypted }: Definitions): unknown {
  if (!(error instanceof MendError) || error.code !== "kind-unknown" || encrypted === 0) return error;
  const count = encrypted === 1 ? "a CustomResourceDefinition is" : `${encrypted} CustomResourceDefinitions are`;
  return new MendError("kind-unknown", error.message, {
    hint: `${count} encrypted, and may define it: pass the API server's encryption config, with their keys`,
    cause: error,
  });
}
