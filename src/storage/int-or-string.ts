/** intstr.IntOrString: `{ type, intVal, strVal }` in protobuf, the number or the string alone in JSON. */

import type { WireReader } from "../protobuf/reader.ts";
import { readText } from "./strings.ts";

/** The value of an `IntOrString` message that ends at `end`. */
export function readIntOrString(reader: WireReader, end: number): number | string {
  let type = 0;
  let integer = 0;
  let text = "";
  while (reader.pos < end) {
    const tag = reader.varint32(end);
    if (tag === 0x08) type = reader.varint32(end);
    else if (tag === 0x10) integer = reader.varint32(end) | 0;
    else if (tag === 0x1a) {
      const length = reader.length(end);
      text = readText(reader.bytes, reader.pos, reader.pos + length);
      reader.pos += length;
    } else reader.skip(tag & 7, end);
  }
  return type === 1 ? text : integer;
}
