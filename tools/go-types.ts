/**
 * Reads the Go declarations that Kubernetes' API types consist of, just far enough to know how each struct is stored: the protobuf
 * number, the JSON name and the Go shape of every field. Not a Go parser: it relies on gofmt'ed declarations with struct tags.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** How one Go struct field is stored. */
export interface FieldFact {
  readonly number: number;
  /** The JSON name, or "-" for a struct whose fields are inlined into its parent's JSON. */
  readonly name: string;
  /** In the notation of `src/storage/tables/messages.json`: `string`, `*int32`, `[]core/v1.Container`, `map[]bytes`. */
  readonly type: string;
  /** Left out of the JSON when it is Go's empty value (`omitempty`, or `omitzero` for structs: see `omitZero`). */
  readonly omitEmpty: boolean;
  /** A struct that is left out of the JSON when it is zero (`omitzero`). */
  readonly omitZero: boolean;
  /** Not declared by the newest release that has the message, so that a server of that release writes no zero value for it. */
  readonly gone?: boolean;
}

export interface StructFact {
  readonly fields: FieldFact[];
  /** Holds `metav1.TypeMeta` and `metav1.ObjectMeta`: the root of an API object. */
  readonly isObject: boolean;
  readonly namespaced: boolean;
}

export interface GoPackage {
  /** Such as `core/v1`. */
  readonly id: string;
  /** `GroupName` of register.go. */
  readonly group: string;
  readonly structs: Map<string, StructFact>;
}

/** Go packages by import path, so that aliases can be resolved across them. */
export type PackagePaths = ReadonlyMap<string, string>;

/** Types with a JSON form of their own. The reader of `src/storage` knows them by these names. */
const OWN_FORM: Readonly<Record<string, string>> = {
  "meta/v1.Time": "time",
  "meta/v1.MicroTime": "micro-time",
  "meta/v1.Duration": "duration",
  "meta/v1.FieldsV1": "fields-v1",
  "meta/v1.Fields": "fields-map",
  "resource.Quantity": "quantity",
  "intstr.IntOrString": "int-or-string",
  "runtime.RawExtension": "raw-extension",
  "apiextensions/v1.JSON": "raw-json",
  "apiextensions/v1beta1.JSON": "raw-json",
};
const SCALARS: Readonly<Record<string, string>> = {
  string: "string",
  bool: "bool",
  int32: "int32",
  int64: "int64",
  int: "int64",
  uint32: "uint32",
  uint64: "uint64",
  float64: "double",
  float32: "float",
  rune: "int32",
};
/** Named scalar types that are declared outside the packages that are read. */
const OUTSIDE: Readonly<Record<string, string>> = {
  "types.UID": "string",
  "types.NodeName": "string",
  "time.Duration": "int64",
};

interface RawPackage {
  readonly id: string;
  readonly imports: Map<string, string>;
  readonly named: Map<string, { readonly underlying: string; readonly wrapper: boolean }>;
  readonly structs: Map<string, { readonly body: string; readonly comment: string }>;
  group: string;
}

function readRaw(directory: string, id: string): RawPackage {
  const raw: RawPackage = { id, imports: new Map(), named: new Map(), structs: new Map(), group: "" };
  for (const file of readdirSync(directory).sort()) {
    if (!file.endsWith(".go") || file.endsWith("_test.go") || /generated/.test(file)) continue;
    const text = readFileSync(join(directory, file), "utf8");
    for (const match of text.matchAll(/^\t(?:(\w+) )?"([\w./-]+)"$/gm)) {
      raw.imports.set(match[1] ?? match[2]!.split("/").at(-1)!, match[2]!);
    }
    const group = /GroupName\s*=\s*"([^"]*)"/.exec(text);
    if (group) raw.group = group[1]!;
    for (const match of text.matchAll(/((?:^\/\/.*\n|^\n(?=\/\/))*)^type (\w+) (?:= )?(.*)$/gm)) {
      const [whole, comment, name, rest] = match as unknown as [string, string, string, string];
      if (rest === "struct {") {
        const start = match.index + whole.length;
        raw.structs.set(name, { body: text.slice(start, text.indexOf("\n}", start)), comment });
      } else if (rest === "struct {}" || rest === "struct{}") raw.structs.set(name, { body: "", comment });
      else if (!/^(func|interface|\()/.test(rest)) {
        const wrapper = rest.startsWith("[]") && /\+protobuf\.nullable/.test(comment);
        raw.named.set(name, { underlying: rest.replace(/\s*\/\/.*/, ""), wrapper });
      }
    }
    // Grouped declarations do not occur for stored structs.
  }
  return raw;
}

/** The packages under `roots` (directories that hold `k8s.io/...`) that have types with protobuf tags. */
export function readGoPackages(
  roots: readonly string[],
  directories: ReadonlyMap<string, string>,
): Map<string, GoPackage> {
  const raws = new Map<string, RawPackage>();
  for (const [path, id] of directories) {
    const directory = roots.map((root) => join(root, path)).find((candidate) => existsSync(candidate));
    if (directory) raws.set(id, readRaw(directory, id));
  }
  return new Map([...raws.values()].map((raw) => [raw.id, resolvePackage(raw, raws, directories)]));
}

function resolvePackage(
  raw: RawPackage,
  raws: Map<string, RawPackage>,
  directories: ReadonlyMap<string, string>,
): GoPackage {
  const structs = new Map<string, StructFact>();
  for (const [name, { body, comment }] of raw.structs) {
    const fields: FieldFact[] = [];
    let typeMeta = false;
    let objectMeta = false;
    for (const line of body.split("\n")) {
      const match = /^\t(?:(\w+)\s+)?(\S+)\s+`([^`]*)`/.exec(line);
      if (!match) continue;
      const [, fieldName, goType, tags] = match as unknown as [string, string | undefined, string, string];
      if (/(^|\.)TypeMeta$/.test(goType) && fieldName === undefined) typeMeta = true;
      if (/(^|\.)ObjectMeta$/.test(goType) && fieldName === undefined) objectMeta = true;
      const protobuf = /protobuf:"([^"]*)"/.exec(tags)?.[1];
      if (protobuf === undefined || protobuf === "-") continue;
      const number = Number(/^\w+,(\d+)/.exec(protobuf)?.[1]);
      if (!Number.isSafeInteger(number)) throw new Error(`${raw.id}.${name}: unreadable tag ${tags}`);
      const json = /json:"([^"]*)"/.exec(tags)?.[1] ?? fieldName ?? "";
      const [jsonName, ...options] = json.split(",") as [string, ...string[]];
      const inline = options.includes("inline") || (fieldName === undefined && jsonName === "");
      fields.push({
        number,
        name: inline ? "-" : jsonName === "" ? fieldName! : jsonName,
        type: resolveType(goType, raw, raws, directories),
        omitEmpty: options.includes("omitempty"),
        omitZero: options.includes("omitzero"),
      });
    }
    if (fields.length === 0 && body.trim() !== "" && !/^\s*(\/\/.*\s*)*$/.test(body)) {
      if (!typeMeta) continue; // no stored field at all: an options struct
    }
    structs.set(name, {
      fields,
      isObject: typeMeta && objectMeta,
      namespaced: !/\+genclient:nonNamespaced|\+nonNamespaced=true/.test(comment),
    });
  }
  for (const [name, { underlying, wrapper }] of raw.named) {
    if (!wrapper) continue;
    const type = resolveType(underlying, raw, raws, directories);
    structs.set(name, {
      fields: [{ number: 1, name: "=", type, omitEmpty: false, omitZero: false }],
      isObject: false,
      namespaced: false,
    });
  }
  return { id: raw.id, group: raw.group, structs };
}

function resolveType(
  goType: string,
  raw: RawPackage,
  raws: Map<string, RawPackage>,
  directories: ReadonlyMap<string, string>,
): string {
  if (goType.startsWith("*")) return `*${resolveType(goType.slice(1), raw, raws, directories)}`;
  if (goType === "[]byte") return "bytes";
  if (goType.startsWith("[]")) return `[]${resolveType(goType.slice(2), raw, raws, directories)}`;
  if (goType.startsWith("map["))
    return `map[]${resolveType(goType.slice(goType.indexOf("]") + 1), raw, raws, directories)}`;
  const scalar = SCALARS[goType];
  if (scalar) return scalar;
  const outside = OUTSIDE[goType];
  if (outside) return outside;
  let owner = raw;
  let name = goType;
  if (goType.includes(".")) {
    const [alias, local] = goType.split(".") as [string, string];
    const path = raw.imports.get(alias) ?? "";
    const id = directories.get(path) ?? directories.get(path.replace(/^k8s\.io\/kubernetes\/vendor\//, ""));
    const found = id === undefined ? undefined : raws.get(id);
    if (id !== undefined && OWN_FORM[`${id}.${local}`]) return OWN_FORM[`${id}.${local}`]!;
    if (!found)
      throw new Error(`${raw.id}: type ${goType} comes from ${path || "an unknown import"}, which is not read`);
    owner = found;
    name = local;
  }
  const own = OWN_FORM[`${owner.id}.${name}`];
  if (own) return own;
  const named = owner.named.get(name);
  if (named && !named.wrapper) return resolveType(named.underlying, owner, raws, directories);
  if (!named && !owner.structs.has(name)) throw new Error(`${raw.id}: type ${goType} is not declared`);
  return `${owner.id}.${name}`;
}
