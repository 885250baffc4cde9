/** Which files bring a control plane back? Selects it from the objects of a backup and renders its manifests, in memory. */
import { decodeValue, openSnapshot, readKeyspace, renderBootstrap, selectControlPlane } from "kubemend";

export async function filesOf(path: string, kubeconfig: Uint8Array): Promise<string[]> {
  using snapshot = await openSnapshot(path);
  const keyspace = await readKeyspace(snapshot);
  const objects = [...keyspace.entries()].flatMap(({ key, value, modRevision }) => {
    const decoded = decodeValue({ key: new TextDecoder().decode(key), value, modRevision });
    return decoded.state === "object" ? [decoded.object] : [];
  });
  const plane = selectControlPlane(objects);
  if (plane.missing.length > 0) throw new Error(`references that nothing meets: ${plane.missing.length}`);
  return renderBootstrap(plane, { kubeconfig, etcdBackup: undefined }).assets.map((asset) => asset.path);
}
