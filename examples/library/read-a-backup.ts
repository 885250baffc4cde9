/** Which images do the pods of a backup run? Reads the pods of a snapshot, and no other object. */
import { decodeValue, openSnapshot, readKeyspace, selectKeys } from "kubemend";

export async function imagesOf(path: string): Promise<Map<string, number>> {
  using snapshot = await openSnapshot(path);
  const keyspace = await readKeyspace(snapshot, { select: [selectKeys("/registry/pods/")] });
  const images = new Map<string, number>();
  for (const { key, value, modRevision } of keyspace.entries()) {
    const decoded = decodeValue({ key: new TextDecoder().decode(key), value, modRevision });
    if (decoded.state !== "object") continue; // encrypted, damaged, or nothing of Kubernetes: decoded.text says what
    const { spec } = decoded.object as { spec?: { containers?: readonly { image?: string }[] } };
    for (const { image = "" } of spec?.containers ?? []) images.set(image, (images.get(image) ?? 0) + 1);
  }
  return images;
}
