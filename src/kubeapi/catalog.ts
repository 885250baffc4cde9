/**
 * Which resources are served at a moment, and in which versions: Kubernetes' own by what is stored of them, custom ones
 * by their definitions.
 */
import { compareVersions } from "../storage/custom-resource.ts";
import { planOf } from "../storage/message-plan.ts";
import { RESOURCE_TYPES, type ResourceType } from "../storage/object-key.ts";
import { RESOURCES, type Resource } from "../storage/resources.ts";
import { convertObject } from "./convert.ts";
import { type CustomDefinition, type CustomVersion, readCustomDefinition } from "./custom-definition.ts";
import type { KeyspaceHistory } from "./history.ts";

export interface ServedResource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly listKind: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** Where its keys begin, such as `/registry/pods/`. */
  readonly place: string;
  readonly hasStatus: boolean;
  /** The kind of its scale subresource, if it has one. */
  readonly hasScale: boolean;
  readonly type: ServedType;
}

type ServedType =
  | { readonly custom: false; readonly resource: Resource }
  | { readonly custom: true; readonly definition: CustomDefinition; readonly version: CustomVersion };

interface ServedGroup {
  readonly name: string;
  /** The preferred one first. */
  readonly versions: readonly string[];
}

export interface Catalog {
  readonly revision: number;
  /** By group, in the order of {@link groups}, then by version. */
  readonly resources: readonly ServedResource[];
  /** The core group first. */
  readonly groups: readonly ServedGroup[];
  find(group: string, version: string, plural: string): ServedResource | undefined;
  /** The preferred version of a kind that an object refers to, whatever version the reference has. */
  findKind(group: string, kind: string): ServedResource | undefined;
}

/** `v1`, or `apps/v1`. */
export function groupVersion({ group, version }: Pick<ServedResource, "group" | "version">): string {
  return group === "" ? version : `${group}/${version}`;
}

/** Where an API server lists its own groups; those of custom resources follow by name. */
const GROUP_ORDER = [
  "",
  "apiregistration.k8s.io",
  "apps",
  "events.k8s.io",
  "authentication.k8s.io",
  "authorization.k8s.io",
  "autoscaling",
  "batch",
  "certificates.k8s.io",
  "networking.k8s.io",
  "extensions",
  "policy",
  "rbac.authorization.k8s.io",
  "storage.k8s.io",
  "admissionregistration.k8s.io",
  "apiextensions.k8s.io",
  "scheduling.k8s.io",
  "coordination.k8s.io",
  "node.k8s.io",
  "discovery.k8s.io",
  "resource.k8s.io",
  "flowcontrol.apiserver.k8s.io",
];

const IN_ALL = new Set([
  "pods",
  "replicationcontrollers",
  "services",
  "daemonsets",
  "deployments",
  "replicasets",
  "statefulsets",
  "horizontalpodautoscalers",
  "cronjobs",
  "jobs",
]);
const EXTENDS_API = new Set([
  "customresourcedefinitions",
  "apiservices",
  "mutatingwebhookconfigurations",
  "validatingwebhookconfigurations",
  "mutatingadmissionpolicies",
  "mutatingadmissionpolicybindings",
  "validatingadmissionpolicies",
  "validatingadmissionpolicybindings",
]);
/** Their status was withdrawn, and is still in the types. */
const WITHOUT_STATUS = new Set(["networkpolicies"]);
const SCALED = new Set(["deployments", "replicasets", "statefulsets", "replicationcontrollers"]);
/** Only ever another view of what a newer group has, or of nothing that clusters keep. */
const LEFT_GROUPS = new Set(["extensions", "settings.k8s.io", "auditregistration.k8s.io"]);

/** Stored, but never served by an API server. */
const INTERNAL_KINDS = new Set(["RangeAllocation", "ThirdPartyResourceData"]);

/** Objects of each kind that are looked at to learn in which versions it is stored. */
const SAMPLES = 16;

/** Reads the definitions and some objects of each kind at a revision. `prefix`: etcd's, without a slash at its end. */
export function readCatalog(history: KeyspaceHistory, revision: number, prefix: string): Catalog {
  const resources = [
    ...RESOURCE_TYPES.filter(({ kind }) => !INTERNAL_KINDS.has(kind)).flatMap((type) =>
      builtIn(history, revision, prefix, type),
    ),
    ...customResources(history, revision, prefix),
  ].sort(compareResources);
  const groups = [...Map.groupBy(resources, (each) => each.group)].map(([name, members]) => ({
    name,
    versions: [...new Set(members.map((each) => each.version))].sort(compareVersions),
  }));
  const byName = new Map(resources.map((each) => [`${groupVersion(each)}/${each.plural}`, each]));
  return {
    revision,
    resources,
    groups,
    find: (group, version, plural) => byName.get(`${groupVersion({ group, version })}/${plural}`),
    findKind: (group, kind) => resources.find((each) => each.group === group && each.kind === kind),
  };
}

function compareResources(a: ServedResource, b: ServedResource): number {
  return compareGroups(a.group, b.group) || compareVersions(a.version, b.version) || (a.plural < b.plural ? -1 : 1);
}

/** In the order in which an API server lists them. */
export function compareGroups(a: string, b: string): number {
  return groupRank(a) - groupRank(b) || (a === b ? 0 : a < b ? -1 : 1);
}

function groupRank(group: string): number {
  const rank = GROUP_ORDER.indexOf(group);
  return rank < 0 ? GROUP_ORDER.length : rank;
}

function builtIn(
  history: KeyspaceHistory,
  revision: number,
  prefix: string,
  type: ResourceType,
): readonly ServedResource[] {
  const place = `${prefix}/${type.path}/`;
  const candidates = RESOURCES.filter((each) => each.etcdSegment === type.path);
  const samples = sampleObjects(history, revision, place);
  const versions = candidates.filter((candidate) => {
    const isStored = samples.some((object) => object.apiVersion === apiVersion(candidate));
    if (samples.length > 0) {
      const wanted = isStored || isStable(candidate) || candidate.group === "autoscaling";
      return wanted && samples.every((object) => convertObject(object, candidate) !== undefined);
    }
    return isStable(candidate) && !LEFT_GROUPS.has(candidate.group);
  });
  // Stored in versions of which none has all fields: each is served, and shows what it can.
  const served =
    versions.length > 0
      ? versions
      : candidates.filter((candidate) => samples.some((object) => object.apiVersion === apiVersion(candidate)));
  return served.map((resource) => {
    const { group, version, kind, resource: plural, namespaced, shortNames, message } = resource;
    return {
      group,
      version,
      plural,
      singular: kind.toLowerCase(),
      kind,
      listKind: `${kind}List`,
      shortNames,
      categories: IN_ALL.has(plural) ? ["all"] : EXTENDS_API.has(plural) ? ["api-extensions"] : [],
      namespaced,
      place,
      hasStatus: planOf(message).byName.has("status") && !WITHOUT_STATUS.has(plural),
      hasScale: SCALED.has(plural),
      type: { custom: false, resource },
    };
  });
}

const apiVersion = ({ group, version }: Resource) => (group === "" ? version : `${group}/${version}`);
const isStable = ({ version }: Resource) => /^v\d+$/.test(version);

/** Some live objects of a place, from all over it. */
function sampleObjects(history: KeyspaceHistory, revision: number, place: string) {
  const [from, to] = history.range(place);
  const step = Math.max(1, Math.floor((to - from) / SAMPLES));
  const found = [];
  for (let key = from; key < to; key += step) {
    const row = history.rowAt(key, revision);
    if (row < 0) continue;
    const decoded = history.decode(row);
    if (decoded.state === "object") found.push(decoded.object);
  }
  return found;
}

function customResources(history: KeyspaceHistory, revision: number, prefix: string): readonly ServedResource[] {
  const [from, to] = history.range(`${prefix}/apiextensions.k8s.io/customresourcedefinitions/`);
  const served: ServedResource[] = [];
  for (let key = from; key < to; key++) {
    const row = history.rowAt(key, revision);
    const decoded = row < 0 ? undefined : history.decode(row);
    const definition = decoded?.state === "object" ? readCustomDefinition(decoded.object) : undefined;
    if (definition === undefined) continue;
    const { group, plural, singular, kind, listKind, shortNames, categories, namespaced } = definition;
    const place = `${prefix}/${group}/${plural}/`;
    for (const version of definition.versions) {
      if (!definition.sameInAllVersions && !isStoredIn(history, revision, place, `${group}/${version.name}`)) continue;
      served.push({
        group,
        version: version.name,
        plural,
        singular,
        kind,
        listKind,
        shortNames,
        categories,
        namespaced,
        place,
        hasStatus: version.hasStatus,
        hasScale: version.scale !== undefined,
        type: { custom: true, definition, version },
      });
    }
  }
  return served;
}

/** Whether objects of a place are stored in a version; true where there are none. */
function isStoredIn(history: KeyspaceHistory, revision: number, place: string, apiVersion: string): boolean {
  const samples = sampleObjects(history, revision, place);
  return samples.length === 0 || samples.some((object) => object.apiVersion === apiVersion);
}
