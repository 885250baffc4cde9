/** `snapshot get`: the objects of some resources in a snapshot, by name, namespace and label, without reading any other. */
import { defined } from "../../errors/defined.ts";
import { type Finding, MendError } from "../../errors/errors.ts";
import { type LabelSelector, matchesLabels } from "../../kube/label-selector.ts";
import type { KubeObject, Transformer } from "../../kube/object.ts";
import {
  type FieldSelector,
  matchesFields,
  parseFieldSelector,
  selectableFields,
} from "../../kubeapi/field-selector.ts";
import { ApiFailure } from "../../kubeapi/status.ts";
import { keyOf } from "../../mvcc/key-table.ts";
import { chooseEtcdPrefix } from "../../snapshot/choose-etcd-prefix.ts";
import { openSnapshot, type Snapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { type Definitions, explainUnknownKind, readDefinitions } from "../../snapshot/read-definitions.ts";
import { type Keyspace, readKeyspace, selectKeys } from "../../snapshot/read-keyspace.ts";
import type { FieldChoice } from "../../storage/compile-decoder.ts";
import { decodeValue } from "../../storage/decode.ts";
import { createTransformer } from "../../storage/encryption.ts";
import type { EncryptionConfig } from "../../storage/encryption-config.ts";
import { DEFAULT_ETCD_PREFIX, normalizeEtcdPrefix } from "../../storage/etcd-prefix.ts";
import {
  type NamedResource,
  needsDefinitions,
  type ObjectRequest,
  resolveResources,
  resourceName,
  unknownResource,
} from "../../storage/resource-argument.ts";

export interface GetOptions extends SnapshotOptions {
  readonly requests: readonly ObjectRequest[];
  /** Undefined for all namespaces. */
  readonly namespace: string | undefined;
  readonly selector: LabelSelector;
  /** Such as `spec.nodeName=worker-1,status.phase!=Running`; the fields are those that the API server selects the kind by. */
  readonly fieldSelector?: string;
  readonly atRevision?: number;
  readonly etcdPrefix?: string;
  /** The path of an EncryptionConfiguration. */
  readonly encryptionConfig?: string;
}

/** What a label selector looks at. */
const LABELS: FieldChoice = { metadata: { labels: true } };

/** What was asked of one resource. */
export interface ObjectGroup {
  readonly resource: NamedResource;
  /**
   * In the order of their keys, or of the names that were asked for; decoded one at a time; with a choice, at least the
   * fields that it names.
   */
  items(choice?: FieldChoice): Generator<FoundObject>;
  /** Their names, decoding only what a selector must look into. */
  names(): Generator<string>;
  /** Names that were asked for and are not there. */
  readonly missing: readonly string[];
}

export interface FoundObject {
  /** Undefined for what belongs to no namespace. */
  readonly namespace: string | undefined;
  readonly name: string;
  /** The object, or why there is none to show. */
  readonly found:
    | { readonly state: "object"; readonly object: KubeObject }
    | { readonly state: "encrypted" | "unreadable"; readonly text: string };
}

export interface FoundObjects extends Disposable {
  readonly groups: readonly ObjectGroup[];
  /** Other namespaces that hold a missing name, such as `pods "web"` in `shop`. */
  namespacesOf(resource: NamedResource, name: string): Promise<readonly string[]>;
  /** What was found wrong with the file so far. */
  findings(): readonly Finding[];
}

/**
 * Opens the snapshot and finds the keys. Throws `usage` for a field that a kind is not selected by, `kind-unknown`,
 * `not-kubernetes`, `encryption-config-invalid` and what opening throws.
 */
export async function getObjects(path: string, options: GetOptions): Promise<FoundObjects> {
  const { encryptionConfig } = options;
  const config =
    encryptionConfig === undefined
      ? undefined
      : (await import("../../snapshot/load-encryption-config.ts")).loadEncryptionConfig(encryptionConfig);
  const snapshot = await openSnapshot(path, options);
  for (const finding of config?.findings ?? []) snapshot.findings.report(finding);
  try {
    const given = options.etcdPrefix === undefined ? undefined : normalizeEtcdPrefix(options.etcdPrefix);
    const first = await readGroups(snapshot, options, given ?? DEFAULT_ETCD_PREFIX, config);
    const prefix = first.isCluster ? first.prefix : await findPrefix(snapshot, options, path);
    const { keyspace, wanted } = prefix === first.prefix ? first : await readGroups(snapshot, options, prefix, config);
    for (const { resource, place } of wanted) {
      if (resource.namespaced === undefined && !hasKeys(keyspace, place))
        throw unknownResource(resourceName(resource), []);
    }
    const transformer = createTransformer(config, prefix);
    return {
      groups: wanted.map((each) => openGroup(keyspace, each, options, transformer)),
      namespacesOf: (resource, name) => namespacesOf(snapshot, options, prefix, resource, name),
      findings: () => snapshot.findings.list(),
      [Symbol.dispose]: () => snapshot[Symbol.dispose](),
    };
  } catch (error) {
    snapshot[Symbol.dispose]();
    throw error;
  }
}

/** One resource, the keys that were asked for, and where its keys begin. */
interface Wanted {
  readonly resource: NamedResource;
  readonly names: readonly string[];
  /** Such as `/registry/pods/`. */
  readonly place: string;
}

interface Groups {
  readonly prefix: string;
  readonly keyspace: Keyspace;
  readonly wanted: readonly Wanted[];
  /** Whether anything tells that a cluster lives under the prefix. */
  readonly isCluster: boolean;
}

/** Reads only keys that were asked for, and a few that every cluster has. */
async function readGroups(
  snapshot: Snapshot,
  options: GetOptions,
  prefix: string,
  config: EncryptionConfig | undefined,
): Promise<Groups> {
  const definitions = options.requests.some(({ resources }) => needsDefinitions(resources))
    ? await readDefinitions(snapshot, keyspaceOptions(options), prefix, createTransformer(config, prefix))
    : { custom: [], encrypted: 0 };
  const wanted = options.requests.flatMap(({ resources, names }) =>
    resolve(resources, definitions, options).map(
      (resource): Wanted => ({ resource, names, place: `${prefix}/${resource.path}/` }),
    ),
  );
  const signs = [`${prefix}/namespaces/default`, `${prefix}/namespaces/kube-system`, `${prefix}/ranges/serviceips`];
  const keyspace = await readKeyspace(snapshot, {
    ...keyspaceOptions(options),
    select: [
      ...wanted.flatMap((each) => selections(each, options.namespace)),
      ...signs.map((sign) => selectKeys(sign, true)),
    ],
  });
  return { prefix, keyspace, wanted, isCluster: keyspace.size > 0 };
}

function resolve(resources: string, definitions: Definitions, options: GetOptions): readonly NamedResource[] {
  const { namespace } = options;
  const found = resolveKinds(resources, definitions);
  // As for kubectl: "all" of a namespace is what belongs to one.
  return resources === "all" && namespace !== undefined ? found.filter((each) => each.namespaced !== false) : found;
}

function resolveKinds(resources: string, definitions: Definitions): readonly NamedResource[] {
  try {
    return resolveResources(resources, definitions.custom);
  } catch (error) {
    throw explainUnknownKind(error, definitions);
  }
}

function selections({ resource, names, place }: Wanted, namespace: string | undefined) {
  const scope = resource.namespaced === true && namespace !== undefined ? `${place}${namespace}/` : place;
  const exact = names.length > 0 && (resource.namespaced === false || scope !== place);
  return exact ? names.map((name) => selectKeys(scope + name, true)) : [selectKeys(scope)];
}

function keyspaceOptions({ atRevision, signal, progress }: GetOptions) {
  return {
    ...(atRevision === undefined ? {} : { atRevision }),
    ...(signal === undefined ? {} : { signal }),
    ...(progress === undefined ? {} : { progress }),
  };
}

/** The prefix of a cluster that is not where it was looked for first, or the error that says where there is one. Needs all keys. */
async function findPrefix(snapshot: Snapshot, options: GetOptions, path: string): Promise<string> {
  return chooseEtcdPrefix(await readKeyspace(snapshot, keyspaceOptions(options)), options.etcdPrefix, path);
}

function openGroup(
  keyspace: Keyspace,
  { resource, names, place }: Wanted,
  { namespace, selector, fieldSelector = "" }: GetOptions,
  transformer: Transformer,
): ObjectGroup {
  const fields = readFieldSelector(fieldSelector, resource);
  const decoder = new TextDecoder();
  const start = new TextEncoder().encode(place);
  const { index } = keyspace;
  const partsOf = (entry: number) => splitKey(decoder.decode(keyOf(index, entry)), place, resource);
  const found = keyspace.order().filter((entry) => {
    if (!startsWith(keyOf(index, entry), start)) return false;
    if (namespace === undefined && names.length === 0) return true;
    const parts = partsOf(entry);
    if (parts.namespace !== undefined && namespace !== undefined && parts.namespace !== namespace) return false;
    return names.length === 0 || names.includes(parts.name);
  });
  const foundNames = new Set(names.length === 0 ? [] : Array.from(found, (entry) => partsOf(entry).name));
  if (names.length > 1) {
    const places = new Map(Array.from(found, (entry) => [entry, names.indexOf(partsOf(entry).name)]));
    found.sort((a, b) => defined(places.get(a)) - defined(places.get(b)));
  }
  const isSelected = (object: KubeObject): boolean => {
    // What was stored as JSON may lack any of this.
    const labels: unknown = object.metadata?.labels;
    return matchesLabels(selector, typeof labels === "object" && labels !== null ? { ...labels } : {});
  };
  const group: ObjectGroup = {
    resource,
    missing: names.filter((name) => !foundNames.has(name)),
    *items(choice) {
      for (const [entry, stored] of keyspace.readInTurn(found)) {
        const value = { key: decoder.decode(stored.key), value: stored.value, modRevision: stored.modRevision };
        // Labels alone, where they may say that nothing else is needed.
        if (selector.length > 0 && choice === undefined) {
          const labelled = decodeValue(value, transformer, LABELS);
          if (labelled.state === "object" && !isSelected(labelled.object)) continue;
        }
        const decoded = decodeValue(value, transformer, fields.length === 0 ? choice : undefined);
        const { namespace, name } = partsOf(entry);
        if (decoded.state === "object") {
          const { object } = decoded;
          if (!isSelected(object) || !matchesFields(fields, object)) continue;
          yield { namespace, name, found: { state: "object", object } };
        } else {
          const state = decoded.state === "encrypted" ? "encrypted" : "unreadable";
          yield { namespace, name, found: { state, text: decoded.text } };
        }
      }
    },
    *names() {
      if (selector.length === 0 && fields.length === 0) for (const entry of found) yield partsOf(entry).name;
      else for (const { name } of group.items(LABELS)) yield name;
    },
  };
  return group;
}

function readFieldSelector(selector: string, resource: NamedResource): FieldSelector {
  const { group, plural, version = "", printerColumns } = resource;
  try {
    return parseFieldSelector(selector, {
      group,
      version,
      plural,
      selectableFields: printerColumns === undefined ? undefined : [],
    });
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    throw new MendError("usage", `${resourceName(resource)} cannot be selected by "${selector}"`, {
      cause: error,
      hint: `fields are compared as FIELD=VALUE or FIELD!=VALUE; there are ${selectableFields(plural).join(", ")}`,
    });
  }
}

function splitKey(key: string, place: string, { namespaced }: NamedResource) {
  const rest = key.slice(place.length);
  const slash = namespaced === false ? -1 : rest.indexOf("/");
  return slash < 0
    ? { namespace: undefined, name: rest }
    : { namespace: rest.slice(0, slash), name: rest.slice(slash + 1) };
}

async function namespacesOf(
  snapshot: Snapshot,
  options: GetOptions,
  prefix: string,
  resource: NamedResource,
  name: string,
): Promise<readonly string[]> {
  if (resource.namespaced === false) return [];
  const place = `${prefix}/${resource.path}/`;
  const keyspace = await readKeyspace(snapshot, { ...keyspaceOptions(options), select: [selectKeys(place)] });
  const decoder = new TextDecoder();
  const namespaces: string[] = [];
  for (const bytes of keyspace.keys()) {
    const parts = splitKey(decoder.decode(bytes), place, resource);
    if (parts.name === name && parts.namespace !== undefined) namespaces.push(parts.namespace);
  }
  return namespaces;
}

function hasKeys(keyspace: Keyspace, place: string): boolean {
  const start = new TextEncoder().encode(place);
  for (const key of keyspace.keys()) if (startsWith(key, start)) return true;
  return false;
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  if (bytes.length < start.length) return false;
  for (let i = start.length - 1; i >= 0; i--) if (bytes[i] !== start[i]) return false;
  return true;
}

/** The error for names that are not there. */
export async function notFound(objects: FoundObjects): Promise<MendError | undefined> {
  const missing = objects.groups.flatMap(({ resource, missing }) => missing.map((name) => ({ resource, name })));
  if (missing.length === 0) return undefined;
  const elsewhere: string[] = [];
  for (const { resource, name } of missing.slice(0, 1)) {
    const namespaces = await objects.namespacesOf(resource, name);
    if (namespaces.length > 0) elsewhere.push(...namespaces.slice(0, 3).map((namespace) => `-n ${namespace}`));
  }
  const listed = missing.map(({ resource, name }) => `${resourceName(resource)} "${name}"`).join(", ");
  return new MendError("object-not-found", `${listed} not found`, {
    ...(elsewhere.length > 0 ? { hint: `there is one of that name elsewhere: pass ${elsewhere.join(" or ")}` } : {}),
  });
}
