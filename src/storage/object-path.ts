/**
 * Where an exported object lies in a tree of files: `NAMESPACE/KIND.GROUP/NAME.yaml`, and `_cluster` in place of a
 * namespace for what belongs to none.
 */
import type { KubeObject } from "../kube/object.ts";

/** The longest file name that common file systems take, in bytes. */
const LONGEST_NAME = 255;
const SUFFIX = ".yaml";

/** The parts of the path. Nothing in them leads out of the tree or is a hidden file, whatever the object is called. */
export function objectPath(object: KubeObject, fallbackName: string): readonly string[] {
  const { namespace, name } = object.metadata ?? {};
  const slash = object.apiVersion.indexOf("/");
  const group = slash < 0 ? "" : object.apiVersion.slice(0, slash);
  const kind = group === "" ? object.kind : `${object.kind}.${group}`;
  const folder = typeof namespace === "string" && namespace !== "" ? namespace : "_cluster";
  const file = typeof name === "string" && name !== "" ? name : fallbackName;
  return [safeName(folder, 0), safeName(kind, 0), `${safeName(file, SUFFIX.length)}${SUFFIX}`];
}

/** A file name for any text: what is not a letter, a digit or one of `._:-` becomes %XX, and what is too long is cut and gets a hash. */
export function safeName(text: string, reserved: number): string {
  const bytes = new TextEncoder().encode(text);
  let name = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    name += /[\w.:-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  if (name.startsWith(".")) name = `%2E${name.slice(1)}`;
  if (name === "") name = "%";
  const longest = LONGEST_NAME - reserved;
  return name.length <= longest ? name : `${name.slice(0, longest - 9)}~${hash(bytes)}`;
}

function hash(bytes: Uint8Array): string {
  let value = 0x811c9dc5;
  for (const byte of bytes) value = Math.imul(value ^ byte, 0x01000193);
  return (value >>> 0).toString(16).padStart(8, "0");
}
