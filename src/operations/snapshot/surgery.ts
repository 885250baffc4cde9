/** Changes to chosen objects of a snapshot, without any API server: planned here, and written with the rest of the keyspace. */

import { builtInType } from "../../compare/built-in-types.ts";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { objectOf, textOf } from "../../kube/fields.ts";
import { parseLabelSelector } from "../../kube/label-selector.ts";
import type { JsonObject, KubeObject, StorageEncoding } from "../../kube/object.ts";
import type { KeyValue } from "../../mvcc/key-value.ts";
import { convertBuiltIn, convertCustom } from "../../objects/convert.ts";
import { loadEncryptionConfig } from "../../snapshot/load-encryption-config.ts";
import type { Snapshot } from "../../snapshot/open-snapshot.ts";
import type { CustomResource } from "../../storage/custom-resource.ts";
import { encodeObject } from "../../storage/encode.ts";
import { readEncryptionHeader } from "../../storage/encryption.ts";
import type { EncryptionConfig } from "../../storage/encryption-config.ts";
import { RESOURCE_TYPES, splitRest } from "../../storage/object-key.ts";
import { peekType } from "../../storage/peek-type.ts";
import { readObjectRequests } from "../../storage/resource-argument.ts";
import { findResource } from "../../storage/resources.ts";
import { isSealed, sealValue } from "../../storage/seal.ts";
import { readMoment } from "../objects/moment.ts";
import { createSelection, type ObjectSelection, refuseMissing } from "../objects/object-selection.ts";
import {
  openSnapshotSide,
  readSnapshotSide,
  type SnapshotSide,
  type SnapshotSideOptions,
} from "../objects/snapshot-side.ts";
import { asTaken, checkNames, readGivenObjects } from "./given-objects.ts";
import type { SurgeryEdit, SurgeryRequest } from "./surgery-request.ts";

export interface SurgeryOptions extends SnapshotSideOptions {
  readonly atRevision?: number;
  readonly now: () => number;
  /** Makes UIDs of new objects. */
  readonly makeUid: () => string;
}

/**
 * What changes, in the order of the request. Throws `object-not-found` for names that are not there, `object-invalid`
 * for what cannot be stored, and `encryption-key-missing` where a value is to be encrypted and nobody gave the key.
 */
export async function planSurgery(
  snapshot: Snapshot,
  file: string,
  request: SurgeryRequest,
  options: SurgeryOptions,
): Promise<SurgeryEdit[]> {
  const config = loadEncryptionConfig(options.encryptionConfig);
  const side = await readSnapshotSide(snapshot, { file, atRevision: options.atRevision }, options, config);
  const surgeon = new Surgeon(side, request, options, config);
  const edits = [...(await surgeon.removals()), ...surgeon.settings(), ...(await surgeon.takings())];
  surgeon.checkNamespaces(edits);
  const seen = new Set<string>();
  for (const { name } of edits) {
    if (seen.has(name)) throw new MendError("usage", `"${name}" is changed twice`, { hint: "name each object once" });
    seen.add(name);
  }
  return edits;
}

const DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions";

/** Where the objects of a definition are: it is called PLURAL.GROUP. */
function definedPath(name: string): string {
  const dot = name.indexOf(".");
  return `${name.slice(dot + 1)}/${name.slice(0, dot)}`;
}

class Surgeon {
  readonly #side: SnapshotSide;
  readonly #request: SurgeryRequest;
  readonly #options: SurgeryOptions;
  readonly #config: EncryptionConfig | undefined;
  readonly #first = new Map<string, KeyValue | undefined>();
  readonly #sealed = new Map<string, boolean>();

  constructor(
    side: SnapshotSide,
    request: SurgeryRequest,
    options: SurgeryOptions,
    config: EncryptionConfig | undefined,
  ) {
    this.#side = side;
    this.#request = request;
    this.#options = options;
    this.#config = config;
  }

  #select(side: SnapshotSide, words: readonly string[]): ObjectSelection {
    const { namespace, selector } = this.#request;
    const requests = words.flatMap((word) => readObjectRequests([word]));
    const custom = [...side.custom, ...undefinedResources(side)];
    return createSelection({ requests, namespace, selector: parseLabelSelector(selector) }, custom);
  }

  /** Keys of the chosen objects. A value that nobody can read can be removed all the same, unless labels choose. */
  async #chosen(
    side: SnapshotSide,
    words: readonly string[],
  ): Promise<{ readonly key: string; readonly path: string }[]> {
    const selection = this.#select(side, words);
    const found: { key: string; path: string }[] = [];
    for (const path of side.paths.filter((each) => selection.takesPath(each))) {
      for (const [rest, entry] of await side.open(path)) {
        if (!selection.takes(path, rest)) continue;
        const read = this.#request.selector === "" ? undefined : entry.read();
        if (read !== undefined && (read.state !== "object" || !selection.takesLabels(read.object))) continue;
        found.push({ key: `${side.prefix}/${path}/${rest}`, path });
      }
    }
    refuseMissing(selection, side.label);
    if (found.length === 0) {
      throw new MendError("object-not-found", `nothing matches ${words.map((word) => `"${word}"`).join(", ")}`, {
        where: side.label,
        hint: "check the names, the namespace (-n, -A) and the labels",
      });
    }
    return found;
  }

  async removals(): Promise<SurgeryEdit[]> {
    const { remove } = this.#request;
    if (remove.length === 0) return [];
    const chosen = new Set((await this.#chosen(this.#side, remove)).map(({ key }) => key));
    for (const key of [...chosen]) for (const inside of await this.#inside(key)) chosen.add(inside);
    return [...chosen].map((key) => ({
      action: "remove",
      name: this.#nameOf(key),
      key: Buffer.from(key),
      value: undefined,
      encoding: "",
      encryption: "",
    }));
  }

  /** What goes with a namespace, or with the definition of a kind: nobody could reach it any more. */
  async #inside(key: string): Promise<string[]> {
    const name = key.slice(key.lastIndexOf("/") + 1);
    const isNamespace = key === `${this.#side.prefix}/namespaces/${name}`;
    const defined = key === `${this.#side.prefix}/${DEFINITIONS}/${name}` ? definedPath(name) : undefined;
    if (!isNamespace && defined === undefined) return [];
    const found: string[] = [];
    for (const path of this.#side.paths.filter((each) => isNamespace || each === defined)) {
      for (const rest of (await this.#side.open(path)).keys()) {
        if (isNamespace && splitRest(path, rest).namespace !== name) continue;
        found.push(`${this.#side.prefix}/${path}/${rest}`);
      }
    }
    return found;
  }

  /** Throws `object-invalid` for an object that would be in a namespace that is not there. */
  checkNamespaces(edits: readonly SurgeryEdit[]): void {
    const state = new Map(edits.map(({ key, value }) => [textOfKey(key), value !== undefined]));
    for (const { action, key } of edits) {
      if (action !== "add" && action !== "replace") continue;
      const own = this.#nameOf(textOfKey(key));
      const path = this.#pathOf(own);
      if (path === "") {
        throw new MendError("kind-unknown", `the snapshot has no definition for "${own}"`, {
          where: this.#side.label,
          hint: "take the CustomResourceDefinition from the other snapshot first",
        });
      }
      const { namespace } = splitRest(path, own.slice(path.length + 1));
      if (namespace === undefined) continue;
      const place = `${this.#side.prefix}/namespaces/${namespace}`;
      if (state.get(place) ?? this.#side.keyspace.get(place) !== undefined) continue;
      throw new MendError("object-invalid", `"${own}" would be in a namespace that is not there: "${namespace}"`, {
        where: this.#side.label,
        hint: "set the Namespace too, or choose another one (-n)",
      });
    }
  }

  /** The longest path of a kind that the name of a key begins with. */
  #pathOf(name: string): string {
    const built = RESOURCE_TYPES.map(({ path }) => path);
    const custom = this.#side.custom.map(({ group, plural }) => `${group}/${plural}`);
    const own = [...built, ...custom, ...this.#side.paths].filter((path) => name.startsWith(`${path}/`));
    return own.reduce((longest, path) => (path.length > longest.length ? path : longest), "");
  }

  settings(): SurgeryEdit[] {
    return this.#request.set.flatMap((path) => readGivenObjects(path).map((object) => this.#set(object, path)));
  }

  #set(given: JsonObject, file: string): SurgeryEdit {
    const { object, path } = this.#identify(given, file);
    const { namespace, name } = object.metadata;
    const key = `${this.#side.prefix}/${path}/${namespace === undefined ? name : `${namespace}/${name}`}`;
    const before = this.#side.keyspace.get(key);
    const plain = before && this.#side.openValue(before);
    const like = plain instanceof Uint8Array ? plain : undefined;
    const stored = like ?? this.#sibling(path);
    const type = stored && peekType(stored);
    const isBuiltIn = findResource(object.apiVersion, object.kind) !== undefined;
    const encoding = type?.encoding ?? (isBuiltIn && !path.startsWith("apiextensions.k8s.io/") ? "protobuf" : "json");
    const converted = this.#convert(object, path, type?.apiVersion ?? object.apiVersion, file);
    const complete = this.#complete(converted, like === undefined ? undefined : before);
    const where = `${file} · ${object.kind} ${name}`;
    return this.#put(key, encodeGiven(asTaken(complete, where), encoding, like, where), before, encoding);
  }

  /** The kind, its place, and the namespace where it belongs into one. */
  #identify(given: JsonObject, file: string): { readonly object: KubeObject; readonly path: string } {
    const { apiVersion, kind } = given;
    const metadata = objectOf(given.metadata);
    if (typeof apiVersion !== "string" || typeof kind !== "string" || textOf(metadata.name) === "") {
      throw new MendError("object-invalid", "an object needs apiVersion, kind and metadata.name", {
        where: file,
        hint: "give whole objects, as kubectl get -o yaml prints them",
      });
    }
    const builtIn = findResource(apiVersion, kind);
    const group = apiVersion.slice(0, Math.max(0, apiVersion.indexOf("/")));
    const custom = this.#side.custom.find((each) => each.group === group && each.kind === kind);
    if (builtIn === undefined && custom === undefined) {
      throw new MendError("kind-unknown", `kind "${kind}" of "${apiVersion}" is none that the snapshot knows`, {
        where: file,
        hint: "check apiVersion and kind; a custom resource needs its definition in the snapshot",
      });
    }
    const namespaced = builtIn?.namespaced ?? defined(custom).namespaced;
    const own = textOf(metadata.namespace);
    const namespace = namespaced ? own || this.#request.namespace || "default" : undefined;
    checkNames({ ...given, apiVersion, kind, metadata } as KubeObject, namespaced, file);
    const placed = { ...metadata, ...(namespace !== undefined && { namespace }) } as KubeObject["metadata"];
    const path = builtIn?.etcdSegment ?? `${defined(custom).group}/${defined(custom).plural}`;
    return { object: { ...given, apiVersion, kind, metadata: placed } as KubeObject, path };
  }

  #convert(object: KubeObject, path: string, apiVersion: string, file: string): KubeObject {
    if (apiVersion === object.apiVersion) return object;
    const isBuiltIn = builtInType(object.apiVersion, object.kind) !== undefined;
    const name = path.split("/").reverse().join(".");
    const definition = isBuiltIn ? undefined : this.#definition(name);
    const converted = isBuiltIn ? convertBuiltIn(object, apiVersion) : convertCustom(object, apiVersion, definition);
    if ("object" in converted) return converted.object;
    throw new MendError("object-invalid", `the snapshot stores it as ${apiVersion}, and ${converted.refused}`, {
      where: file,
      hint: `write it as ${apiVersion}`,
    });
  }

  #definition(name: string): KubeObject | undefined {
    const keyValue = this.#side.keyspace.get(
      `${this.#side.prefix}/apiextensions.k8s.io/customresourcedefinitions/${name}`,
    );
    const read = keyValue && this.#side.decode(keyValue);
    return read?.state === "object" ? read.object : undefined;
  }

  /** With what every stored object has: the UID and the time of its predecessor, or new ones. */
  #complete(object: KubeObject, before: KeyValue | undefined): KubeObject {
    const read = before && this.#side.decode(before);
    const old = read?.state === "object" ? read.object.metadata : undefined;
    const { uid, creationTimestamp } = object.metadata;
    const metadata = {
      ...object.metadata,
      uid: uid ?? old?.uid ?? this.#options.makeUid(),
      creationTimestamp:
        creationTimestamp ?? old?.creationTimestamp ?? `${new Date(this.#options.now()).toISOString().slice(0, 19)}Z`,
    } as KubeObject["metadata"];
    return { ...object, metadata };
  }

  async takings(): Promise<SurgeryEdit[]> {
    const [file, ...words] = this.#request.from;
    if (file === undefined) return [];
    if (words.length === 0) {
      throw new MendError("usage", "nothing is chosen of the other snapshot", {
        hint: `write ${input("takenFrom")} OTHER.db TYPE/NAME...`,
      });
    }
    using other = await openSnapshotSide(readMoment(file), this.#options);
    const chosen = await this.#chosen(other, words);
    return chosen.map(({ key }) => {
      const keyValue = other.keyspace.get(key);
      const plain = keyValue && other.openValue(keyValue);
      if (!(plain instanceof Uint8Array)) {
        throw new MendError(
          "encryption-key-missing",
          `"${key}" of the other snapshot cannot be read: ${plain ?? "it is damaged"}`,
          {
            where: other.label,
            hint: `pass the API server's file of keys with ${input("encryptionConfig")}`,
          },
        );
      }
      const own = `${this.#side.prefix}${key.slice(other.prefix.length)}`;
      return this.#put(own, plain, this.#side.keyspace.get(own), peekType(plain)?.encoding ?? "protobuf");
    });
  }

  #put(key: string, plain: Uint8Array, before: KeyValue | undefined, encoding: StorageEncoding): SurgeryEdit {
    const name = this.#nameOf(key);
    const common = { name, key: Buffer.from(key), encoding };
    if (this.#config === undefined && this.#isSealedHere(key, before)) {
      throw new MendError("encryption-key-missing", `"${name}" is encrypted at rest, and nobody gave the key`, {
        where: key,
        hint: `pass the API server's file of keys with ${input("encryptionConfig")}`,
      });
    }
    const opened = before && this.#side.openValue(before);
    if (opened instanceof Uint8Array && Buffer.compare(opened, plain) === 0) {
      return { ...common, action: "same", value: defined(before).value, encryption: headerText(defined(before).value) };
    }
    const value = sealValue(plain, key, this.#config, this.#side.prefix);
    return { ...common, action: before === undefined ? "add" : "replace", value, encryption: headerText(value) };
  }

  /** Whether the object, or others of its kind, are encrypted. */
  #isSealedHere(key: string, before: KeyValue | undefined): boolean {
    if (before !== undefined) return isSealed(before.value);
    const path = this.#pathOf(this.#nameOf(key));
    let isSealedKind = this.#sealed.get(path);
    if (isSealedKind === undefined) {
      isSealedKind = this.#anySealed(path);
      this.#sealed.set(path, isSealedKind);
    }
    return isSealedKind;
  }

  /** Some may have been written before the others were encrypted. */
  #anySealed(path: string): boolean {
    const start = `${this.#side.prefix}/${path}/`;
    for (const key of this.#side.keyspace.keys()) {
      const text = Buffer.from(key).toString("utf8");
      if (!text.startsWith(start)) continue;
      const found = this.#side.keyspace.get(text);
      if (found !== undefined && isSealed(found.value)) return true;
    }
    return false;
  }

  #firstAt(path: string): KeyValue | undefined {
    if (!this.#first.has(path)) this.#first.set(path, this.#findFirst(path));
    return this.#first.get(path);
  }

  #findFirst(path: string): KeyValue | undefined {
    const start = `${this.#side.prefix}/${path}/`;
    for (const key of this.#side.keyspace.keys()) {
      const text = Buffer.from(key).toString("utf8");
      if (text.startsWith(start)) return this.#side.keyspace.get(text);
    }
    return undefined;
  }

  /** The plain bytes of another object of the kind: how this API server stores it. */
  #sibling(path: string): Uint8Array | undefined {
    const first = this.#firstAt(path);
    const opened = first && this.#side.openValue(first);
    return opened instanceof Uint8Array ? opened : undefined;
  }

  #nameOf(key: string): string {
    return key.slice(this.#side.prefix.length + 1);
  }
}

const textOfKey = (key: Uint8Array): string => Buffer.from(key).toString();

/** Kinds of which objects are there, and no definition any more: chosen as PLURAL.GROUP. */
function undefinedResources({ paths, custom }: SnapshotSide): CustomResource[] {
  const known = new Set([
    ...RESOURCE_TYPES.map(({ path }) => path),
    ...custom.map((each) => `${each.group}/${each.plural}`),
  ]);
  return paths
    .filter((path) => path.includes("/") && !known.has(path))
    .map((path) => {
      const [group = "", plural = ""] = path.split("/");
      const names = { group, plural, singular: plural, kind: plural, shortNames: [], categories: [] };
      return { ...names, namespaced: true, versions: [], printerColumns: [] };
    });
}

/** With the file and the object in the error of a field that cannot be stored. */
function encodeGiven(
  object: KubeObject,
  encoding: StorageEncoding,
  like: Uint8Array | undefined,
  where: string,
): Uint8Array {
  try {
    return encodeObject(object, { encoding, ...(like && { like }) });
  } catch (error) {
    if (!(error instanceof MendError) || error.where !== undefined) throw error;
    throw new MendError(error.code, error.message, { where, ...(error.hint && { hint: error.hint }), cause: error });
  }
}

function headerText(value: Uint8Array): string {
  const header = readEncryptionHeader(value);
  return header === undefined ? "" : `${header.provider} ${header.keyName}`;
}
