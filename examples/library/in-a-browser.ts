/** What is in a backup that somebody chose in a page? Runs in a browser, and nothing of the backup leaves it. */
import { decodeValue, readSnapshot } from "kubemend/browser";

export async function countKinds(file: Blob): Promise<Map<string, number>> {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const isGzip = first === 0x1f && second === 0x8b;
  const plain = isGzip ? file.stream().pipeThrough(new DecompressionStream("gzip")) : file.stream();
  const { entries } = readSnapshot(new Uint8Array(await new Response(plain).arrayBuffer()));
  const kinds = new Map<string, number>();
  for (const { key, value, modRevision } of entries) {
    const decoded = decodeValue({ key: new TextDecoder().decode(key), value, modRevision });
    const kind = decoded.state === "object" ? decoded.object.kind : decoded.state; // such as "encrypted"
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return kinds;
}
