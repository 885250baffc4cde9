/**
 * Where in an object a byte of its message lies: for the messages of errors, and the names of unknown fields. Decoders
 * themselves keep no path.
 */
import { defined } from "../errors/defined.ts";
import { BYTES, WireError, WireReader } from "../protobuf/reader.ts";
import { Card, type FieldPlan, type FieldTable, type MessagePlan, Op } from "./message-plan.ts";
import { readText } from "./strings.ts";

/**
 * Such as `spec.containers[2].env`: the innermost message that begins before or at `offset` and ends there or later.
 * Empty for the root.
 */
export function locateField(
  plan: MessagePlan,
  bytes: Uint8Array,
  range: { readonly start: number; readonly end: number },
  offset: number,
): string {
  return locate(plan.fields, bytes, range.start, range.end, offset).replace(/^\./, "");
}

function locate(table: FieldTable, bytes: Uint8Array, start: number, end: number, offset: number): string {
  const counts = new Map<FieldPlan, number>();
  const reader = new WireReader(bytes, start);
  try {
    while (reader.pos < Math.min(end, offset)) {
      const tag = reader.varint32(end);
      if ((tag & 7) !== BYTES) {
        reader.skip(tag & 7, end);
        continue;
      }
      const field = table.byNumber[tag >>> 3];
      const length = reader.length(end);
      const content = reader.pos;
      reader.pos += length;
      if (field === undefined) continue;
      const item = counts.get(field) ?? 0;
      if (offset >= content && offset <= reader.pos) return within(field, bytes, content, reader.pos, offset, item);
      counts.set(field, item + 1);
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error; // the rest of this message cannot be read
  }
  return "";
}

function within(field: FieldPlan, bytes: Uint8Array, start: number, end: number, offset: number, item: number): string {
  if (field.op === Op.Inline) return locate(defined(field.inline), bytes, start, end, offset);
  if (field.card === Card.Map) return withinEntry(field, bytes, start, end, offset);
  const place = field.step + (field.card === Card.Many ? `[${item}]` : "");
  return placeOf(field, place, bytes, start, end, offset);
}

function placeOf(
  field: FieldPlan,
  place: string,
  bytes: Uint8Array,
  start: number,
  end: number,
  offset: number,
): string {
  if (field.op === Op.Message) return place + locate(defined(field.plan).fields, bytes, start, end, offset);
  return field.op >= Op.RawExtension ? place : "";
}

function withinEntry(field: FieldPlan, bytes: Uint8Array, start: number, end: number, offset: number): string {
  const reader = new WireReader(bytes, start);
  let key = "";
  while (reader.pos < end) {
    const tag = reader.varint32(end);
    if ((tag & 7) !== BYTES) {
      reader.skip(tag & 7, end);
      continue;
    }
    const length = reader.length(end);
    const content = reader.pos;
    reader.pos += length;
    if (tag === 0x0a) key = readText(bytes, content, reader.pos);
    else if (offset >= content && offset <= reader.pos)
      return placeOf(field, `${field.step}["${key}"]`, bytes, content, reader.pos, offset);
  }
  return "";
}
