/** RawExtension: JSON mostly, but an object of its own in whatever encoding the server stores objects in. */
import { WireError } from "../protobuf/reader.ts";
import { decodeCbor, isCbor } from "./cbor.ts";
import { isProtobuf } from "./envelope.ts";
import { type NestedWriter, sink, writeRawJson, writeText } from "./json-sink.ts";
import { printJson } from "./json-text.ts";

/** Whole objects within a RawExtension of an object. */
const MAX_OBJECT_DEPTH = 4;

let objectDepth = 0;
let writeObject: (value: Uint8Array, out: number) => number = () => 0;

/** Set by the decoder of whole objects, which uses this for the objects within them. */
export function writeNestedObjectsBy(write: (value: Uint8Array, out: number) => number): void {
  writeObject = write;
}

export function writeRawExtension(start: number, end: number, out: number): number {
  return writeRawJson(start, end, out, writeNested);
}

const writeNested: NestedWriter = (start, end, out) => {
  const { input } = sink;
  const raw = input.subarray(start, end);
  if (isCbor(raw)) return writeText(printJson(decodeCbor(raw)), out);
  if (!isProtobuf(raw)) return undefined;
  if (objectDepth >= MAX_OBJECT_DEPTH) throw new WireError("objects are nested too deeply", start);
  const { resourceVersion, unknown } = sink;
  objectDepth++;
  try {
    sink.input = raw;
    sink.resourceVersion = "";
    return writeObject(raw, out);
  } catch (error) {
    if (error instanceof WireError) throw new WireError(error.message, error.offset + start);
    throw error;
  } finally {
    objectDepth--;
    sink.input = input;
    sink.resourceVersion = resourceVersion;
    sink.unknown = unknown;
  }
};
