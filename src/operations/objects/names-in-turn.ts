/** Objects of a resource in groups, so that not all that differ are in memory at once. */
import { compare } from "../../kube/compare-text.ts";
import { splitRest } from "../../storage/object-key.ts";

/** Decoded, small values take more than ten times as much. */
const GROUP_BYTES = 4 << 20;

/**
 * The names, `NAMESPACE/NAME` or `NAME`, in groups whose values are of about `most` bytes. The groups follow one another
 * by namespace and name; within a group names are in no order.
 */
export function* namesInTurn(
  path: string,
  names: string[],
  sizeOf: (name: string) => number,
  most = GROUP_BYTES,
): Generator<string[]> {
  let bytes = 0;
  for (const name of names) bytes += sizeOf(name);
  if (bytes <= most) {
    yield names;
    return;
  }
  const sorted = names.map((rest) => ({ rest, ...splitRest(path, rest) }));
  sorted.sort((a, b) => compare(a.namespace ?? "", b.namespace ?? "") || compare(a.name, b.name));
  let group: string[] = [];
  bytes = 0;
  for (const { rest } of sorted) {
    group.push(rest);
    bytes += sizeOf(rest);
    if (bytes < most) continue;
    yield group;
    group = [];
    bytes = 0;
  }
  if (group.length > 0) yield group;
}
