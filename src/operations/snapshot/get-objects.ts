/** `snapshot get`: the objects of some resources in a snapshot, by name, namespace and label, without reading any other. */
import { defined } from "../../errors/defined.ts";
import { type Finding, MendError } from "../../errors/errors.ts";
import type { LabelSelector } from "../../kube/label-selector.ts";
import { type RowOptions, tableOf } from "../../kubeapi/columns/table-rows.ts";
import { keyOf } from "../../mvcc/key-table.ts";
import { findClusterPrefix } from "../../snapshot/find-cluster-prefix.ts";
import { createObjectReader, type FoundObject, splitKey } from "../../snapshot/found-objects.ts";
import { openSnapshot, type Snapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { ROWS_WORTH_THREADS, readRows, type TableRows } from "../../snapshot/parallel-rows.ts";
import { type Definitions, explainUnknownKind, readDefinitions } from "../../snapshot/read-definitions.ts";
import { type Keyspace, readKeyspace, selectKeys } from "../../snapshot/read-keyspace.ts";
import type { FieldChoice } from "../../storage/compile-decoder.ts";
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

/** What was asked of one resource. */
export interface ObjectGroup {
  readonly resource: NamedResource;
  /**
   * In the order of their keys, or of the names that were asked for; decoded one at a time; with a choice, at least the
   * fields that it names.
   */
  items(choice?: FieldChoice): Generator<FoundObject>;
  /**
   * The rows of their table, made by several threads; undefined where they are too few for that (fewer than `least`), or
   * their order needs the objects. What is damaged is reported.
   */
  rows(options: RowOptions, least?: number): Promise<TableRows> | undefined;
  /** Their names, decoding only what a selector must look into. */
  names(): Generator<string>;
  /** Names that were asked for and are not there. */
  readonly missing: readonly string[];
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
    const prefix = first.isCluster ? first.prefix : await findPrefix(snapshot, options);
    const { keyspace, wanted } = prefix === first.prefix ? first : await readGroups(snapshot, options, prefix, config);
    for (const { resource, place } of wanted) {
      if (resource.namespaced === undefined && !hasKeys(keyspace, place))
        throw unknownResource(resourceName(resource), []);
    }
    return {
      groups: wanted.map((each) => openGroup(snapshot, keyspace, each, options, config, prefix)),
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

/** The prefix of a cluster that is not where it was looked for first, or the error that says where there is one. */
function findPrefix(snapshot: Snapshot, options: GetOptions): Promise<string> {
  return findClusterPrefix(snapshot, options.etcdPrefix, keyspaceOptions(options));
}

function openGroup(
  snapshot: Snapshot,
  keyspace: Keyspace,
  { resource, names, place }: Wanted,
  { namespace, selector, fieldSelector = "", signal }: GetOptions,
  config: EncryptionConfig | undefined,
  prefix: string,
): ObjectGroup {
  const selection = { resource, place, selector, fieldSelector };
  const readObject = createObjectReader(selection, createTransformer(config, prefix));
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
  const group: ObjectGroup = {
    resource,
    missing: names.filter((name) => !foundNames.has(name)),
    *items(choice) {
      for (const [, stored] of keyspace.readInTurn(found)) {
        const object = readObject(stored, choice);
        if (object !== undefined) yield object;
      }
    },
    rows(options, least = ROWS_WORTH_THREADS) {
      if (found.length < least || tableOf(resource).compare !== undefined) return undefined;
      if (snapshot.threads.count === 0) return undefined;
      const encryption = config === undefined ? {} : { encryption: { rules: config.rules } };
      return readRows(snapshot, keyspace, found, { selection, options, etcdPrefix: prefix, ...encryption }, signal);
    },
    *names() {
      if (selector.length === 0 && fieldSelector === "") for (const entry of found) yield partsOf(entry).name;
      else for (const { name } of group.items({ metadata: { labels: true } })) yield name;
    },
  };
  return group;
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
