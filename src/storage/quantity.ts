/**
 * resource.Quantity: its canonical text (`500m`, `1Gi`) in both protobuf and JSON. The API server makes it canonical
 * before it stores it.
 */

import type { WireReader } from "../protobuf/reader.ts";
import { readText } from "./strings.ts";

/** The text of a `Quantity` message that ends at `end`. */
export function readQuantity(reader: WireReader, end: number): string {
  let text = "0";
  while (reader.pos < end) {
    const tag = reader.varint32(end);
    if (tag === 0x0a) {
      const length = reader.length(end);
      text = readText(reader.bytes, reader.pos, reader.pos + length);
      reader.pos += length;
    } else reader.skip(tag & 7, end);
  }
  return text;
}
